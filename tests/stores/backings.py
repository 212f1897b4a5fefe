"""What the contract suite runs against: for each store class, how to make a fresh backing and how to open it.

A new backend or wrapper joins with one entry in `BACKINGS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.stores.local import LocalStore
from dbt_state_oss.stores.memory import MemoryStore


class Backing(Protocol):
    """Where the documents of one test lie."""

    async def open(self) -> ObjectStore:
        """A further store on these documents, as another replica would open it."""


class MemoryBacking:
    def __init__(self, _directory: Path) -> None:
        self._first = MemoryStore()

    async def open(self) -> ObjectStore:
        return MemoryStore(sharing=self._first)


class LocalBacking:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def open(self) -> ObjectStore:
        return await LocalStore.open(self._directory)


BACKINGS: dict[type, Callable[[Path], Backing]] = {
    MemoryStore: MemoryBacking,
    LocalStore: LocalBacking,
}
