"""Node states: what each dbt node looked like when it was last seen, also when the answer was a skip (rule W7).

Kept for selection and deferral, never for a decision. Notes are taken without waiting; a background task writes them, many at
a time, shard by shard.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress

import structlog

from dbt_state_oss.application.codec import NodeEntry, NodeShard, decode_shard, encode
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.keys import node_shard_key
from dbt_state_oss.application.ports import Clock, ObjectStore
from dbt_state_oss.domain.submission import Submission
from dbt_state_oss.errors import StoreError

_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_WAITING = 50_000
_MOST_REMEMBERED = 50_000
_CACHE_BYTES = 8 * 1024 * 1024

_log = structlog.get_logger(__name__)


class NodeStates:
    """Takes notes of nodes and writes them in the background.

    What waits is lost with the process: a node's next submission notes it again.
    """

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._clock = clock
        self._shards: DocumentCache[NodeShard] = DocumentCache(
            store, decode=decode_shard, encode=encode, cache_bytes=_CACHE_BYTES
        )
        self._waiting: dict[str, dict[str, NodeEntry]] = {}
        self._waiting_count = 0
        self._written: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, organization: str, submission: Submission) -> None:
        """Remember how this node looks, if its client tracks it and it does not look as it did. Never waits."""
        node = submission.node
        if not node.tracked or not node.unique_id or self._closed.is_set():
            return
        key = node_shard_key(organization, node.project_id or node.project_name, node.target_name, node.unique_id)
        look = hash((node, submission.relation))
        if self._written.get((key, node.unique_id)) == look or self._waiting_count >= _MOST_WAITING:
            return
        self._written[key, node.unique_id] = look
        if len(self._written) > _MOST_REMEMBERED:
            self._written.popitem(last=False)
        hashes = node.hashes
        entry = NodeEntry(
            seen_at=self._clock.now(),
            resource_type=node.resource_type,
            node_hash=node.node_hash,
            body=hashes.body,
            configs=hashes.configs,
            macros=hashes.macros,
            persisted_descriptions=hashes.persisted_descriptions,
            contract=hashes.contract,
            representation=node.representation,
            relation=submission.relation,
            project_name=node.project_name,
            profile_name=node.profile_name,
        )
        self._waiting.setdefault(key, {})[node.unique_id] = entry
        self._waiting_count += 1
        if self._task is None:
            self._task = asyncio.create_task(self._write_until_closed(), name="node states")
        self._wake.set()

    async def close(self) -> None:
        """Write what waits, once, and stop. May be called twice."""
        self._closed.set()
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _write_until_closed(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._closed.is_set():
            await self._wake.wait()
            self._wake.clear()
            with suppress(TimeoutError):  # let notes gather, but not while closing
                await asyncio.wait_for(self._closed.wait(), pause)
            pause = _PAUSE_SECONDS if await self._write() else min(2 * pause, _LONGEST_PAUSE_SECONDS)
        await self._write()

    async def _write(self) -> bool:
        waiting, self._waiting, self._waiting_count = self._waiting, {}, 0
        failed = 0
        for key, entries in waiting.items():
            try:
                await self._shards.update(key, lambda shard, entries=entries: _with(shard, entries))  # type: ignore[misc]
            except StoreError as error:
                failed += 1
                _log.warning("node_states_not_written", key=key, nodes=len(entries), cause=str(error))
                self._wait_again(key, entries)
        return not failed

    def _wait_again(self, key: str, entries: dict[str, NodeEntry]) -> None:
        if self._waiting_count + len(entries) > _MOST_WAITING:
            return
        newer = self._waiting.get(key, {})
        self._waiting[key] = entries | newer
        self._waiting_count += len(entries)
        self._wake.set()


def _with(shard: NodeShard | None, entries: dict[str, NodeEntry]) -> NodeShard | None:
    nodes = dict(shard.nodes) if shard is not None else {}
    changed = False
    for unique_id, entry in entries.items():
        known = nodes.get(unique_id)
        if known is None or known.seen_at < entry.seen_at:
            nodes[unique_id] = entry
            changed = True
    return NodeShard(nodes) if changed else None
