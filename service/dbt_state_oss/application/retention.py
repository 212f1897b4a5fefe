"""Retention: what is kept for explanations is deleted when it is out of date or was kept under another setting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import structlog

from dbt_state_oss.application.keys import journal_day_of, journal_prefix, texts_prefix
from dbt_state_oss.application.ports import Clock, Document, ObjectStore
from dbt_state_oss.application.side_by_side import side_by_side
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.errors import Conflict, StoreError

MOST_DELETED = 200
"""Documents deleted at a time; the rest goes the next time."""
_AT_ONCE = 4
"""Deletions under way: few, so that decisions find connections to the store."""

_DAY_SECONDS = 86_400

_log = structlog.get_logger(__name__)


class Retention:
    """Deletes parts of the journal older than `journal_days` and all texts that are not kept as `store_sql` says."""

    def __init__(self, store: ObjectStore, clock: Clock, *, journal_days: int, store_sql: StoreSql) -> None:
        self._store = store
        self._clock = clock
        self._journal_days = journal_days
        self._store_sql = store_sql
        self._tidied: dict[str, str] = {}
        """By organization: the day on which the last of what was to go was deleted."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def begin(self, organization: str) -> None:
        """Tidy in a task of its own, if none does already, and not after the end. Never waits."""
        if not (self._closed or organization in self._running or self._is_tidy(organization)):
            task = asyncio.create_task(self.tidy(organization), name=f"retention {organization}")
            self._running[organization] = task
            task.add_done_callback(lambda _: self._running.pop(organization))

    async def close(self) -> None:
        """Give up on what is under way: the next time goes on with it."""
        self._closed = True
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def tidy(self, organization: str) -> None:
        """Delete what is to go, once a day. Never raises: it is tried again."""
        if self._is_tidy(organization):
            return
        today = day_of(self._clock.now())
        try:
            keys = _first(self._to_go(organization), MOST_DELETED)
            async with aclosing(side_by_side(keys, self._delete, at_once=_AT_ONCE)) as deletions:
                deleted = len([None async for _ in deletions])
        except StoreError as error:
            _log.warning("cleanup_failed", cause=str(error))
        else:
            if deleted < MOST_DELETED:
                self._tidied[organization] = today

    def _is_tidy(self, organization: str) -> bool:
        return self._tidied.get(organization) == day_of(self._clock.now())

    async def _to_go(self, organization: str) -> AsyncIterator[str]:
        oldest_kept = day_of(self._clock.now() - self._journal_days * _DAY_SECONDS * 1000)
        async for key in self._store.list(journal_prefix(organization)):
            if journal_day_of(organization, key) < oldest_kept:
                yield key
        for kept in StoreSql:
            if kept is not self._store_sql:
                async for key in self._store.list(texts_prefix(organization, kept)):
                    yield key

    async def _delete(self, key: str) -> None:
        found = await self._store.get(key)
        if isinstance(found, Document):
            with suppress(Conflict):  # another server tidies too
                await self._store.delete(key, expected=found.version)


async def _first(keys: AsyncIterator[str], most: int) -> AsyncIterator[str]:
    async for key in keys:
        if not most:
            return
        most -= 1
        yield key


def day_of(milliseconds: int) -> str:
    """The UTC day of a time, YYYYMMDD."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m%d")
