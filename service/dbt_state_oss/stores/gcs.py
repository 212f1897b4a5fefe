"""Google Cloud Storage, with google-cloud-storage and Application Default Credentials."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import google.auth
import requests
from google.api_core.exceptions import GoogleAPICallError, NotModified
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client
from google.cloud.storage.exceptions import DataCorruption
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from dbt_state_oss import __version__
from dbt_state_oss.application.ports import UNCHANGED, Unchanged
from dbt_state_oss.errors import Conflict, StoreMisconfigured
from dbt_state_oss.stores.bucket import Blob, NoAnswer, Page, foreign_answer, milliseconds
from dbt_state_oss.stores.gcs_errors import Absent, explained, no_answer, not_signed_in

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_NO_GENERATION = "0"
"""The generation of no object. As a condition it requires that the object does not exist."""
_DISABLE_BUCKET_METADATA = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"
"""The variable that keeps the library from requesting the bucket's metadata for traces, which needs one more permission."""
_HTML = "text/html"


class GcsBucket:
    """A `Bucket` of Google Cloud Storage. Versions are generations. Two contents of one name never have the same generation."""

    def __init__(
        self, bucket: str, *, endpoint: str = "", page_size: int = 1000, connections: int, timeout_seconds: float
    ) -> None:
        """`endpoint`: the address of an emulator, which is used without credentials. Empty: Google's own endpoint.

        `timeout_seconds` bounds the wait for a connection and for each part of an answer. Raises `StoreMisconfigured` if
        there are no valid credentials, `NoAnswer` if they cannot be fetched now.
        """
        self._name = bucket
        self._page_size = page_size
        self._call = {"timeout": timeout_seconds, "retry": None}
        credentials = AnonymousCredentials() if endpoint else self._credentials()
        session = AuthorizedSession(credentials)
        session.mount("http://", HTTPAdapter(pool_maxsize=connections))
        session.mount("https://", HTTPAdapter(pool_maxsize=connections))
        session.headers["User-Agent"] = f"dbt-state-oss/{__version__}"
        os.environ.setdefault(_DISABLE_BUCKET_METADATA, "true")
        self._client = Client(
            project="",  # requests for objects need only the bucket
            credentials=credentials,
            client_options={"api_endpoint": endpoint} if endpoint else None,
            _http=session,  # the only way to set the size of the connection pool
        )
        self._bucket = self._client.bucket(bucket)

    def _credentials(self) -> Credentials:
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except GoogleAuthError as error:
            raise not_signed_in(error, self.place) from error
        return credentials

    @property
    def place(self) -> str:
        return f"gs://{self._name}"

    def read(self, name: str, unless: str | None) -> Blob | Unchanged | None:
        found = self._bucket.blob(name)
        condition = {"if_generation_not_match": int(unless)} if unless else {}
        try:
            with self._explaining():
                data = found.download_as_bytes(raw_download=True, single_shot_download=True, **condition, **self._call)
        except NotModified:
            return UNCHANGED
        except Absent:
            return None
        if found.generation is None:
            if (found.content_type or "").startswith(_HTML):
                raise foreign_answer(self.place)
            raise StoreMisconfigured(
                f"the store {self.place} returns objects without a generation, so changes cannot be detected; use another store"
            )
        generation = str(found.generation)
        return UNCHANGED if generation == unless else Blob(data, generation)

    def write(self, name: str, data: bytes, expected: str | None) -> str:
        if expected == _NO_GENERATION:
            raise Conflict(f"{name} has changed")
        blob = self._bucket.blob(name)
        with self._explaining(changing=name, expected=expected):
            blob.upload_from_string(
                data,
                content_type="application/jsonl",
                if_generation_match=int(expected or _NO_GENERATION),
                **self._call,
            )
        return str(blob.generation)

    def remove(self, name: str, expected: str) -> None:
        with self._explaining(changing=name, expected=expected):
            self._bucket.blob(name).delete(if_generation_match=int(expected), **self._call)

    def written_at(self, name: str) -> int:
        blob = self._bucket.blob(name)
        with self._explaining():
            blob.reload(**self._call)
        if blob.updated is None:
            raise foreign_answer(self.place)
        return milliseconds(blob.updated)

    def page(self, prefix: str, following: str | None) -> Page:
        listing = self._bucket.list_blobs(
            prefix=prefix,
            page_token=following,
            page_size=self._page_size,
            fields="items(name,size),nextPageToken",
            **self._call,
        )
        with self._explaining():
            names = tuple(blob.name for blob in next(listing.pages, ()) if blob.size)
        return Page(names, listing.next_page_token)

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _explaining(self, *, changing: str = "", expected: str | None = None) -> Iterator[None]:
        """Translate the library's errors, except "not modified".

        `changing` is the object that a write or delete is about, and `expected` the version that it must have.
        """
        try:
            yield
        except NotModified:
            raise
        except GoogleAPICallError as error:
            raise explained(error, self.place, changing=changing, expected=expected) from error
        except GoogleAuthError as error:
            raise not_signed_in(error, self.place) from error
        except DataCorruption as error:
            raise NoAnswer(f"the store {self.place} returned corrupt data") from error
        except requests.JSONDecodeError as error:
            raise foreign_answer(self.place) from error
        except (requests.RequestException, HTTPError) as error:
            raise no_answer(error, self.place) from error
