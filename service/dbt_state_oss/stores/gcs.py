"""Google Cloud Storage, by its JSON API and google-auth.

Google's own library for it takes several requests for some of what is one here, and sets its pool of connections itself.
Credentials are the application's default ones, from where every tool of Google has them.
"""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import quote

import google.auth
import requests
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter

from dbt_state_oss import __version__
from dbt_state_oss.application.ports import UNCHANGED, Unchanged
from dbt_state_oss.errors import Conflict, StoreUnavailable
from dbt_state_oss.stores.bucket import Blob, Page
from dbt_state_oss.stores.gcs_errors import impostor, is_absent, is_of_an_impostor, not_signed_in, refusal, unanswered

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_NO_GENERATION = "0"
"""No object has it; as a condition it says that there must be none."""
_NOT_MODIFIED = 304


class GcsBucket:
    """A `Bucket` of Google Cloud Storage. Versions are generations, which no two contents of one name ever share."""

    def __init__(
        self, bucket: str, *, endpoint: str = "", page_size: int = 1000, connections: int, timeout_seconds: float
    ) -> None:
        """`endpoint`: an emulator's, which is asked without credentials; Google's own where empty.

        `page_size`: how many names a listing asks for at once. `timeout_seconds` bounds the wait for a connection and for each
        piece of an answer. Raises `StoreUnavailable` where there are no credentials.
        """
        self._bucket = bucket
        self._page_size = page_size
        self._timeout = timeout_seconds
        credentials = AnonymousCredentials() if endpoint else self._credentials()
        service = endpoint or f"https://storage.{credentials.universe_domain}"
        self._objects = f"{service}/storage/v1/b/{quote(bucket, safe='')}/o"
        self._uploads = f"{service}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        self._session = AuthorizedSession(credentials)
        self._session.mount("http://", HTTPAdapter(pool_maxsize=connections))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=connections))
        self._session.headers["User-Agent"] = f"dbt-state-oss/{__version__}"

    def _credentials(self) -> Credentials:
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except GoogleAuthError as error:
            raise not_signed_in(error, self.place) from error
        return credentials

    @property
    def place(self) -> str:
        return f"gs://{self._bucket}"

    def read(self, name: str, unless: str | None) -> Blob | Unchanged | None:
        condition = {"ifGenerationNotMatch": unless} if unless else {}
        answer = self._ask("GET", self._of(name), {"alt": "media", **condition})
        if answer.status_code == _NOT_MODIFIED:
            return UNCHANGED
        if is_absent(answer):
            return None
        if not answer.ok:
            raise refusal(answer, self.place)
        generation = answer.headers.get("X-Goog-Generation")
        if generation is None:
            raise StoreUnavailable(
                f"the store {self.place} gives objects without their generation: "
                "what changes could not be told from what stands, so it cannot be used"
            )
        return UNCHANGED if generation == unless else Blob(answer.content, generation)

    def write(self, name: str, data: bytes, expected: str | None) -> str:
        if expected == _NO_GENERATION:
            raise Conflict(f"{name} has changed")
        boundary = secrets.token_hex(16)
        about = json.dumps({"name": name, "contentType": "application/jsonl"})
        answer = self._ask(
            "POST",
            self._uploads,
            {"uploadType": "multipart", "fields": "generation", "ifGenerationMatch": expected or _NO_GENERATION},
            content_type=f"multipart/related; boundary={boundary}",
            body=b"".join(
                (
                    f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{about}\r\n".encode(),
                    f"--{boundary}\r\nContent-Type: application/jsonl\r\n\r\n".encode(),
                    data,
                    f"\r\n--{boundary}--\r\n".encode(),
                )
            ),
        )
        if not answer.ok:
            raise refusal(answer, self.place, changing=name, expected=expected)
        version: str = self._found(answer)["generation"]
        return version

    def remove(self, name: str, expected: str) -> None:
        answer = self._ask("DELETE", self._of(name), {"ifGenerationMatch": expected})
        if not answer.ok:
            raise refusal(answer, self.place, changing=name, expected=expected)

    def page(self, prefix: str, following: str | None) -> Page:
        place = {"pageToken": following} if following else {}
        wanted = {"prefix": prefix, "maxResults": str(self._page_size), "fields": "items(name,size),nextPageToken"}
        answer = self._ask("GET", self._objects, wanted | place)
        if not answer.ok:
            raise refusal(answer, self.place)
        found = self._found(answer)
        names = tuple(each["name"] for each in found.get("items", ()) if each["size"] != "0")
        return Page(names, found.get("nextPageToken") or None)

    def close(self) -> None:
        self._session.close()

    def _of(self, name: str) -> str:
        return f"{self._objects}/{quote(name, safe='')}"

    def _ask(
        self, method: str, url: str, parameters: dict[str, str], *, body: bytes | None = None, content_type: str = ""
    ) -> requests.Response:
        try:
            answer: requests.Response = self._session.request(
                method,
                url,
                params=parameters,
                data=body,
                headers={"Content-Type": content_type} if content_type else {},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except GoogleAuthError as error:
            raise not_signed_in(error, self.place) from error
        except requests.RequestException as error:
            raise unanswered(error, self.place) from error
        if is_of_an_impostor(answer):
            raise impostor(self.place)
        return answer

    def _found(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise impostor(self.place) from error
