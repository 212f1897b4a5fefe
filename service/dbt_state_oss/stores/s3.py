"""Amazon S3 and S3-compatible stores, with boto3.

Credentials come from the usual AWS sources. So do region and endpoint if they are not set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's class for failed connections
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    SSLError,
)

from dbt_state_oss import __version__
from dbt_state_oss.application.ports import UNCHANGED, Unchanged
from dbt_state_oss.errors import Conflict, StoreError, StoreMisconfigured, StoreReadOnly, StoreUnavailable
from dbt_state_oss.stores.bucket import RETRYABLE_STATUSES, Blob, NoAnswer, Page, foreign_answer, milliseconds
from dbt_state_oss.stores.s3_client import REFUSED_CREDENTIALS, ClientWithCredentials, RenewedClient

_NO_CONTENT = 204
_NOT_MODIFIED = 304
_NO_OBJECT = "NoSuchKey"
_CONDITION_FAILED = (409, 412)
"""409: another write was in progress."""
_RETRYABLE_CODES = ("RequestTimeout", "Throttling", "ThrottlingException", "TooManyRequests")
_WRITE_REFUSED = (403, 405, 507)
_NO_ANSWER = (HTTPClientError, ConnectionError, IncompleteReadError, FlexibleChecksumError)

_ADVICE = {
    "AccessDenied": "allow this identity to get, put, delete and list objects under the prefix",
    "AuthorizationHeaderMalformed": "set DBTSTATE_S3_REGION to the region of the bucket",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidAccessKeyId": "the store does not know the credentials",
    "NoSuchBucket": "the bucket does not exist; create it, or check --bucket",
    "PermanentRedirect": "set DBTSTATE_S3_REGION to the region of the bucket",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; synchronize it (NTP)",
    "SignatureDoesNotMatch": "the credentials are wrong",
}


class S3Bucket:
    """A `Bucket` of S3."""

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str = "",
        region: str = "",
        path_style: bool = False,
        encryption: str = "",
        kms_key: str = "",
        page_size: int = 1000,
        connections: int,
        timeout_seconds: float,
    ) -> None:
        """`endpoint`, `region`: empty means the values of the environment. `path_style`: put the bucket's name in the path.

        `encryption`: AES256, aws:kms or aws:kms:dsse; empty means the bucket's own setting. `kms_key`: id or ARN. `page_size`:
        the number of names per request of a listing. `timeout_seconds` bounds the wait for a connection and for each part of
        an answer. Raises `StoreMisconfigured` if the client cannot be created.
        """
        self._bucket = bucket
        self._page_size = page_size
        self._encryption = {"ServerSideEncryption": encryption} if encryption else {}
        if kms_key:
            self._encryption["SSEKMSKeyId"] = kms_key
        # S3-compatible stores may refuse the newer checksums.
        checksums = "when_required" if endpoint else "when_supported"
        config = Config(
            connect_timeout=timeout_seconds,
            read_timeout=timeout_seconds,
            retries={"total_max_attempts": 1},
            max_pool_connections=connections,
            tcp_keepalive=True,
            s3={"addressing_style": "path" if path_style else "auto"},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
            user_agent_extra=f"dbt-state-oss/{__version__}",
        )

        def make() -> ClientWithCredentials:
            session = boto3.session.Session()
            client = session.client("s3", endpoint_url=endpoint or None, region_name=region or None, config=config)
            return client, session.get_credentials()

        try:
            self._clients = RenewedClient(make)
        except (BotoCoreError, ValueError) as error:
            raise StoreMisconfigured(f"the store {self.place} cannot be used: {error}") from error

    @property
    def _client(self) -> Any:
        return self._clients.current

    @property
    def place(self) -> str:
        return f"s3://{self._bucket}"

    def read(self, name: str, unless: str | None) -> Blob | Unchanged | None:
        condition = {"IfNoneMatch": unless} if unless else {}
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name, **condition)
            return Blob(answer["Body"].read(), self._version(answer))
        except ClientError as error:
            if _status(error) == _NOT_MODIFIED:
                return UNCHANGED
            if _code(error) == _NO_OBJECT:
                return None
            raise self._explained(error) from error
        except BotoCoreError as error:
            raise self._explained(error) from error

    def write(self, name: str, data: bytes, expected: str | None) -> str:
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        try:
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=data,
                ContentType="application/jsonl",
                **condition,
                **self._encryption,
            )
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error, changing=name) from error
        return self._version(answer)

    def remove(self, name: str, expected: str) -> None:
        try:
            answer = self._client.delete_object(Bucket=self._bucket, Key=name, IfMatch=expected)
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error, changing=name) from error
        if answer["ResponseMetadata"]["HTTPStatusCode"] != _NO_CONTENT:
            raise foreign_answer(self.place)

    def written_at(self, name: str) -> int:
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=name)
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from error
        if "LastModified" not in answer:
            raise foreign_answer(self.place)
        return milliseconds(answer["LastModified"])

    def page(self, prefix: str, following: str | None) -> Page:
        place = {"ContinuationToken": following} if following else {}
        try:
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=self._page_size, **place)
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from error
        if "IsTruncated" not in answer:
            raise foreign_answer(self.place)
        names = tuple(each["Key"] for each in answer.get("Contents", ()) if each["Size"])
        return Page(names, answer.get("NextContinuationToken"))

    def close(self) -> None:
        self._clients.close()

    def _version(self, answer: Mapping[str, Any]) -> str:
        version: str | None = answer.get("ETag")
        if version is None:
            raise foreign_answer(self.place)
        return version

    def _explained(self, error: ClientError | BotoCoreError, *, changing: str = "") -> StoreError:
        """Translate the SDK's error. `changing` is the object that a write or delete was about."""
        if isinstance(error, ClientError):
            return self._refusal(error, changing)
        if isinstance(error, NoCredentialsError):
            return StoreMisconfigured(f"the store {self.place} cannot be used: no AWS credentials found")
        if isinstance(error, CredentialRetrievalError):
            return StoreUnavailable(f"the store {self.place} cannot be used: {error}")
        if isinstance(error, SSLError) or not isinstance(error, _NO_ANSWER):
            return StoreMisconfigured(f"the store {self.place} cannot be used: {error}")
        return NoAnswer(f"the store {self.place} did not answer ({type(error).__name__})")

    def _refusal(self, error: ClientError, changing: str) -> StoreError:
        status, code = _status(error), _code(error)
        if changing and (status in _CONDITION_FAILED or code == _NO_OBJECT):
            return Conflict(f"{changing} has changed")
        if status in RETRYABLE_STATUSES or code in _RETRYABLE_CODES or code.isdecimal():
            return NoAnswer(f"the store {self.place} is temporarily unavailable ({code})")
        if code in REFUSED_CREDENTIALS and self._clients.renew():
            return NoAnswer(f"the store {self.place} refused credentials that have been replaced ({code})")
        advice = f"; {_ADVICE[code]}" if code in _ADVICE else ""
        if changing and status in _WRITE_REFUSED and code not in ("RequestTimeTooSkewed", "SignatureDoesNotMatch"):
            return StoreReadOnly(f"the store {self.place} rejects writes: {code}{advice}")
        return StoreMisconfigured(f"the store {self.place} rejected the request: {code}{advice}")


def _status(error: ClientError) -> int:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def _code(error: ClientError) -> str:
    """Return the store's error code, or the status as text if the answer had no code."""
    code: str = error.response.get("Error", {}).get("Code", "")
    return code
