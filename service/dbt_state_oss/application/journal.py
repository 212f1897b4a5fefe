"""The journal: stores decisions with their reasons, for explanations only. No decision depends on it.

Noting a decision never waits: a background task encodes and writes the noted decisions in batches. Only one process writes
a part of the journal, and it writes the part again while the part grows. So one or two reads find all decisions of a dbt
run of 50 nodes. A decision can be read at once in the process that made it, and about a second later in other processes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress

import structlog

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import JournalEntry, JournalPart, Verdict, decode_journal_part, encode
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.journal_part import OpenPart, entries_of
from dbt_state_oss.application.keys import journal_key_of
from dbt_state_oss.application.ports import Clock, Document, ObjectStore
from dbt_state_oss.application.retention import Retention, day_of
from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decision import Build, Clone, Decision, Skip
from dbt_state_oss.domain.lineage import logic_name
from dbt_state_oss.errors import Conflict, StoreError

_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_NOTED = 10_000
"""The most decisions that may wait to be encoded: the number that arrives in a few seconds."""
_MOST_BYTES = 32 * 1024 * 1024
"""The most bytes of encoded decisions in memory. Beyond it, which only happens while the store accepts no writes, new
decisions are lost."""
_KEPT_BYTES = 8 * 1024 * 1024
_KEPT_PARTS = 256
"""The most bytes and parts that stay in memory after they are written. So a session's next decisions join its last part."""
_CACHE_BYTES = 8 * 1024 * 1024
_CONCURRENT_CALLS = 8

_VERDICTS: Mapping[type[Decision], Verdict] = {Skip: Verdict.SKIP, Clone: Verdict.CLONE, Build: Verdict.BUILD}

_log = structlog.get_logger(__name__)


class Journal:
    """Notes decisions, writes them in the background, and finds them by id.

    No decision waits for the journal or fails because of it. So unwritten decisions are lost if the process dies, and new
    ones are lost if the store accepts no writes for long. Reading raises `StoreError` if the store fails.
    """

    def __init__(self, store: ObjectStore, clock: Clock, *, retention: Retention | None = None) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._documents: DocumentCache[JournalPart] = DocumentCache(
            store, decode=decode_journal_part, encode=encode, cache_bytes=_CACHE_BYTES
        )
        self._parts: dict[str, OpenPart] = {}
        """By key, oldest first: all parts with unwritten decisions, and some parts that may grow."""
        self._growing: dict[tuple[str, str], OpenPart] = {}
        """By organization and session: the part that gets the next decision."""
        self._noted = self._bytes = self._lost = 0
        self._calls = asyncio.Semaphore(_CONCURRENT_CALLS)
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, caller: Caller, case: Case, decision: Decision, *, execution_id: str) -> str:
        """Note a decision and return its id. Never waits.

        `execution_id`: for a build or clone, the execution that it becomes once it is confirmed. For a skip, the execution
        that it reuses.
        """
        lost = self._closed.is_set() or self._noted >= _MOST_NOTED or self._bytes >= _MOST_BYTES
        part = self._new_part(caller) if lost else self._growing_part(caller)
        number = part.take_number()
        if lost:
            self._lost += 1
            return part.id_of(number)
        part.add(_entry(number, case, decision, execution_id))
        self._noted += 1
        if self._task is None:
            self._task = asyncio.create_task(self._write_until_closed(), name="journal")
        self._wake.set()
        return part.id_of(number)

    async def find(self, organization: str, decision_ids: Collection[str]) -> dict[str, JournalEntry]:
        """Return the recorded decisions with these ids, by id. Costs one read for each part that contains some of them."""
        wanted: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for each in decision_ids:
            place = journal_key_of(organization, each)
            if place is not None:
                wanted[place[0]][each] = place[1]
        parts = await asyncio.gather(*(self._entries(key) for key in wanted))
        return {
            each: entries[number]
            for entries, numbers in zip(parts, wanted.values(), strict=True)
            for each, number in numbers.items()
            if number in entries
        }

    async def close(self) -> None:
        """Try once to write all noted decisions, and stop. May be called twice."""
        self._closed.set()
        self._wake.set()
        if self._task is not None:
            await self._task

    def _growing_part(self, caller: Caller) -> OpenPart:
        session = caller.organization, caller.session_id
        part = self._growing.get(session)
        if part is None or part.full:
            part = self._growing[session] = self._new_part(caller)
            self._parts[part.key] = part
        return part

    def _new_part(self, caller: Caller) -> OpenPart:
        return OpenPart(caller.organization, day_of(self._clock.now()), caller.session_id)

    async def _entries(self, key: str) -> Mapping[int, JournalEntry]:
        part = self._parts.get(key)
        if part is not None:
            return part.entries()
        async with self._calls:
            document = await self._documents.read(key)
        return {} if document is None else entries_of(document.entries)

    async def _write_until_closed(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._closed.is_set():
            await self._wake.wait()
            self._wake.clear()
            with suppress(TimeoutError):  # collect decisions, except while closing
                await asyncio.wait_for(self._closed.wait(), pause)
            if await self._write():
                pause = _PAUSE_SECONDS
                self._tidy()
            else:
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                self._wake.set()
        await self._write()

    async def _write(self) -> bool:
        """Write all noted decisions. Return whether this succeeded."""
        async with self._writing:
            unwritten = [part for part in self._parts.values() if part.unwritten]
            for part in unwritten:
                count, size = part.encode_noted()
                self._noted -= count
                self._bytes += size
                await asyncio.sleep(0)  # let other calls run
            written = all(await asyncio.gather(*(self._write_part(part) for part in unwritten)))
            self._drop_written()
        if self._lost:
            _log.warning(
                "decisions_dropped",
                decisions=self._lost,
                cause="the store is slower than the decisions; new entries were dropped",
            )
            self._lost = 0
        return written

    async def _write_part(self, part: OpenPart) -> bool:
        document, count = part.document()
        try:
            async with self._calls:
                part.wrote(count, await self._store.put(part.key, encode(document), expected=part.version))
        except Conflict:
            # An earlier put succeeded but its answer was lost, or another process has deleted the part.
            return await self._learn_version(part)
        except StoreError as error:
            _log.warning("journal_write_failed", key=part.key, cause=str(error))
            return False
        return True

    async def _learn_version(self, part: OpenPart) -> bool:
        with suppress(StoreError):
            found = await self._store.get(part.key)
            part.version = found.version if isinstance(found, Document) else None
        return False

    def _tidy(self) -> None:
        for organization in {part.organization for part in self._parts.values()}:
            if self._retention is not None:
                self._retention.begin(organization)

    def _drop_written(self) -> None:
        """Drop written parts from memory: full parts, and the oldest ones while the memory bounds are exceeded."""
        for key, part in list(self._parts.items()):
            over_limits = self._bytes > _KEPT_BYTES or len(self._parts) > _KEPT_PARTS
            if not part.unwritten and (part.full or over_limits):
                del self._parts[key]
                self._bytes -= part.size
                session = part.organization, part.session
                if self._growing.get(session) is part:
                    del self._growing[session]


def _entry(number: int, case: Case, decision: Decision, execution_id: str) -> JournalEntry:
    reuse = None if isinstance(decision, Build) else decision
    latest = case.history.latest
    return JournalEntry(
        number=number,
        at=case.now,
        node_id=case.submission.node.unique_id,
        target=case.submission.key,
        verdict=_VERDICTS[type(decision)],
        description=decision.description,
        explanation=decision.explanation,
        execution_id=execution_id,
        stale=reuse is not None and reuse.stale,
        saved_ms=0 if reuse is None else reuse.execution.runtime_ms,
        logic="" if reuse is not None else logic_name(case.logic),
        logic_before="" if reuse is not None or latest is None else logic_name(latest.logic),
    )
