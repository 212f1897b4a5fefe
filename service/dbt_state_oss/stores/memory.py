"""Documents in memory, for tests. They are lost when the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

from dbt_state_oss.application.ports import UNCHANGED, Document, Unchanged, Version
from dbt_state_oss.errors import Conflict, StoreUnavailable
from dbt_state_oss.stores.keys import check_key, check_prefix


class MemoryStore:
    """An `ObjectStore` on a dictionary.

    A store that is created with `sharing` opens the same documents a second time, as another replica would. Each is closed
    separately. Every call first lets other tasks run, so that tests show races as with a real backend.
    """

    def __init__(self, *, sharing: MemoryStore | None = None) -> None:
        self._documents: dict[str, Document] = {} if sharing is None else sharing._documents
        self._versions: count[int] = count(1) if sharing is None else sharing._versions
        self._closed = False

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        check_key(key)
        await self._yield_to_others()
        document = self._documents.get(key)
        return UNCHANGED if document is not None and document.version == unless else document

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        check_key(key)
        await self._yield_to_others()
        self._expect(key, expected)
        version = Version(str(next(self._versions)))
        self._documents[key] = Document(bytes(data), version)
        return version

    async def delete(self, key: str, *, expected: Version) -> None:
        check_key(key)
        await self._yield_to_others()
        self._expect(key, expected)
        del self._documents[key]

    async def list(self, prefix: str) -> AsyncIterator[str]:
        check_prefix(prefix)
        await self._yield_to_others()
        for key in sorted(key for key in self._documents if key.startswith(prefix)):
            yield key
            self._refuse_closed()

    async def close(self) -> None:
        self._closed = True

    async def _yield_to_others(self) -> None:
        self._refuse_closed()
        await asyncio.sleep(0)
        self._refuse_closed()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable("the memory store is closed")

    def _expect(self, key: str, expected: Version | None) -> None:
        document = self._documents.get(key)
        if (document and document.version) != expected:
            raise Conflict(f"{key} has changed")
