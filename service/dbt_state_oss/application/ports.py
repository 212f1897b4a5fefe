"""The ports: interfaces that the use cases need from outside.

The docstrings are the contract. The contract suite in tests/stores checks it for stores.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import NewType, ParamSpec, Protocol, TypeVar

from dbt_state_oss.domain.sql.fingerprint import Fingerprint
from dbt_state_oss.domain.submission import Code

P = ParamSpec("P")
T = TypeVar("T")

Version = NewType("Version", str)
"""An opaque name of one stored state of a document. Two states of one key never have the same version, also after a delete."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document's bytes, and the version to pass to the next `put`."""

    data: bytes
    version: Version


class Unchanged:
    """The result of a conditional `get` if the document still has the version that the caller passed."""

    __slots__ = ()


UNCHANGED = Unchanged()


class ObjectStore(Protocol):
    """Versioned documents with compare-and-set.

    Keys are paths of at most 512 characters: segments of 1 to 200 characters of `[A-Za-z0-9._=-]`, joined by `/`. All
    methods may be called from many tasks at once and can be cancelled. A cancelled `put` has happened completely or not at
    all.

    Raises `StoreUnavailable` if the store does not answer (also after `close`), `StoreMisconfigured` if it refuses this
    process, `StoreReadOnly` if it refuses writes, `Conflict` for a lost race, `InvalidRequest` for an invalid key, and no
    other errors.
    """

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        """Return the document under `key`, None if there is none, or `UNCHANGED` if it still has the version `unless`."""

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        """Write `data` if the key's version is `expected` (None: the key does not exist), otherwise raise `Conflict`.

        When it returns, the write is durable (rule W1), and every later `get` of every process sees it (read-your-writes). If
        the answer to a write was lost and another write followed, it raises `Conflict` although it had happened. So merging
        must be idempotent.
        """

    async def delete(self, key: str, *, expected: Version) -> None:
        """Delete the key if its version is `expected`. Raise `Conflict` if the version differs or the key does not exist."""

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that start with `prefix`, each once, read in pages, in an order that depends on the store.

        Keys that are created or deleted during the listing may be included or not.
        """

    async def close(self) -> None:
        """Finish the accepted writes and release all resources. May be called twice."""


class Clock(Protocol):
    """The server's clock."""

    def now(self) -> int:
        """Return the current time in Unix milliseconds."""


class Workers(Protocol):
    """Parses SQL and runs other slow, pure functions outside of the event loop."""

    async def fingerprint(self, code: Code) -> Fingerprint:
        """Return the code's fingerprint, or a fallback if it cannot be parsed in time. Never raises (rule L8)."""

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Return the result of `work`, a module-level function. Return None if it takes too long or cannot be run."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Secrets for tickets (rule W3), by key id. The secret `active` seals new tickets, and every secret can open tickets."""

    active: str
    secrets: Mapping[str, bytes]
