"""Bringing documents into a store: from an archive or from another store, compared first, written conditionally.

Whoever calls makes the records anew for each pass, so that a large state is never in memory. Raises `StoreError` where a store
fails, `InvalidRequest` for a key that is none.
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
"""Keys that are named of many."""

Documents = Callable[[], AsyncIterator[ArchivedDocument]]
"""The same documents, in the order of their keys, each time that it is called."""


class Fate(Enum):
    """What becomes, or would become, of one document."""

    EQUAL = "equal"
    CREATED = "created"
    REPLACED = "replaced"
    OVERTAKEN = "overtaken"
    """Somebody else wrote it meanwhile; theirs was left."""


@dataclass(slots=True)
class Tally:
    """How many documents had which fate, and some of their keys."""

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
"""Is called after each document, to show progress."""


async def is_empty(store: ObjectStore) -> bool:
    """Whether nothing is recorded in a store; the servers' own documents are no record."""
    async for key in store.list(""):
        if not key.startswith(SERVER_PREFIX):
            return False
    return True


async def documents_of(store: ObjectStore, *, ticket_keys: bool) -> AsyncGenerator[ArchivedDocument, None]:
    """Every document of a store; without the servers' secrets unless `ticket_keys`."""

    def wanted(key: str) -> bool:
        return not key.startswith(SERVER_PREFIX) or (ticket_keys and key == TICKET_KEYS)

    async with aclosing(documents_under(store, "", wanted=wanted)) as documents:
        async for key, document in documents:
            yield ArchivedDocument(key, document.data)


async def compare(records: Documents, store: ObjectStore, told: OnTally) -> Tally:
    """What `write` would do with each document: create, leave or replace it. Writes nothing."""

    async def fate(record: ArchivedDocument) -> tuple[str, Fate]:
        return record.key, _fate(record, await store.get(record.key))

    return await _tallied(records, fate, told)


async def write(
    records: Documents, store: ObjectStore, told: OnTally, *, overwrite: bool, into_use: bool = False
) -> Tally:
    """Create what is absent, and with `overwrite` bring what differs into what is there.

    What somebody writes at the same time is theirs and is left, to be told of as `Fate.OVERTAKEN`. `into_use`: older
    records come into a store that has been in use. An execution that comes in may have missed silent builds of what it read
    (rule F1a), so its inputs of that kind count as unknown. So do those which were on no record and now are on the store's.

    A state may be exported while servers run, and a store may be in use before the rest of the state comes in. So a reader may
    come in as it was before a silent build that comes in too or is on record there, and a list of readers without a reader that
    comes in.
    """
    coming, there = await _silent_builds(records), await _silent_builds(partial(documents_of, store, ticket_keys=False))
    silent = {target: max(coming.get(target, 0), there.get(target, 0)) for target in coming.keys() | there.keys()}

    async def fate(record: ArchivedDocument) -> tuple[str, Fate]:
        found = await store.get(record.key)
        there = found if isinstance(found, Document) else None
        to_be = _fate(record, there)
        if to_be is Fate.EQUAL:
            return record.key, to_be
        if to_be is Fate.REPLACED and not overwrite:
            return record.key, Fate.OVERTAKEN
        try:
            informed = _informed(record, silent)
            if into_use:
                informed = _doubted(informed, there, await _come_on_record(informed, store))
            data = _merged(informed, there)
            await store.put(record.key, data, expected=None if there is None else there.version)
        except Conflict:
            return record.key, Fate.OVERTAKEN
        return record.key, to_be

    return await _tallied(records, fate, told)


async def _tallied(
    records: Documents, fate: Callable[[ArchivedDocument], Awaitable[tuple[str, Fate]]], told: OnTally
) -> Tally:
    tally = Tally()
    async with aclosing(side_by_side(records(), fate)) as fates:
        async for key, one in fates:
            tally.add(key, one)
            told(tally)
    return tally


def _fate(record: ArchivedDocument, there: Document | Unchanged | None) -> Fate:
    if not isinstance(there, Document):
        return Fate.CREATED
    return Fate.EQUAL if _merged(record, there) == there.data else Fate.REPLACED


def _merged(record: ArchivedDocument, there: Document | None) -> bytes:
    """What is written of `record` over what is there.

    Both accounts of a target, the younger one of each node, all ids of a project: an older state never takes away what has been
    recorded since, nor what was forgotten (rule I5). Everything else is replaced whole, as is what cannot be read.
    """
    if there is None:
        return record.data
    try:
        if is_target_key(record.key):
            target = _joined_targets(decode_target(record.data), decode_target(there.data))
            return record.data if target is None else encode(target)
        if is_project_key(record.key):
            ids = {*decode_project(record.data).ids, *decode_project(there.data).ids}
            return encode(ProjectIds(tuple(sorted(ids))))
        return encode(_joined_shards(decode_shard(record.data), decode_shard(there.data)))
    except BrokenDocument:
        return record.data


async def _silent_builds(records: Documents) -> dict[TargetKey, int]:
    """When each target among the records was last built silently, Unix milliseconds."""
    silent: dict[TargetKey, int] = {}
    async for record in records():
        if is_target_key(record.key):
            with suppress(BrokenDocument):
                document = decode_target(record.data)
                built_at = [one.confirmed_at for one in document.executions if one.silent]
                if built_at:
                    silent[document.target] = max(built_at)
    return silent


def _informed(record: ArchivedDocument, silent: Mapping[TargetKey, int]) -> ArchivedDocument:
    """The record with the silent builds that it does not know, and with a list of readers that may lack some.

    What an execution read at an epoch that no build had confirmed is unknown: the build may have been confirmed since.
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
    informed = replace(document, executions=executions, silent_builds=notes, has_unlisted_readers=unlisted)
    return replace(record, data=encode(informed))


async def _come_on_record(record: ArchivedDocument, store: ObjectStore) -> set[Relation]:
    """What a target's executions read as a table on no record, and the store has a document of."""
    if not is_target_key(record.key):
        return set()
    try:
        document = decode_target(record.data)
    except BrokenDocument:
        return set()
    read = {name for one in document.executions for name, known in one.inputs.items() if known.lineage is None}
    keys = {name: target_key(document.organization, TargetKey(document.target.namespace, name)) for name in read}
    return {name for name, key in keys.items() if await store.get(key) is not None}


def _doubted(record: ArchivedDocument, there: Document | None, on_record: Collection[Relation]) -> ArchivedDocument:
    """The record; what its executions read of tables that are built in place is unknown, where the store does not have them.

    Of those which were on no record, the ones `on_record` now may be built in place.
    """
    if not is_target_key(record.key):
        return record
    try:
        target = decode_target(record.data)
        known = set() if there is None else {one.id for one in decode_target(there.data).executions}
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


def _joined_targets(mine: TargetDocument, theirs: TargetDocument) -> TargetDocument | None:
    """Both histories, by the later time of forgetting; None where it is all in `mine`."""
    if mine.target != theirs.target:
        return None
    kept, other = (mine, theirs) if (mine.forgotten_at or 0) >= (theirs.forgotten_at or 0) else (theirs, mine)
    history = history_of(kept).merged(other.executions)
    silent_builds = dict(mine.silent_builds)
    for relation, built_at in theirs.silent_builds.items():
        silent_builds = with_silent_build(silent_builds, relation, built_at)
    joined = replace(
        kept,
        executions=history.executions,
        silent_builds=silent_builds,
        readers=_all_readers(mine, theirs),
        has_unlisted_readers=mine.has_unlisted_readers or theirs.has_unlisted_readers,
        early_readers=tuple(dict.fromkeys((*theirs.early_readers, *mine.early_readers))),
    )
    return None if joined == mine else joined


def _all_readers(one: TargetDocument, other: TargetDocument) -> tuple[str, ...] | None:
    """The readers of both; None, which has them searched for, where one of the two does not list them."""
    if one.readers is None or other.readers is None:
        return None
    return tuple(dict.fromkeys((*other.readers, *one.readers)))


def _joined_shards(mine: NodeShard, theirs: NodeShard) -> NodeShard:
    nodes = dict(theirs.nodes)
    for name, entry in mine.nodes.items():
        if name not in nodes or nodes[name].seen_at <= entry.seen_at:
            nodes[name] = entry
    return NodeShard(nodes)
