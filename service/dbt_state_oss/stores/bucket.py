"""The interface between `remote` and an object store's SDK: blocking calls, and the errors that they raise.

A bucket does not retry or pause, and knows no document keys: it takes full object names and returns the store's own versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dbt_state_oss.application.ports import Unchanged
from dbt_state_oss.errors import StoreMisconfigured, StoreUnavailable


class NoAnswer(StoreUnavailable):
    """The store did not answer, or asked to retry: the same request may be sent again.

    The store may still have carried out the request.
    """


@dataclass(frozen=True, slots=True)
class Blob:
    """An object's bytes and its version (an ETag or a generation)."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Page:
    """Names of objects that are not empty. `following` requests the next page, and is None at the end."""

    names: tuple[str, ...]
    following: str | None


RETRYABLE_STATUSES = (408, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may be sent again."""


def foreign_answer(place: str) -> NoAnswer:
    """Return the error for an answer that cannot come from the store."""
    return NoAnswer(f"the answer is not from {place}; check for a proxy")


def untrusted(place: str) -> StoreMisconfigured:
    """Return the error for a failed TLS handshake."""
    return StoreMisconfigured(
        f"the store {place} cannot be used: its TLS certificate is not trusted, or it does not support TLS"
    )


def milliseconds(moment: datetime) -> int:
    """Convert an aware datetime to Unix milliseconds."""
    return int(moment.timestamp() * 1000)


class Bucket(Protocol):
    """One bucket or container. Calls are safe from many threads at once, and each ends within the bucket's timeout.

    Raises `Conflict` if a condition does not hold, `NoAnswer` if a retry may help, `StoreReadOnly` if writes are not allowed,
    and `StoreMisconfigured` for everything else. No SDK error leaves a bucket. Messages name the bucket and what to correct.
    """

    @property
    def place(self) -> str:
        """The bucket as users know it, such as "s3://bucket"; for messages."""

    def read(self, name: str, unless: str | None) -> Blob | Unchanged | None:
        """Return the object, None if there is none, or `UNCHANGED` if it has the version `unless`."""

    def write(self, name: str, data: bytes, expected: str | None) -> str:
        """Write the whole object if its version is `expected` (None: if there is no object). Return the new version."""

    def remove(self, name: str, expected: str) -> None:
        """Delete the object if its version is `expected`."""

    def written_at(self, name: str) -> int:
        """Return when the object was written, in Unix milliseconds of the store's clock, which may omit fractions of a second."""

    def page(self, prefix: str, following: str | None) -> Page:
        """Return names that start with `prefix`: the first page, or the page that `following` of a page requests."""

    def close(self) -> None:
        """Close the connections."""
