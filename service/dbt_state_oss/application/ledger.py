"""The ledger: the recorded executions of every target, kept in the store (architecture: Storage)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from dbt_state_oss.application.codec import TargetDocument, decode_target, encode
from dbt_state_oss.application.deadline import answered_within
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.keys import (
    is_aside,
    target_key,
    target_key_of,
    target_prefix,
    texts_keys_beside,
)
from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.application.reader_search import ReaderSearch
from dbt_state_oss.application.recording import Recording, history_of, noted, with_reader
from dbt_state_oss.application.side_by_side import side_by_side
from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.history import Execution, History, Input
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, TargetKey

K = TypeVar("K")
V = TypeVar("V")

_CONCURRENT_READS = 16
_AT_ONCE = 256
"""Tasks that are created at once: thousands would delay the event loop."""
_CLOCK_ERROR_MS = 24 * 60 * 60 * 1000
"""If the time of an invalidation is further ahead than this, it is a clock error."""


@dataclass(frozen=True, slots=True)
class TargetAccount:
    """One stored target, for people (`dbt-state-oss state`)."""

    key: str
    target: TargetKey
    history: History
    node_id: str
    """The node of its latest execution, or of the invalidated one; empty if neither is known."""
    inputs: tuple[Relation, ...]
    """What that execution read: the tables, and the relations that its SQL names, including views."""

    @property
    def may_be_view(self) -> bool:
        """Whether it was last built as a view, or the record does not show how."""
        latest = self.history.latest
        return latest is None or latest.logic.execution_type is ExecutionType.VIEW


class Ledger:
    """Histories by target. Every method raises `StoreError` if the store fails; no document is written partly.

    Histories that are not read within `read_timeout_seconds` count as such a failure (rule X1).
    """

    def __init__(self, store: ObjectStore, *, cache_bytes: int, read_timeout_seconds: float = 10.0) -> None:
        self._store = store
        self._read_timeout = read_timeout_seconds
        self._documents: DocumentCache[TargetDocument] = DocumentCache(
            store, decode=decode_target, encode=encode, cache_bytes=cache_bytes
        )
        self._search = ReaderSearch(store, self._documents)
        self._being_recorded: set[asyncio.Task[None]] = set()

    async def history(self, organization: str, target: TargetKey) -> History:
        """The target's history, empty if nothing is recorded. One conditional read, however long the history."""
        async with answered_within(self._read_timeout):
            return await self._history(organization, target)

    async def histories(
        self, organization: str, namespace: str, relations: Collection[Relation]
    ) -> dict[Relation, History]:
        """The histories of several relations of one namespace, read concurrently."""

        async def one(relation: Relation) -> History:
            return await self._history(organization, TargetKey(namespace, relation))

        async with answered_within(self._read_timeout):
            return await self._of_each(relations, one)

    async def account_of(self, organization: str, execution_id: str) -> TargetAccount | None:
        """The target that an execution id names; None if nothing is recorded of it."""
        key = target_key_of(organization, execution_id)
        if key is None:
            return None
        async with answered_within(self._read_timeout):
            document = await self._documents.read(key)
        return None if document is None else _account_of(key, document)

    async def _history(self, organization: str, target: TargetKey) -> History:
        document = await self._documents.read(target_key(organization, target))
        if document is None or document.target != target:
            return History()
        return history_of(document)

    async def read_by(
        self, organization: str, reader: TargetKey, inputs: Mapping[Relation, Input], clock: EpochClock
    ) -> dict[Relation, TargetDocument | None]:
        """The documents of the tables that `reader` was built from. Each lists it as a reader, which gets notes of silent
        builds (rule F1a).

        A silent build that is recorded after this call leaves a note with the reader. One that was recorded before is in the
        document. `clock` is that of the warehouse.
        """

        async def one(relation: Relation) -> TargetDocument | None:
            target = TargetKey(reader.namespace, relation)
            key = target_key(organization, target)
            document = await self._documents.read(key)
            if document is None or document.target != target:
                return None
            if with_reader(document, reader.name, inputs[relation], clock) is None:
                return document
            listed_in: TargetDocument | None = None

            def entered(found: TargetDocument | None) -> TargetDocument | None:
                nonlocal listed_in
                listed = None if found is None else with_reader(found, reader.name, inputs[relation], clock)
                listed_in = listed or found
                return listed

            await self._documents.update(key, entered)
            return listed_in

        return await self._of_each(inputs, one)

    async def add(self, organization: str, target: TargetKey, execution: Execution) -> None:
        """Add an execution to a target's history; durable on return (rule W1), idempotent by its id (rule W2).

        Before a silent build is recorded, each reader of the target gets a note; before any build, each early reader (rule
        F1a). The build is recorded only while the lists of readers are those that got the note. This continues if the caller
        gives up, since the client does not repeat the call.
        """
        recording = Recording(execution)

        def merged(document: TargetDocument | None) -> TargetDocument | None:
            known = document if document is not None and document.target == target else None
            return recording.made_of(known or TargetDocument(organization, target, ()))

        async def until_done() -> None:
            while not recording.is_done:
                if recording.needs_search:
                    recording.searched(await self._search.names(organization, target))
                names = recording.to_be_told
                await self._note_with(names, organization, target, recording.built_at)
                recording.told |= names
                await self._documents.update(target_key(organization, target), merged)

        await self._documents.update(target_key(organization, target), merged)
        if not recording.is_done:
            task = asyncio.create_task(until_done(), name="record a silent build")
            self._being_recorded.add(task)
            task.add_done_callback(self._recorded)
            await asyncio.shield(task)

    def _recorded(self, task: asyncio.Task[None]) -> None:
        self._being_recorded.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits for the task is told of it

    async def _of_each(self, names: Collection[K], work: Callable[[K], Awaitable[V]]) -> dict[K, V]:
        """What `work` returns for each name, with a limited number of calls at a time."""
        limit = asyncio.Semaphore(_CONCURRENT_READS)

        async def one(name: K) -> V:
            async with limit:
                return await work(name)

        asked, done = list(names), dict[K, V]()
        for begin in range(0, len(asked), _AT_ONCE):
            several = asked[begin : begin + _AT_ONCE]
            done.update(zip(several, await asyncio.gather(*map(one, several)), strict=True))
        return done

    async def raise_epoch(self, organization: str, execution_id: str, epoch: int, *, at: int) -> bool:
        """Raise the epoch of an execution if it is its target's latest (rule W5); false if it is not.

        `at` is the server's time, Unix milliseconds. A stamp far ahead of it is recorded as `at` (rule T10).

        Readers that read the table before its hooks had ended get a note first (rule F1a).

        A hook that wrote has raised the epoch. So the content has lost its data identity. A copy also differs from what a build
        makes, which runs the hook once.
        """
        key = target_key_of(organization, execution_id)
        if key is None:
            return False
        raised, moment, target = False, at, TargetKey("", "")
        early: set[str] = set()
        told: set[str] = set()

        def change(document: TargetDocument | None) -> TargetDocument | None:
            nonlocal raised, moment, early, target
            raised, early = False, set()
            if document is None or not document.executions or document.executions[0].id != execution_id:
                return None
            target, latest, history = document.target, document.executions[0], history_of(document)
            moved_to = latest.believed(epoch, at=at)
            if latest.epoch is None or moved_to <= latest.epoch:
                return None
            early = set(document.early_readers) - told
            if early:
                moment = max(moment, 1 + (history.last_build_at or 0))
                return None
            raised = True
            moved = replace(latest, epoch=moved_to, data_identity=None, hook_wrote=True)
            if latest.origin is not None:
                moved = replace(moved, unproven="it is a clone, and a hook wrote to it afterwards")
            return replace(document, executions=history.merged([moved]).executions, early_readers=())

        await self._documents.update(key, change)
        while early:
            await self._note_with(early, organization, target, moment)
            told |= early
            await self._documents.update(key, change)
        return raised

    async def _note_with(self, readers: Collection[str], organization: str, target: TargetKey, at: int) -> None:
        """Note in the document of each reader that `target` may have changed at that time."""

        async def note(name: str) -> None:
            reader = TargetKey(target.namespace, name)

            def with_note(document: TargetDocument | None) -> TargetDocument | None:
                known = document if document is not None and document.target == reader else None
                return noted(known or TargetDocument(organization, reader, ()), Relation(target.name), at)

            await self._documents.update(target_key(organization, reader), with_note)

        await self._of_each(readers, note)

    async def accounts(self, organization: str) -> AsyncGenerator[TargetAccount, None]:
        """Every readable target of an organization, including invalidated ones without a build since."""
        keys = (key async for key in self._store.list(target_prefix(organization)) if not is_aside(key))
        async with aclosing(side_by_side(keys, self._keyed)) as found:
            async for key, document in found:
                if document is not None:
                    yield _account_of(key, document)

    async def _keyed(self, key: str) -> tuple[str, TargetDocument | None]:
        return key, await self._documents.read(key)

    async def forget(self, account: TargetAccount, *, at: int) -> bool:
        """Empty a target's history and delete its texts, so that its next run builds it; false if it was empty already.

        `at` (Unix milliseconds) is stored in either case. What began before it is no longer recorded, and what is built after
        it never equals earlier content (rule I5). An earlier time is replaced if it is more than a day ahead: it would keep the
        target from being recorded until then.
        """
        forgotten = False

        def emptied(document: TargetDocument | None) -> TargetDocument | None:
            nonlocal forgotten
            forgotten = document is not None and bool(document.executions)
            if document is None:
                return None
            known, before = _account_of(account.key, document), document.forgotten_at or 0
            return replace(
                document,
                executions=(),
                forgotten_at=at if at < before - _CLOCK_ERROR_MS else max(at, before),
                forgotten_node_id=known.node_id,
                forgotten_inputs=known.inputs,
            )

        for key in texts_keys_beside(account.key):
            await self._documents.delete(key)
        await self._documents.update(account.key, emptied)
        return forgotten


def _account_of(key: str, document: TargetDocument) -> TargetAccount:
    history = history_of(document)
    latest = history.latest
    if latest is None:
        return TargetAccount(key, document.target, history, document.forgotten_node_id, document.forgotten_inputs)
    named = (slot.relation for slot in latest.logic.fingerprint.slots)
    return TargetAccount(key, document.target, history, latest.node_id, tuple(dict.fromkeys((*latest.inputs, *named))))
