"""The journal: what was decided and why, kept for explanations and never for a decision.

A decision is noted without waiting; a background task encodes and writes what was noted, many at a time. A part of the journal is
written by one process alone, again while it grows, so that a dbt run of fifty nodes is found with a read or two. The process
that made a decision can tell of it at once, the others about a second later.
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
"""Decisions that may wait to be encoded: as many as come in some seconds."""
_MOST_BYTES = 32 * 1024 * 1024
"""Encoded decisions in memory; while there are more, which is while the store takes none, new ones are lost."""
_KEPT_BYTES = 8 * 1024 * 1024
_KEPT_PARTS = 256
"""What is written stays in memory within these bounds, so that a session's next decisions join its last ones."""
_CACHE_BYTES = 8 * 1024 * 1024
_CONCURRENT_CALLS = 8

_VERDICTS: Mapping[type[Decision], Verdict] = {Skip: Verdict.SKIP, Clone: Verdict.CLONE, Build: Verdict.BUILD}

_log = structlog.get_logger(__name__)


class Journal:
    """Takes notes of decisions, writes them in the background, and finds them again.

    What waits to be written is lost with the process, and so is what the store does not take for long: no decision waits for
    the journal or fails by it. Reading raises `StoreError` where the store fails.
    """

    def __init__(self, store: ObjectStore, clock: Clock, *, retention: Retention | None = None) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._documents: DocumentCache[JournalPart] = DocumentCache(
            store, decode=decode_journal_part, encode=encode, cache_bytes=_CACHE_BYTES
        )
        self._parts: dict[str, OpenPart] = {}
        """By key, oldest first: all that hold unwritten decisions, and some that may grow."""
        self._growing: dict[tuple[str, str], OpenPart] = {}
        """By organization and session: the part that takes the next decision."""
        self._noted = self._bytes = self._lost = 0
        self._calls = asyncio.Semaphore(_CONCURRENT_CALLS)
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, caller: Caller, case: Case, decision: Decision, *, execution_id: str) -> str:
        """Remember a decision; the id that names it. Never waits.

        `execution_id` is what a build or a clone becomes once it is confirmed; a skip's is that of the build it reuses.
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
        """The decisions of these ids that are on record, by id. Costs one read for each part that they are in."""
        wanted: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for each in decision_ids:
            place = journal_key_of(organization, each)
            if place is not None:
                wanted[place[0]][each] = place[1]
        parts = await asyncio.gather(*(self._entries(key) for key in wanted))
        return {
            each: entries[number]
            for entries, asked in zip(parts, wanted.values(), strict=True)
            for each, number in asked.items()
            if number in entries
        }

    async def close(self) -> None:
        """Write what waits, once, and stop. May be called twice."""
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
            with suppress(TimeoutError):  # let decisions gather, but not while closing
                await asyncio.wait_for(self._closed.wait(), pause)
            if await self._write():
                pause = _PAUSE_SECONDS
                self._tidy()
            else:
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                self._wake.set()
        await self._write()

    async def _write(self) -> bool:
        """Whether all that was noted before is written."""
        async with self._writing:
            unwritten = [part for part in self._parts.values() if part.unwritten]
            for part in unwritten:
                count, size = part.encode_noted()
                self._noted -= count
                self._bytes += size
                await asyncio.sleep(0)  # other calls' turn
            written = all(await asyncio.gather(*(self._write_part(part) for part in unwritten)))
            self._let_go()
        if self._lost:
            _log.warning(
                "decisions_dropped",
                decisions=self._lost,
                cause="the store is slower than the decisions; the oldest entries were dropped",
            )
            self._lost = 0
        return written

    async def _write_part(self, part: OpenPart) -> bool:
        document, count = part.document()
        try:
            async with self._calls:
                part.wrote(count, await self._store.put(part.key, encode(document), expected=part.version))
        except Conflict:
            # A put whose answer was lost did happen, or somebody has deleted the part.
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

    def _let_go(self) -> None:
        """Forget what is written: parts that are full and, oldest first, those beyond what may be kept."""
        for key, part in list(self._parts.items()):
            beyond = self._bytes > _KEPT_BYTES or len(self._parts) > _KEPT_PARTS
            if not part.unwritten and (part.full or beyond):
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
