"""Node states: what each dbt node looked like when it was last seen, also when the answer was a skip (rule W7).

Kept for selection and deferral, never for a decision. Notes are taken without waiting, and a background task writes them, many
at a time; that a node which was reused still looks as it did is looked after at leisure. Whoever reads waits for the notes
that this process has taken; those of another process come into sight when it has written them, some seconds later at most.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from dbt_state_oss.application.codec import NodeEntry
from dbt_state_oss.application.keys import node_shard_key, node_shard_keys, nodes_prefix, project_key
from dbt_state_oss.application.node_records import NodeRecords, with_sighting
from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.domain.case import InputsSeen
from dbt_state_oss.domain.submission import Node, Submission
from dbt_state_oss.errors import StoreError, StoreUnavailable

PAUSE_SECONDS = 0.5
"""How long notes gather where a put costs little."""
_LEISURE_SECONDS = 30.0
"""How long notes may wait that seem to change nothing."""
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_WAITING = 50_000

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Notes:
    """What waits to be written, by key."""

    nodes: defaultdict[str, dict[str, NodeEntry]] = field(default_factory=lambda: defaultdict(dict))
    projects: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    count: int = 0


class NodeStates:
    """Takes notes of nodes, writes them in the background, and tells what is on record.

    What waits is lost with the process: a node's next submission notes it again. Reading raises `StoreError` where the
    store fails, also where it does not take what was noted before.
    """

    def __init__(self, store: ObjectStore, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pause = pause_seconds
        self._records = NodeRecords(store)
        self._notes = _Notes()
        self._being_written = _Notes()
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._leisure: asyncio.TimerHandle | None = None

    def note(self, organization: str, submission: Submission, *, at: int, reused: bool, unmoved: str = "") -> None:
        """Remember how this node looked `at` a time (Unix milliseconds), if its client tracks it. Never waits.

        One that was not `reused` is written soon though it looks as it did when this process saw its record last: that another
        process has written since. `unmoved` is the id of the execution that is reused where all its inputs are as recorded.
        """
        node = submission.node
        if not _is_tracked(node) or self._closed.is_set() or self._notes.count >= _MOST_WAITING:
            return
        entry = _entry(submission, seen_at=at, reused=unmoved)
        key = _shard_key(organization, node)
        noted = self._notes.nodes[key]
        noted[node.unique_id] = entry = with_sighting(entry, noted.get(node.unique_id))
        self._notes.count += 1
        if node.project_id:
            self._notes.projects[project_key(organization, node.project_name)].add(node.project_id)
        if self._task is None:
            self._task = asyncio.create_task(self._write_until_closed(), name="node states")
        if not (reused and self._records.showed(key, node.unique_id, entry)):
            self._wake.set()
        elif self._leisure is None:
            self._leisure = asyncio.get_running_loop().call_later(_LEISURE_SECONDS, self._wake.set)

    async def inputs_seen(self, organization: str, node: Node) -> InputsSeen | None:
        """When the inputs of a node's execution were last noted to be as recorded; what waits to be written counts too."""
        if not _is_tracked(node):
            return None
        key = _shard_key(organization, node)
        for notes in (self._notes, self._being_written):
            entry = notes.nodes.get(key, {}).get(node.unique_id)
            if entry is not None and entry.reused:
                return InputsSeen(entry.reused, entry.reused_at)
        entry = (await self._records.entries([key])).get(node.unique_id)
        return InputsSeen(entry.reused, entry.reused_at) if entry is not None and entry.reused else None

    async def all_nodes(self, prefix: str) -> dict[str, NodeEntry]:
        """Every node under a `nodes_prefix`, by unique id: one read for each shard."""
        await self._finish_notes()
        return await self._records.entries(node_shard_keys(prefix))

    async def nodes(self, prefix: str, unique_ids: Iterable[str]) -> dict[str, NodeEntry]:
        """Those of these nodes that are on record under a `nodes_prefix`; reads no shard that cannot hold them."""
        await self._finish_notes()
        wanted = set(unique_ids)
        entries = await self._records.entries({node_shard_key(prefix, unique_id) for unique_id in wanted})
        return {unique_id: entries[unique_id] for unique_id in wanted & entries.keys()}

    async def project_ids(self, organization: str, project_name: str) -> tuple[str, ...]:
        """The ids under which projects of this name are on record."""
        await self._finish_notes()
        return await self._records.project_ids(project_key(organization, project_name))

    async def close(self) -> None:
        """Write what waits, once, and stop. May be called twice."""
        self._closed.set()
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _finish_notes(self) -> None:
        """Return when every note taken before is written; a caller that gives up does not cut the writing short."""
        if (self._notes.count or self._writing.locked()) and not await asyncio.shield(self._write()):
            raise StoreUnavailable("the node states could not be written")

    async def _write_until_closed(self) -> None:
        pause = self._pause
        while not self._closed.is_set():
            await self._wake.wait()
            self._wake.clear()
            with suppress(TimeoutError):  # let notes gather, but not while closing
                await asyncio.wait_for(self._closed.wait(), pause)
            pause = self._pause if await self._write() else min(2 * pause, _LONGEST_PAUSE_SECONDS)
        await self._write()

    async def _write(self) -> bool:
        """Whether nothing is left that was noted before; what could not be written waits again."""
        async with self._writing:
            if self._leisure is not None:
                self._leisure.cancel()
                self._leisure = None
            notes, self._notes = self._notes, _Notes()
            self._being_written = notes
            shards = [self._write_nodes(key, entries) for key, entries in notes.nodes.items()]
            projects = [self._write_project(key, ids) for key, ids in notes.projects.items()]
            return all(await asyncio.gather(*shards, *projects))

    async def _write_nodes(self, key: str, entries: dict[str, NodeEntry]) -> bool:
        if await _written(self._records.merge(key, entries), key):
            return True
        if self._notes.count + len(entries) <= _MOST_WAITING:
            newer = self._notes.nodes[key]
            newer.update({each: with_sighting(newer.get(each, entry), entry) for each, entry in entries.items()})
            self._notes.count += len(entries)
            self._wake.set()
        return False

    async def _write_project(self, key: str, ids: set[str]) -> bool:
        if await _written(self._records.add_project_ids(key, ids), key):
            return True
        self._notes.projects[key] |= ids
        self._wake.set()
        return False


async def _written(writing: Awaitable[None], key: str) -> bool:
    try:
        await writing
    except StoreError as error:
        _log.warning("node_states_write_failed", key=key, cause=str(error))
        return False
    return True


def _is_tracked(node: Node) -> bool:
    return node.tracked and bool(node.unique_id)


def _shard_key(organization: str, node: Node) -> str:
    prefix = nodes_prefix(organization, node.target_name, project_id=node.project_id, project_name=node.project_name)
    return node_shard_key(prefix, node.unique_id)


def _entry(submission: Submission, *, seen_at: int, reused: str) -> NodeEntry:
    node, hashes = submission.node, submission.node.hashes
    # A test that stores its failures asks twice, once of them with a table. Neither is what another node reads, and of the two
    # executions it would tell by turns.
    is_test = node.resource_type == "test"
    told = "" if is_test and submission.relation is not None else reused
    return NodeEntry(
        seen_at=seen_at,
        resource_type=node.resource_type,
        node_hash=node.node_hash,
        body=hashes.body,
        configs=hashes.configs,
        macros=hashes.macros,
        persisted_descriptions=hashes.persisted_descriptions,
        contract=hashes.contract,
        representation=node.representation,
        relation=None if is_test else submission.relation,
        namespace=submission.key.namespace,
        profile_name=node.profile_name,
        reused=told,
        reused_at=seen_at if told else 0,
    )
