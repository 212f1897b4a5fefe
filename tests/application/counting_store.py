"""A store in memory that counts what is asked of it."""

from __future__ import annotations

from collections import Counter

from dbt_state_oss.application.ports import Document, Unchanged, Version
from dbt_state_oss.stores.memory import MemoryStore


class CountingStore(MemoryStore):
    """`asked` counts the calls of `get` and of `put`."""

    def __init__(self, *, sharing: MemoryStore | None = None) -> None:
        super().__init__(sharing=sharing)
        self.asked: Counter[str] = Counter()

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        self.asked["get"] += 1
        return await super().get(key, unless=unless)

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        self.asked["put"] += 1
        return await super().put(key, data, expected=expected)
