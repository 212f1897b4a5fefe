"""Azure Blob Storage, and OneLake through its Blob endpoint, with azure-storage-blob.

Requests use the identity of this process: a workload or managed identity, the identity in the environment's variables, or
the signed-in user.
"""

from __future__ import annotations

import base64
from typing import Any

import requests
from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient, ContentSettings
from requests.adapters import HTTPAdapter

from dbt_state_oss import __version__
from dbt_state_oss.application.ports import UNCHANGED, Unchanged
from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.stores.azure_errors import cause_of, explained, is_absent, status_of
from dbt_state_oss.stores.bucket import Blob, NoAnswer, Page, foreign_answer, milliseconds

_API_VERSION = "2023-11-03"
"""An older version that every compatible store knows. Pinning it also keeps a newer SDK from changing behavior."""
_SINGLE_REQUEST_BYTES = 1 << 40
"""More bytes than any document has, so that the SDK never splits a request into several."""
_CONTENT = ContentSettings(content_type="application/jsonl")
_PARSE_ERRORS = (AttributeError, ValueError)
"""What the SDK raises for an answer that does not come from Azure."""
_NOT_MODIFIED = 304
_RANGE_NOT_SATISFIABLE = 416


class AzureBucket:
    """A `Bucket` of Azure Blob Storage."""

    def __init__(
        self,
        container: str,
        *,
        place: str,
        url: str = "",
        connection_string: str = "",
        page_size: int = 5000,
        connections: int,
        timeout_seconds: float,
    ) -> None:
        """`place` is the container as users know it. `url` is the account's address, unless `connection_string` contains it.

        `page_size`: the number of names per request of a listing. `timeout_seconds` bounds the wait for a connection and for
        each part of an answer. Raises `StoreMisconfigured` if the client cannot be created.
        """
        self._place = place
        self._page_size = page_size
        session = requests.Session()
        session.mount("http://", HTTPAdapter(pool_maxsize=connections))
        session.mount("https://", HTTPAdapter(pool_maxsize=connections))
        timeouts = {"connection_timeout": timeout_seconds, "read_timeout": timeout_seconds}
        options: dict[str, Any] = {
            "api_version": _API_VERSION,
            "max_single_get_size": _SINGLE_REQUEST_BYTES,
            "max_single_put_size": _SINGLE_REQUEST_BYTES,
            "retry_total": 0,
            "transport": RequestsTransport(session=session, **timeouts),
            "user_agent": f"dbt-state-oss/{__version__}",
        }
        self._credential: DefaultAzureCredential | None = None
        if not connection_string and not url.startswith("https://"):
            raise StoreMisconfigured(
                f"the store {place} cannot be used: managed identity requires an https:// endpoint (got {url})"
            )
        try:
            if connection_string:
                _check_account_key(connection_string)
                self._client = ContainerClient.from_connection_string(connection_string, container, **options)
            else:
                self._credential = DefaultAzureCredential(**timeouts)
                self._client = ContainerClient(url, container, self._credential, **options)
        except ValueError:  # not chained as the cause: it may contain a secret
            which = (
                "the connection string"
                if connection_string
                else "the address, the container's name or AZURE_… variables"
            )
            raise StoreMisconfigured(f"the store {place} cannot be used: {which} is invalid") from None

    @property
    def place(self) -> str:
        return self._place

    def read(self, name: str, unless: str | None) -> Blob | Unchanged | None:
        condition = _if_changed(unless)
        try:
            found = self._client.download_blob(name, offset=0, length=_SINGLE_REQUEST_BYTES, **condition)
            return Blob(found.read(), found.properties.etag)
        except AzureError as error:
            if status_of(error) == _RANGE_NOT_SATISFIABLE:
                return self._read_empty(name, condition)
            return self._unchanged_or_absent(error)
        except _PARSE_ERRORS as error:
            raise foreign_answer(self._place) from error

    def _read_empty(self, name: str, condition: dict[str, Any]) -> Blob | Unchanged | None:
        """Read the version of an empty blob, which the answer to a range request does not contain."""
        try:
            properties = self._client.get_blob_client(name).get_blob_properties(**condition)
        except AzureError as error:
            return self._unchanged_or_absent(error)
        if properties.size:
            raise NoAnswer(f"{name} changed while it was read")
        return Blob(b"", properties.etag)

    def _unchanged_or_absent(self, error: AzureError) -> Unchanged | None:
        if status_of(error) == _NOT_MODIFIED:
            return UNCHANGED
        if is_absent(error):
            return None
        raise explained(error, self._place) from cause_of(error)

    def write(self, name: str, data: bytes, expected: str | None) -> str:
        condition = _if_version(expected) if expected is not None else {}
        try:
            answer = self._client.get_blob_client(name).upload_blob(
                data, overwrite=expected is not None, content_settings=_CONTENT, **condition
            )
        except AzureError as error:
            raise explained(error, self._place, changing=name, expected=expected) from cause_of(error)
        version: str = answer["etag"]
        return version

    def remove(self, name: str, expected: str) -> None:
        try:
            self._client.delete_blob(name, **_if_version(expected))
        except AzureError as error:
            raise explained(error, self._place, changing=name, expected=expected) from cause_of(error)

    def written_at(self, name: str) -> int:
        try:
            return milliseconds(self._client.get_blob_client(name).get_blob_properties().last_modified)
        except AzureError as error:
            raise explained(error, self._place) from cause_of(error)
        except _PARSE_ERRORS as error:
            raise foreign_answer(self._place) from error

    def page(self, prefix: str, following: str | None) -> Page:
        """Request a page of the folder that contains `prefix`, and return the names in it that start with `prefix`.

        Not every hierarchical namespace can list by a prefix that is not a folder. Some, such as OneLake's, also list
        folders as empty blobs.
        """
        folder = prefix[: prefix.rfind("/") + 1]
        pages: Any = self._client.list_blobs(folder, results_per_page=self._page_size).by_page(following)
        try:
            found = [each.name for each in next(pages) if each.size]
        except AzureError as error:
            if is_absent(error):  # the folder does not exist
                return Page((), None)
            raise explained(error, self._place) from cause_of(error)
        except _PARSE_ERRORS as error:
            raise foreign_answer(self._place) from error
        if outside := next((name for name in found if not name.startswith(folder)), None):
            raise StoreMisconfigured(
                f"the store {self._place} lists {outside} under {folder}; spell the prefix in the same way"
            )
        return Page(tuple(name for name in found if name.startswith(prefix)), pages.continuation_token or None)

    def close(self) -> None:
        self._client.close()
        if self._credential:
            self._credential.close()


def _check_account_key(connection_string: str) -> None:
    """Raise ValueError if the account key is not Base64. The SDK would report such a key as a missing identity."""
    for part in connection_string.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "accountkey":
            base64.b64decode(value.strip(), validate=True)


def _if_version(version: str) -> dict[str, Any]:
    return {"etag": version, "match_condition": MatchConditions.IfNotModified}


def _if_changed(version: str | None) -> dict[str, Any]:
    return {"etag": version, "match_condition": MatchConditions.IfModified} if version else {}
