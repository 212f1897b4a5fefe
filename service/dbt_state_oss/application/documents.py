"""Stored documents, decoded: a bounded cache that is revalidated at each read, and the compare-and-set loop.

Shared by everything that keeps documents. A document that cannot be read counts as absent; it is set aside under a key
of its own before it is replaced (rule X3).
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from dbt_state_oss.application.codec import BrokenDocument
from dbt_state_oss.application.keys import aside_key
from dbt_state_oss.application.ports import Document, ObjectStore, Unchanged, Version
from dbt_state_oss.errors import Conflict, StoreUnavailable

_ATTEMPTS = 20
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.2

T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Cached(Generic[T]):
    version: Version
    value: T | None
    size: int


class DocumentCache(Generic[T]):
    """Documents of one kind, by key.

    `decode` raises `BrokenDocument`; `encode` makes what `decode` reads. `cache_bytes` bounds the encoded size of what is
    kept in memory. Raises `StoreError` where the store does.
    """

    def __init__(
        self, store: ObjectStore, *, decode: Callable[[bytes], T], encode: Callable[[T], bytes], cache_bytes: int
    ) -> None:
        self._store = store
        self._decode = decode
        self._encode = encode
        self._room = cache_bytes
        self._cache: OrderedDict[str, _Cached[T]] = OrderedDict()

    async def read(self, key: str) -> T | None:
        """The document as it is now; None where there is none that can be read. Costs one request to the store."""
        cached = self._cache.get(key)
        answer = await self._store.get(key, unless=None if cached is None else cached.version)
        if isinstance(answer, Unchanged):
            assert cached is not None
            return cached.value
        if answer is None:
            self._forget(key)
            return None
        return self._remember(key, answer)

    async def update(self, key: str, change: Callable[[T | None], T | None]) -> None:
        """Replace the document by what `change` makes of it; None leaves it as it is.

        `change` is called again on what is then there when another writer was faster, so it must be free of effects.
        Raises `StoreUnavailable` where that goes on too long.
        """
        for attempt in range(_ATTEMPTS):
            current = await self._store.get(key)
            assert not isinstance(current, Unchanged)
            value = None if current is None else self._remember(key, current)
            changed = change(value)
            if changed is None:
                return
            data = self._encode(changed)
            try:
                if current is not None and value is None:
                    await self._set_aside(key, current.data)
                version = await self._store.put(key, data, expected=None if current is None else current.version)
            except Conflict:
                await asyncio.sleep(_pause(attempt))
                continue
            self._keep(key, _Cached(version, changed, len(data)))
            return
        raise StoreUnavailable("too many writers changed the same document at once")

    def _remember(self, key: str, document: Document) -> T | None:
        try:
            value = self._decode(document.data)
        except BrokenDocument as error:
            _log.error("document_broken", key=key, size=len(document.data), cause=str(error))
            value = None
        self._keep(key, _Cached(document.version, value, len(document.data)))
        return value

    async def _set_aside(self, key: str, data: bytes) -> None:
        aside = aside_key(key, data)
        try:
            await self._store.put(aside, data, expected=None)
        except Conflict:
            return  # the same bytes are there already: the key holds their digest
        _log.warning("document_set_aside", key=key, aside=aside)

    def _keep(self, key: str, cached: _Cached[T]) -> None:
        self._forget(key)
        self._cache[key] = cached
        self._room -= cached.size
        while self._room < 0 and self._cache:
            _, evicted = self._cache.popitem(last=False)
            self._room += evicted.size

    def _forget(self, key: str) -> None:
        known = self._cache.pop(key, None)
        if known is not None:
            self._room += known.size


def _pause(attempt: int) -> float:
    return random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt)  # noqa: S311
