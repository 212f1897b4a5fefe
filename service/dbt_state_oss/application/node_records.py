"""Reads and merges the stored documents of node states. Only `NodeStates` uses it.

The result of merging does not depend on the order: the newer of two entries of a node wins (rule W2). A document in which
no node has changed is read but not written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace

from dbt_state_oss.application.codec import NodeEntry, NodeShard, ProjectIds, decode_project, decode_shard, encode
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.ports import ObjectStore

_SHARD_CACHE_BYTES = 16 * 1024 * 1024
_PROJECT_CACHE_BYTES = 1024 * 1024
_CONCURRENT_CALLS = 16


class NodeRecords:
    """Node shards and project ids, by key. Every method raises `StoreError` if the store fails."""

    def __init__(self, store: ObjectStore) -> None:
        self._shards: DocumentCache[NodeShard] = DocumentCache(
            store, decode=decode_shard, encode=encode, cache_bytes=_SHARD_CACHE_BYTES
        )
        self._projects: DocumentCache[ProjectIds] = DocumentCache(
            store, decode=decode_project, encode=encode, cache_bytes=_PROJECT_CACHE_BYTES
        )
        self._calls = asyncio.Semaphore(_CONCURRENT_CALLS)

    async def entries(self, keys: Collection[str]) -> dict[str, NodeEntry]:
        """Return the nodes of several shards, by unique id. The shards are read concurrently."""

        async def read(key: str) -> NodeShard | None:
            async with self._calls:
                return await self._shards.read(key)

        shards = await asyncio.gather(*(read(key) for key in keys))
        return {unique_id: entry for shard in shards if shard for unique_id, entry in shard.nodes.items()}

    def showed(self, key: str, unique_id: str, entry: NodeEntry) -> bool:
        """Return whether the cached shard has an equal entry of the node. Times and the reused execution are not compared."""
        shard = self._shards.seen(key)
        known = None if shard is None else shard.nodes.get(unique_id)
        return known is not None and _looks_like(known, entry, reused=entry.reused)

    async def merge(self, key: str, entries: Mapping[str, NodeEntry]) -> None:
        """Merge these nodes into a shard."""
        async with self._calls:
            if _merged(await self._shards.read(key), entries) is not None:
                await self._shards.update(key, lambda shard: _merged(shard, entries))

    async def project_ids(self, key: str) -> tuple[str, ...]:
        """Return the ids that are recorded under a project's key."""
        project = await self._projects.read(key)
        return () if project is None else project.ids

    async def add_project_ids(self, key: str, ids: Collection[str]) -> None:
        """Record these ids under a project's key."""
        async with self._calls:
            if not set(ids).issubset(await self.project_ids(key)):
                await self._projects.update(
                    key, lambda project: ProjectIds(tuple(sorted({*ids, *(project.ids if project else ())})))
                )


def _merged(shard: NodeShard | None, entries: Mapping[str, NodeEntry]) -> NodeShard | None:
    """Return the shard with the newer entries, or None if no node has changed."""
    known = shard.nodes if shard is not None else {}
    newer = {
        unique_id: with_sighting(entry, known.get(unique_id))
        for unique_id, entry in entries.items()
        if unique_id not in known or known[unique_id].seen_at <= entry.seen_at
    }
    changed = any(
        unique_id not in known or not _looks_like(known[unique_id], entry) for unique_id, entry in newer.items()
    )
    return NodeShard({**known, **newer}) if changed else None


def with_sighting(entry: NodeEntry, before: NodeEntry | None) -> NodeEntry:
    """Return the entry with the sighting of `before`, unless `before` has none or the entry names another reused execution."""
    if before is None or not before.reused or (entry.reused and entry.reused != before.reused):
        return entry
    return replace(entry, reused=before.reused, reused_at=before.reused_at)


def _looks_like(one: NodeEntry, other: NodeEntry, *, reused: str | None = None) -> bool:
    """Return whether the entries are equal except for times. `reused`, if given, replaces the reused execution of `one`."""
    compared = one.reused if reused is None else reused
    return replace(one, seen_at=other.seen_at, reused=compared, reused_at=other.reused_at) == other
