"""Finds the readers of a table whose document does not list them, among all targets of its namespace (rule F1a)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from dbt_state_oss.application.codec import TargetDocument
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.keys import is_aside, namespace_prefix
from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.application.side_by_side import side_by_side
from dbt_state_oss.domain.submission import TargetKey

_AT_ONCE = 64
"""Concurrent reads. The number is high because a client waits, and a namespace may have many thousands of targets."""

_Place = tuple[str, str]
"""An organization and a namespace."""


class ReaderSearch:
    """Searches all targets of a namespace. Calls during a search wait for the next search, which they all share."""

    def __init__(self, store: ObjectStore, documents: DocumentCache[TargetDocument]) -> None:
        self._store = store
        self._documents = documents
        self._wanted: dict[_Place, dict[str, set[str]]] = {}
        self._next: dict[_Place, asyncio.Task[dict[str, set[str]]]] = {}
        self._last: dict[_Place, asyncio.Task[dict[str, set[str]]]] = {}

    async def names(self, organization: str, target: TargetKey) -> set[str]:
        """Return the names of the targets with a recorded execution that was built from `target`. Raises `StoreError`.

        The search begins after this call, so it finds everything that was recorded before the call.
        """
        place = organization, target.namespace
        self._wanted.setdefault(place, {}).setdefault(target.name, set())
        if place not in self._next:
            self._next[place] = asyncio.create_task(self._search(place, self._last.get(place)), name="search readers")
        found = await asyncio.shield(self._next[place])
        return found[target.name]

    async def _search(self, place: _Place, previous: asyncio.Task[dict[str, set[str]]] | None) -> dict[str, set[str]]:
        if previous is not None:
            await asyncio.wait([previous])
        found = self._wanted.pop(place)
        self._last[place] = self._next.pop(place)
        try:
            await self._scan(place, found)
        finally:
            if self._last.get(place) is asyncio.current_task():
                del self._last[place]
        return found

    async def _scan(self, place: _Place, found: dict[str, set[str]]) -> None:
        keys = (key async for key in self._store.list(namespace_prefix(*place)) if not is_aside(key))
        async with aclosing(side_by_side(keys, self._documents.read, at_once=_AT_ONCE)) as documents:
            async for document in documents:
                if document is not None:
                    for name in {name for one in document.executions for name in one.inputs} & found.keys():
                        found[name].add(document.target.name)
