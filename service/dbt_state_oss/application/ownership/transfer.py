"""Copies documents into a store, from an archive or another store. They are compared first and written conditionally.

The caller provides the documents again for each pass, so a large state is never in memory. Raises `StoreError` if a store
fails, and `InvalidRequest` for an invalid key.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial

from dbt_state_oss.application.codec import (
    BrokenDocument,
    NodeShard,
    ProjectIds,
    TargetDocument,
    decode_project,
    decode_shard,
    decode_target,
    encode,
)
from dbt_state_oss.application.keys import SERVER_PREFIX, TICKET_KEYS, is_project_key, is_target_key, target_key
from dbt_state_oss.application.ownership.archive import ArchivedDocument
from dbt_state_oss.application.ports import Document, ObjectStore, Unchanged
from dbt_state_oss.application.recording import history_of
from dbt_state_oss.application.side_by_side import documents_under, side_by_side
from dbt_state_oss.domain.data_identity import is_named_by_epoch
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, Input
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.silent import with_silent_build
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import Conflict

EXAMPLES = 5
"""The most keys that are kept as examples of a fate."""

Documents = Callable[[], AsyncIterator[ArchivedDocument]]
"""A function that returns the same documents, in the order of their keys, each time that it is called."""


class Fate(Enum):
    """What happens, or would happen, to one document."""

    EQUAL = "equal"
    CREATED = "created"
    REPLACED = "replaced"
    OVERTAKEN = "overtaken"
    """Another process wrote the document in the meantime, and its version was kept."""


@dataclass(slots=True)
class Tally:
    """The number of documents by fate, and some of their keys."""

    counts: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    examples: dict[Fate, list[str]] = field(default_factory=lambda: {fate: [] for fate in Fate})

    def add(self, key: str, fate: Fate) -> None:
        self.counts[fate] += 1
        if len(self.examples[fate]) < EXAMPLES:
            self.examples[fate].append(key)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


OnTally = Callable[[Tally], None]
"""A function that is called after each document, to show progress."""


async def is_empty(store: ObjectStore) -> bool:
    """Return whether nothing is recorded in a store. The servers' own documents do not count."""
    async for key in store.list(""):
        if not key.startswith(SERVER_PREFIX):
            return False
    return True


def documents_of(store: ObjectStore, *, ticket_keys: bool) -> AsyncGenerator[ArchivedDocument, None]:
    """Return every document of a store. The servers' own documents are left out, except the ticket keys if `ticket_keys`."""

    def wanted(key: str) -> bool:
        return not key.startswith(SERVER_PREFIX) or (ticket_keys and key == TICKET_KEYS)

    return _documents(store, wanted)


async def _documents(store: ObjectStore, wanted: Callable[[str], bool]) -> AsyncGenerator[ArchivedDocument, None]:
    async with aclosing(documents_under(store, "", wanted=wanted)) as documents:
        async for key, document in documents:
            yield ArchivedDocument(key, document.data)


async def compare(records: Documents, store: ObjectStore, on_tally: OnTally) -> Tally:
    """Return what `write` would do with each document: create, leave or replace it. Writes nothing."""

    async def fate(record: ArchivedDocument) -> tuple[str, Fate]:
        return record.key, _fate(record, await store.get(record.key))

    return await _tallied(records, fate, on_tally)


async def write(
    records: Documents, store: ObjectStore, on_tally: OnTally, *, overwrite: bool, into_use: bool = False
) -> Tally:
    """Create the absent documents. With `overwrite`, merge the documents that differ into the existing ones.

    A document that another process writes at the same time is kept and counted as `Fate.OVERTAKEN`.

    `into_use`: older records are copied into a store that has been in use. A copied execution may have missed silent builds
    of its inputs (rule F1a). So its inputs that are built in place count as unknown. So do inputs that it read without a
    record, if the store has a record of them now.

    A state may be exported while servers run, and a store may be in use before the rest of the state is copied. So a reader
    may be copied as it was before a silent build, although that build is copied too or is recorded in the store. And a list
    of readers may lack a reader that is copied.
    """
    incoming = await _silent_builds(records)
    in_store = await _silent_builds(partial(_documents, store, is_target_key))
    silent = {target: max(incoming.get(target, 0), in_store.get(target, 0)) for target in incoming | in_store}

    async def fate(record: ArchivedDocument) -> tuple[str, Fate]:
        found = await store.get(record.key)
        existing = found if isinstance(found, Document) else None
        planned = _fate(record, existing)
        if planned is Fate.EQUAL:
            return record.key, planned
        if planned is Fate.REPLACED and not overwrite:
            return record.key, Fate.OVERTAKEN
        try:
            updated = _with_missed_silent_builds(record, silent)
            if into_use:
                updated = _with_doubtful_inputs(updated, existing, await _newly_recorded_inputs(updated, store))
            data = _merged(updated, existing)
            await store.put(record.key, data, expected=None if existing is None else existing.version)
        except Conflict:
            return record.key, Fate.OVERTAKEN
        return record.key, planned

    return await _tallied(records, fate, on_tally)


async def _tallied(
    records: Documents, fate: Callable[[ArchivedDocument], Awaitable[tuple[str, Fate]]], on_tally: OnTally
) -> Tally:
    tally = Tally()
    async with aclosing(side_by_side(records(), fate)) as fates:
        async for key, one in fates:
            tally.add(key, one)
            on_tally(tally)
    return tally


def _fate(record: ArchivedDocument, existing: Document | Unchanged | None) -> Fate:
    if not isinstance(existing, Document):
        return Fate.CREATED
    return Fate.EQUAL if _merged(record, existing) == existing.data else Fate.REPLACED


def _merged(record: ArchivedDocument, existing: Document | None) -> bytes:
    """Return the bytes to write for `record` in place of the existing document.

    Histories of a target are joined, the newer entry of each node wins, and all ids of a project are kept. So an older state
    never removes records or invalidations (rule I5) that were made since then. Other documents, and documents that cannot be
    read, are replaced as a whole.
    """
    if existing is None:
        return record.data
    try:
        if is_target_key(record.key):
            target = _joined_targets(decode_target(record.data), decode_target(existing.data))
            return record.data if target is None else encode(target)
        if is_project_key(record.key):
            ids = {*decode_project(record.data).ids, *decode_project(existing.data).ids}
            return encode(ProjectIds(tuple(sorted(ids))))
        return encode(_joined_shards(decode_shard(record.data), decode_shard(existing.data)))
    except BrokenDocument:
        return record.data


async def _silent_builds(records: Documents) -> dict[TargetKey, int]:
    """Return when each target among the documents had its last silent build, in Unix milliseconds."""
    silent: dict[TargetKey, int] = {}
    async for record in records():
        if is_target_key(record.key):
            with suppress(BrokenDocument):
                document = decode_target(record.data)
                built_at = [one.confirmed_at for one in document.executions if one.silent]
                if built_at:
                    silent[document.target] = max(built_at)
    return silent


def _with_missed_silent_builds(record: ArchivedDocument, silent: Mapping[TargetKey, int]) -> ArchivedDocument:
    """Return the record with notes of the silent builds that it lacks. A list of readers is marked as possibly incomplete.

    An input that was read at an epoch which no build had confirmed becomes unknown: the build may have been confirmed since.
    """
    if not is_target_key(record.key):
        return record
    try:
        document = decode_target(record.data)
    except BrokenDocument:
        return record
    notes = dict(document.silent_builds)
    for execution in document.executions:
        for relation, known in execution.inputs.items():
            built_at = silent.get(TargetKey(document.target.namespace, relation))
            if built_at is not None and (known.last_build_at is None or known.last_build_at < built_at):
                notes = with_silent_build(notes, relation, built_at)
    unlisted = document.has_unlisted_readers or document.readers is not None
    executions = tuple(_with_unknown(one, _may_be_early) for one in document.executions)
    updated = replace(document, executions=executions, silent_builds=notes, has_unlisted_readers=unlisted)
    return replace(record, data=encode(updated))


async def _newly_recorded_inputs(record: ArchivedDocument, store: ObjectStore) -> set[Relation]:
    """Return the inputs that a target's executions read without a record, and that have a document in the store now."""
    if not is_target_key(record.key):
        return set()
    try:
        document = decode_target(record.data)
    except BrokenDocument:
        return set()
    read = {name for one in document.executions for name, known in one.inputs.items() if known.lineage is None}
    keys = {name: target_key(document.organization, TargetKey(document.target.namespace, name)) for name in read}
    return {name for name, key in keys.items() if await store.get(key) is not None}


def _with_doubtful_inputs(
    record: ArchivedDocument, existing: Document | None, on_record: Collection[Relation]
) -> ArchivedDocument:
    """Return the record with doubtful inputs made unknown, in executions that the store does not have.

    Doubtful are inputs that may be built in place, and inputs without a record that are `on_record` in the store now.
    """
    if not is_target_key(record.key):
        return record
    try:
        target = decode_target(record.data)
        known = set() if existing is None else {one.id for one in decode_target(existing.data).executions}
    except BrokenDocument:
        return record

    def is_doubtful(relation: Relation, read: Input) -> bool:
        return relation in on_record or _may_be_built_in_place(read)

    executions = tuple(one if one.id in known else _with_unknown(one, is_doubtful) for one in target.executions)
    return replace(record, data=encode(replace(target, executions=executions)))


def _with_unknown(execution: Execution, is_doubtful: Callable[[Relation, Input], bool]) -> Execution:
    inputs = {
        relation: replace(known, epoch=None) if is_doubtful(relation, known) else known
        for relation, known in execution.inputs.items()
    }
    return replace(execution, inputs=inputs)


def _may_be_early(_: Relation, known: Input) -> bool:
    return known.lineage == UNKNOWN_LINEAGE


def _may_be_built_in_place(known: Input) -> bool:
    return known.lineage is not None and (known.identity is None or is_named_by_epoch(known.identity))


def _joined_targets(incoming: TargetDocument, existing: TargetDocument) -> TargetDocument | None:
    """Join both histories, with the later time of invalidation. None if the result is `incoming`, or the targets differ."""
    if incoming.target != existing.target:
        return None
    kept, other = (
        (incoming, existing) if (incoming.forgotten_at or 0) >= (existing.forgotten_at or 0) else (existing, incoming)
    )
    history = history_of(kept).merged(other.executions)
    silent_builds = dict(incoming.silent_builds)
    for relation, built_at in existing.silent_builds.items():
        silent_builds = with_silent_build(silent_builds, relation, built_at)
    joined = replace(
        kept,
        executions=history.executions,
        silent_builds=silent_builds,
        readers=_all_readers(incoming, existing),
        has_unlisted_readers=incoming.has_unlisted_readers or existing.has_unlisted_readers,
        early_readers=tuple(dict.fromkeys((*existing.early_readers, *incoming.early_readers))),
    )
    return None if joined == incoming else joined


def _all_readers(one: TargetDocument, other: TargetDocument) -> tuple[str, ...] | None:
    """Return the readers of both. None if one of the two does not list them, so that they are searched for."""
    if one.readers is None or other.readers is None:
        return None
    return tuple(dict.fromkeys((*other.readers, *one.readers)))


def _joined_shards(incoming: NodeShard, existing: NodeShard) -> NodeShard:
    nodes = dict(existing.nodes)
    for name, entry in incoming.nodes.items():
        if name not in nodes or nodes[name].seen_at <= entry.seen_at:
            nodes[name] = entry
    return NodeShard(nodes)
