"""Stores node states: what each dbt node looked like in its last submission, also if the answer was a skip (rule W7).

Selection and deferral use node states. Decisions use only their sightings (rule F2).

Noting a state never waits: a background task writes the notes in batches. It writes the note of a reused and unchanged node
later than others. A reader waits until the notes of its own process are written. Notes of other processes become visible
when those processes have written them, usually a few seconds later at most.
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
"""How long notes are collected before they are written, for a store with cheap writes."""
_UNCHANGED_PAUSE_SECONDS = 30.0
"""How long notes may wait that probably change nothing."""
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_WAITING = 50_000

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Notes:
    """The notes that wait to be written, by key."""

    nodes: defaultdict[str, dict[str, NodeEntry]] = field(default_factory=lambda: defaultdict(dict))
    projects: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    count: int = 0


class NodeStates:
    """Notes node states, writes them in the background, and reads them.

    Notes that are not written are lost if the process dies. A node's next submission notes it again. Reading raises
    `StoreError` if the store fails, also if it does not accept earlier notes.
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
        self._delayed_wake: asyncio.TimerHandle | None = None

    def note(
        self, organization: str, submission: Submission, *, at: int, reused: bool, unchanged_inputs_of: str = ""
    ) -> None:
        """Note the state of this node at the time `at` (Unix milliseconds), if its client tracks it. Never waits.

        A node that was not `reused` is written soon, even if this process has seen an equal record: another process may have
        changed the record since then. `unchanged_inputs_of` is the id of the reused execution, if all its inputs are
        unchanged.
        """
        node = submission.node
        if not _is_tracked(node) or self._closed.is_set() or self._notes.count >= _MOST_WAITING:
            return
        entry = _entry(submission, seen_at=at, reused=unchanged_inputs_of)
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
        elif self._delayed_wake is None:
            self._delayed_wake = asyncio.get_running_loop().call_later(_UNCHANGED_PAUSE_SECONDS, self._wake.set)

    async def inputs_seen(self, organization: str, node: Node) -> InputsSeen | None:
        """Return the last sighting: when all inputs of a node's execution were last noted as unchanged.

        Includes notes that are not written yet. Returns None if there is no sighting.
        """
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
        """Return every node under a `nodes_prefix`, by unique id. Costs one read for each shard."""
        await self._finish_notes()
        return await self._records.entries(node_shard_keys(prefix))

    async def nodes(self, prefix: str, unique_ids: Iterable[str]) -> dict[str, NodeEntry]:
        """Return those of the nodes that are recorded under a `nodes_prefix`. Reads only shards that can hold them."""
        await self._finish_notes()
        wanted = set(unique_ids)
        entries = await self._records.entries({node_shard_key(prefix, unique_id) for unique_id in wanted})
        return {unique_id: entries[unique_id] for unique_id in wanted & entries.keys()}

    async def project_ids(self, organization: str, project_name: str) -> tuple[str, ...]:
        """Return the recorded ids of the projects with this name."""
        await self._finish_notes()
        return await self._records.project_ids(project_key(organization, project_name))

    async def close(self) -> None:
        """Try once to write all notes, and stop. May be called twice."""
        self._closed.set()
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _finish_notes(self) -> None:
        """Return when all earlier notes are written. Cancelling a caller does not cancel the write."""
        if (self._notes.count or self._writing.locked()) and not await asyncio.shield(self._write()):
            raise StoreUnavailable(
                "the node states could not be written; see node_states_write_failed in the log of the server, "
                "then repeat the command"
            )

    async def _write_until_closed(self) -> None:
        pause = self._pause
        while not self._closed.is_set():
            await self._wake.wait()
            self._wake.clear()
            with suppress(TimeoutError):  # collect notes, except while closing
                await asyncio.wait_for(self._closed.wait(), pause)
            pause = self._pause if await self._write() else min(2 * pause, _LONGEST_PAUSE_SECONDS)
        await self._write()

    async def _write(self) -> bool:
        """Write all notes. Return whether this succeeded. Notes that could not be written wait for the next attempt."""
        async with self._writing:
            if self._delayed_wake is not None:
                self._delayed_wake.cancel()
                self._delayed_wake = None
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
    # A test that stores its failures is submitted twice, once of them with a table. No other node reads that table. Without
    # this check, the sighting would alternate between the two executions.
    is_test = node.resource_type == "test"
    sighted = "" if is_test and submission.relation is not None else reused
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
        reused=sighted,
        reused_at=seen_at if sighted else 0,
    )
