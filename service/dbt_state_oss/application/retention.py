"""Retention: what is kept for explanations is deleted when it is out of date or was kept under another setting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from dbt_state_oss.application.keys import journal_day_of, journal_prefix, texts_prefix
from dbt_state_oss.application.ports import Clock, Document, ObjectStore
from dbt_state_oss.domain.kept_sql import StoreSql
from dbt_state_oss.errors import Conflict, StoreError

MOST_DELETED = 200
"""Documents deleted at a time; the rest goes the next time."""

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

    async def tidy(self, organization: str) -> None:
        """Delete what is to go, once a day. Never raises: it is tried again."""
        today = day_of(self._clock.now())
        if self._tidied.get(organization) == today:
            return
        try:
            deleted = 0
            async for key in self._to_go(organization):
                if deleted == MOST_DELETED:
                    return
                await self._delete(key)
                deleted += 1
        except StoreError as error:
            _log.warning("not_tidied", cause=str(error))
        else:
            self._tidied[organization] = today

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


def day_of(milliseconds: int) -> str:
    """The UTC day of a time, YYYYMMDD."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m%d")
