"""What a server would answer about past decisions, read from its store by the command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller
from dbt_state_oss.application.codec import JournalEntry
from dbt_state_oss.application.explain import MOST_ASKED, Explain
from dbt_state_oss.application.inspect import Told, decisions_about, latest_decisions, standing, targets
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.application.ports import Clock, ObjectStore
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.application.upstream_changes import UpstreamChanges
from dbt_state_oss.cli.stores import opened
from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.domain.kept_sql import StoreSql
from dbt_state_oss.domain.standing import Standing
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.settings import StoreSettings

_MOST_DECISIONS = 5
_PATIENCE_SECONDS = 3.0
_PAUSE_SECONDS = 0.2

P = ParamSpec("P")
T = TypeVar("T")


class Reading:
    """Explanations of one store. Every method raises `StoreError`."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._caller = Caller(DEFAULT_ORGANIZATION, "")
        self._ledger = Ledger(store, cache_bytes=0)
        self._upstream = UpstreamChanges(ledger=self._ledger, clock=clock)
        self._journal = Journal(store, clock)
        self._explain = [
            Explain(journal=self._journal, texts=SqlTexts(store, _Threads(), keep=keep))
            for keep in (StoreSql.FULL, StoreSql.CANONICAL)
        ]
        """Which SQL the server keeps is not known here."""

    async def decisions(self, ids: Sequence[str], *, fresh: bool) -> dict[str, JournalEntry]:
        """The decisions by id. Those of a run that has just ended may still be on their way into the store."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        found: dict[str, JournalEntry] = {}
        while True:
            found |= await self._journal.find(DEFAULT_ORGANIZATION, [each for each in ids if each not in found])
            if not fresh or len(found) == len(set(ids)) or time.monotonic() > patience:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return {name: await self._in_full(entry) for name, entry in found.items()}

    async def upstream(self, executions: Sequence[str]) -> dict[str, tuple[ExplainLine, ...]]:
        """What had changed upstream, by execution."""
        changes: dict[str, tuple[ExplainLine, ...]] = {}
        for start in range(0, len(executions), MOST_ASKED):
            changes |= await self._upstream(self._caller, executions[start : start + MOST_ASKED])
        return changes

    async def targets(self, pattern: str) -> list[TargetAccount]:
        """The targets that a pattern means."""
        return [account async for account in targets(self._ledger, DEFAULT_ORGANIZATION, pattern)]

    async def standing(self, account: TargetAccount) -> Standing:
        """How a target stands by its record."""
        return await standing(self._ledger, DEFAULT_ORGANIZATION, account, now=self._clock.now())

    async def latest_decisions(self, accounts: Sequence[TargetAccount]) -> dict[TargetKey, Told]:
        """The newest decision about each, with its id."""
        wanted = [account.target for account in accounts]
        found = await latest_decisions(self._store, DEFAULT_ORGANIZATION, wanted)
        return {target: (name, await self._in_full(entry)) for target, (name, entry) in found.items()}

    async def about(self, pattern: str) -> tuple[list[TargetAccount], dict[str, JournalEntry]]:
        """The targets that a pattern means and the newest decisions about them, by id."""
        recorded = await self.targets(pattern)
        found = await decisions_about(self._store, DEFAULT_ORGANIZATION, pattern, most=_MOST_DECISIONS)
        return recorded, {name: await self._in_full(entry) for name, entry in found.items()}

    async def _in_full(self, entry: JournalEntry) -> JournalEntry:
        for explain in self._explain:
            told = await explain.in_full(DEFAULT_ORGANIZATION, entry)
            if told is not entry:
                return told
        return entry


class _Threads:
    """Does in a thread what a server has processes for."""

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        return await asyncio.to_thread(work, *arguments, **named)


@asynccontextmanager
async def reading(settings: StoreSettings) -> AsyncIterator[Reading]:
    """The store that the settings name, open. Raises StoreError."""
    from dbt_state_oss.bootstrap import SystemClock  # late, so that --help does not wait for gRPC to load

    async with opened(settings, read_only=True, make=False) as store:
        yield Reading(store, SystemClock())
