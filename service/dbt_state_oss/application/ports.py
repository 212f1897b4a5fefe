"""What the use cases need from outside. The docstrings are the contract; the contract suite in tests/stores holds it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import NewType, ParamSpec, Protocol, TypeVar

from dbt_state_oss.domain.sql.fingerprint import Fingerprint
from dbt_state_oss.domain.submission import Code

P = ParamSpec("P")
T = TypeVar("T")

Version = NewType("Version", str)
"""Opaque name of one stored state of a document; two states of one key never share one, not even after a delete."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document's bytes and the version to give back with the next `put`."""

    data: bytes
    version: Version


class Unchanged:
    """Answer of a conditional `get`: the document still has the version that the caller named."""

    __slots__ = ()


UNCHANGED = Unchanged()


class ObjectStore(Protocol):
    """Versioned documents with compare-and-set.

    Keys are paths of at most 512 characters: segments of 1 to 200 of `[A-Za-z0-9._=-]`, joined by `/`. All methods may be
    called from many tasks at once and are cancellable: a cancelled `put` has happened wholly or not at all.

    Raises `StoreUnavailable` where the store does not answer (also after `close`), `StoreMisconfigured` where it refuses
    this process, `StoreReadOnly` where it takes no writes, `Conflict` for a lost race, `InvalidRequest` for an invalid key;
    nothing else.
    """

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        """The document under `key`; None where there is none; `UNCHANGED` where it still has the version `unless`."""

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        """Write `data` if the key's version is `expected` (None: there is no such key), else raise `Conflict`.

        Durable when it returns (rule W1), and seen by every later `get` of every process (read-your-writes). Where answers get
        lost on the way, a write that happened and was overtaken by another one ends in `Conflict` too: merging must be
        idempotent.
        """

    async def delete(self, key: str, *, expected: Version) -> None:
        """Remove the key if its version is `expected`; raise `Conflict` if it is another one or already gone."""

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Keys that start with `prefix`, each once, in an order of the store's own, read in pages.

        Of those that come or go meanwhile it may tell or not.
        """

    async def close(self) -> None:
        """Finish the writes that were accepted and let go of every resource. May be called twice."""


class Clock(Protocol):
    """The server's clock."""

    def now(self) -> int:
        """Unix time in milliseconds."""


class Workers(Protocol):
    """Parses SQL, and runs what else is pure and slow, away from the event loop."""

    async def fingerprint(self, code: Code) -> Fingerprint:
        """The code's fingerprint; a fall-back kind where it cannot be parsed in time. Never raises (rule L8)."""

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """What `work`, a function of some module, returns; None where it takes too long or cannot be run."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Secrets that seal tickets (rule W3), by key id; `active` seals, all open."""

    active: str
    secrets: Mapping[str, bytes]
