"""Reads and writes decoded documents: a bounded cache that is revalidated at each read, and the compare-and-set loop.

All code that stores documents shares it. A document that cannot be read counts as absent. It is set aside under its own
key before it is replaced (rule X3).
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from dbt_state_oss.application.codec import BrokenDocument
from dbt_state_oss.application.keys import aside_key
from dbt_state_oss.application.ports import Document, ObjectStore, Unchanged, Version
from dbt_state_oss.errors import Conflict, DbtStateError, StoreUnavailable

_ATTEMPTS = 20
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.2
_ABSENT_BYTES = 128
"""The size that the cache counts for an absent document."""
_TOO_MANY_WRITERS = "too many writers changed the same document at once"

T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    """A document as it was last read or written. No version: it was absent. No value: it was absent or could not be read."""

    version: Version | None
    value: T | None
    size: int

    @property
    def broken(self) -> bool:
        return self.version is not None and self.value is None


@dataclass(eq=False, slots=True)
class _Change(Generic[T]):
    """A change, and the future that its caller waits for."""

    make: Callable[[T | None], T | None]
    outcome: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class DocumentCache(Generic[T]):
    """Documents of one kind, by key.

    `decode` raises `BrokenDocument`, and reads what `encode` returns. `cache_bytes` bounds the encoded size of the documents
    in memory. Methods raise `StoreError` if the store does.
    """

    def __init__(
        self, store: ObjectStore, *, decode: Callable[[bytes], T], encode: Callable[[T], bytes], cache_bytes: int
    ) -> None:
        self._store = store
        self._decode = decode
        self._encode = encode
        self._free_bytes = cache_bytes
        self._cache: OrderedDict[str, _Known[T]] = OrderedDict()
        self._waiting: dict[str, list[_Change[T]]] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}

    async def read(self, key: str) -> T | None:
        """Return the current document, or None if it is absent or cannot be read. Costs one request to the store."""
        return (await self._fetch(key)).value

    def seen(self, key: str) -> T | None:
        """Return the document as it was last read or written, without a request.

        None if it is not in the cache or cannot be read.
        """
        known = self._cache.get(key)
        return None if known is None else known.value

    async def update(self, key: str, change: Callable[[T | None], T | None]) -> None:
        """Replace the document by the result of `change`. If the result is None, the document stays as it is.

        Concurrent changes of one document are written together. `change` is called again if the document has changed in the
        meantime, so it must have no side effects. Raises `StoreUnavailable` after too many attempts.
        """
        pending = _Change(change)
        self._waiting.setdefault(key, []).append(pending)
        if key not in self._writers:
            self._writers[key] = asyncio.create_task(self._write_waiting(key), name=f"write {key}")
        await pending.outcome

    async def delete(self, key: str) -> bool:
        """Delete the document, whatever it holds. Return false if there was none."""
        for attempt in range(_ATTEMPTS):
            current = await self._store.get(key)
            if not isinstance(current, Document):
                return False
            try:
                await self._store.delete(key, expected=current.version)
            except Conflict:
                await asyncio.sleep(_pause(attempt))
                continue
            self._forget(key)
            return True
        raise StoreUnavailable(_TOO_MANY_WRITERS)

    async def _fetch(self, key: str) -> _Known[T]:
        known = self._cache.get(key)
        answer = await self._store.get(key, unless=None if known is None else known.version)
        if isinstance(answer, Unchanged):
            assert known is not None
            return known
        if answer is None:
            return self._keep(key, _Known(None, None, _ABSENT_BYTES))
        try:
            value = self._decode(answer.data)
        except BrokenDocument as error:
            _log.error("document_unreadable", key=key, size=len(answer.data), cause=str(error))
            value = None
        return self._keep(key, _Known(answer.version, value, len(answer.data)))

    async def _write_waiting(self, key: str) -> None:
        """Write the waiting changes, and those that arrive during the write."""
        try:
            while changes := [change for change in self._waiting.pop(key, ()) if not change.outcome.done()]:
                try:
                    await self._write(key, changes)
                except Exception as error:  # noqa: BLE001 - the waiting callers must get every error
                    _settle(changes, error)
                else:
                    _settle(changes)
        finally:
            del self._writers[key]

    async def _write(self, key: str, changes: Sequence[_Change[T]]) -> None:
        """Apply the changes and write the document.

        The first attempt uses the cached document without revalidating it: a put whose condition fails costs no more than a
        read.
        """
        known = self._cache.get(key)
        trusted = known is not None and not known.broken
        for attempt in range(_ATTEMPTS):
            if known is None or not trusted:
                known = await self._fetch(key)
            value = _applied(changes, known.value)
            if value is None and not trusted:
                return
            if value is not None and await self._put(key, value, known):
                return
            if value is not None:
                await asyncio.sleep(_pause(attempt))
            trusted = False
        raise StoreUnavailable(_TOO_MANY_WRITERS)

    async def _put(self, key: str, value: T, known: _Known[T]) -> bool:
        """Replace the known document. Return false if it has changed."""
        data = self._encode(value)
        try:
            if known.broken:
                await self._set_aside(key, known.version)
            version = await self._store.put(key, data, expected=known.version)
        except Conflict:
            return False
        self._keep(key, _Known(version, value, len(data)))
        return True

    async def _set_aside(self, key: str, version: Version | None) -> None:
        found = await self._store.get(key)
        if not isinstance(found, Document) or found.version != version:
            raise Conflict(f"{key} has changed")
        aside = aside_key(key, found.data)
        try:
            await self._store.put(aside, found.data, expected=None)
        except Conflict:
            return  # the same bytes were set aside before: the key contains their digest
        _log.warning("document_set_aside", key=key, aside=aside)

    def _keep(self, key: str, known: _Known[T]) -> _Known[T]:
        self._forget(key)
        self._cache[key] = known
        self._free_bytes -= known.size
        while self._free_bytes < 0 and self._cache:
            _, evicted = self._cache.popitem(last=False)
            self._free_bytes += evicted.size
        return known

    def _forget(self, key: str) -> None:
        known = self._cache.pop(key, None)
        if known is not None:
            self._free_bytes += known.size


def _applied(changes: Iterable[_Change[T]], value: T | None) -> T | None:
    """Apply the changes in order. Return the new document, or None if no change had an effect."""
    made = None
    for change in changes:
        changed = change.make(value)
        if changed is not None:
            value = made = changed
    return made


def _settle(changes: Iterable[_Change[T]], error: Exception | None = None) -> None:
    for change in changes:
        if change.outcome.done():
            continue
        if error is None:
            change.outcome.set_result(None)
        else:
            change.outcome.set_exception(_copied(error))


def _copied(error: Exception) -> Exception:
    """Copy an error of this project: an exception that several tasks raise would collect all their tracebacks."""
    if not isinstance(error, DbtStateError):
        return error
    copy = type(error)(*error.args)
    copy.__cause__ = error
    return copy


def _pause(attempt: int) -> float:
    return random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt)  # noqa: S311
