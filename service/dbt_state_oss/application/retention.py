"""Deletes data for explanations that is too old, or that was stored under another setting."""

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
"""The most documents that one run deletes. The next run deletes the rest."""
_AT_ONCE = 4
"""Concurrent deletions. The number is low so that decisions still get connections to the store."""

_DAY_SECONDS = 86_400

_log = structlog.get_logger(__name__)


class Retention:
    """Deletes parts of the journal that are older than `journal_days`, and all SQL texts of other kinds than `store_sql`."""

    def __init__(self, store: ObjectStore, clock: Clock, *, journal_days: int, store_sql: StoreSql) -> None:
        self._store = store
        self._clock = clock
        self._journal_days = journal_days
        self._store_sql = store_sql
        self._tidied: dict[str, str] = {}
        """By organization: the last day on which everything that had to be deleted was deleted."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def begin(self, organization: str) -> None:
        """Start `tidy` in a task, unless it is running, was done today, or this object is closed. Never waits."""
        if not (self._closed or organization in self._running or self._is_tidy(organization)):
            task = asyncio.create_task(self.tidy(organization), name=f"retention {organization}")
            self._running[organization] = task
            task.add_done_callback(lambda _: self._running.pop(organization))

    async def close(self) -> None:
        """Cancel running deletions. The next run continues them."""
        self._closed = True
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def tidy(self, organization: str) -> None:
        """Delete outdated documents, once a day. Never raises: a failure is logged, and a later call retries."""
        if self._is_tidy(organization):
            return
        today = day_of(self._clock.now())
        try:
            keys = _first(self._outdated_keys(organization), MOST_DELETED)
            async with aclosing(side_by_side(keys, self._delete, at_once=_AT_ONCE)) as deletions:
                deleted = len([None async for _ in deletions])
        except StoreError as error:
            _log.warning("cleanup_failed", cause=str(error))
        else:
            if deleted < MOST_DELETED:
                self._tidied[organization] = today

    def _is_tidy(self, organization: str) -> bool:
        return self._tidied.get(organization) == day_of(self._clock.now())

    async def _outdated_keys(self, organization: str) -> AsyncIterator[str]:
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
            with suppress(Conflict):  # another server deletes too
                await self._store.delete(key, expected=found.version)


async def _first(keys: AsyncIterator[str], most: int) -> AsyncIterator[str]:
    async for key in keys:
        if not most:
            return
        most -= 1
        yield key


def day_of(milliseconds: int) -> str:
    """Return the UTC day (YYYYMMDD) of a time in Unix milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m%d")
