"""What an object store's SDK has to do for `remote`: seven blocking calls, each one request, told apart by what they raise.

A bucket retries nothing, waits for nothing and knows nothing of keys: names are whole, and versions are the store's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dbt_state_oss.application.ports import Unchanged
from dbt_state_oss.errors import StoreUnavailable


class NoAnswer(StoreUnavailable):
    """The store did not answer, or said to come again: the same request may be sent once more.

    It may have been carried out all the same.
    """


@dataclass(frozen=True, slots=True)
class Blob:
    """An object's bytes and its version (an ETag, a generation)."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Page:
    """Names of objects that are not empty, and what to ask for the next ones with; None at the end."""

    names: tuple[str, ...]
    following: str | None


def milliseconds(moment: datetime) -> int:
    """Unix milliseconds of an aware time."""
    return int(moment.timestamp() * 1000)


class Bucket(Protocol):
    """One bucket or container. Every call may be made from many threads at once, and ends within the bucket's time-out.

    Raises `Conflict` where a condition does not hold, `NoAnswer` where trying again may help, `StoreReadOnly` where writing
    is not allowed, `StoreMisconfigured` for all else: no error of an SDK leaves. Messages name the bucket and what to mend.
    """

    @property
    def place(self) -> str:
        """The bucket as users know it, such as "s3://bucket"; for messages."""

    def read(self, name: str, unless: str | None) -> Blob | Unchanged | None:
        """The object; None where there is none; `UNCHANGED` where it has the version `unless`."""

    def write(self, name: str, data: bytes, expected: str | None) -> str:
        """Write the whole object if its version is `expected` (None: if there is none); the version that it has then."""

    def remove(self, name: str, expected: str) -> None:
        """Delete the object if its version is `expected`."""

    def written_at(self, name: str) -> int:
        """When the object was written, in Unix milliseconds by the store's clock, which may leave out parts of a second."""

    def page(self, prefix: str, following: str | None) -> Page:
        """Names that start with `prefix`: the first ones, or those that a page said to ask for."""

    def close(self) -> None:
        """Let go of the connections."""
