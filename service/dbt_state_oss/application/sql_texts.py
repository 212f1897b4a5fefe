"""Stores the SQL behind decisions if a setting allows it, for explanations only.

The texts are in their own documents, never in those of the targets. A text is noted when a build is decided. It is parsed
and written in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from dbt_state_oss.application.codec import JournalEntry, TargetTexts, decode_texts, encode
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.keys import texts_key
from dbt_state_oss.application.ports import ObjectStore, Workers
from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.lineage import logic_name
from dbt_state_oss.domain.sql.kept_sql import SqlText, StoreSql, differences, sql_text
from dbt_state_oss.domain.submission import Code, TargetKey
from dbt_state_oss.errors import StoreError

_KEPT = 4
"""The number of texts per target. Older logic can no longer be compared."""
_MOST_WAITING = 1_000
_MOST_CHARACTERS = 32 * 1024 * 1024
_CACHE_BYTES = 4 * 1024 * 1024
_PATIENCE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Noted:
    organization: str
    target: TargetKey
    code: Code
    logic: str
    extras: Mapping[str, str]

    @property
    def size(self) -> int:
        return len(self.code.sql) + sum(len(view.text) for view in self.code.views)


class SqlTexts:
    """Stores texts in the background, and computes the differences between two of them.

    Waiting texts are lost if the process dies, and further texts are dropped if too many wait. Explanations then have fewer
    details.
    """

    def __init__(self, store: ObjectStore, workers: Workers, *, keep: StoreSql) -> None:
        self._workers = workers
        self._keep = keep
        self._documents: DocumentCache[TargetTexts] = DocumentCache(
            store, decode=decode_texts, encode=encode, cache_bytes=_CACHE_BYTES
        )
        self._waiting: asyncio.Queue[_Noted] = asyncio.Queue()
        self._characters = 0
        self._task: asyncio.Task[None] | None = None

    def note(self, organization: str, case: Case) -> None:
        """Note the text of a decided build, if texts are stored. Never waits."""
        code = case.submission.code
        if self._keep is StoreSql.NONE or not isinstance(code, Code):
            return
        noted = _Noted(organization, case.submission.key, code, logic_name(case.logic), case.submission.extras)
        if self._waiting.qsize() >= _MOST_WAITING or self._characters + noted.size > _MOST_CHARACTERS:
            _log.warning("sql_text_dropped", node=case.submission.node.unique_id, cause="the write queue is full")
            return
        self._characters += noted.size
        self._waiting.put_nowait(noted)
        if self._task is None:
            self._task = asyncio.create_task(self._write_for_ever(), name="texts")

    async def differences(self, organization: str, entry: JournalEntry) -> tuple[str, ...]:
        """Return the differences between the submitted logic and the logic that it was compared with. Empty if unknown.

        Raises `StoreError` if the texts cannot be read.
        """
        if self._keep is StoreSql.NONE or entry.logic_before in ("", entry.logic):
            return ()
        await self._drain()
        document = await self._documents.read(texts_key(organization, entry.target, self._keep))
        texts = (
            {} if document is None or document.target != entry.target else {text.logic: text for text in document.texts}
        )
        now, then = texts.get(entry.logic), texts.get(entry.logic_before)
        if now is None or then is None:
            return ()
        return await self._workers.apart(differences, then, now) or ()

    async def close(self) -> None:
        """Wait a few seconds for the waiting texts to be written, and stop. May be called twice."""
        await self._drain()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._waiting.join()
        except TimeoutError:
            return

    async def _write_for_ever(self) -> None:
        while True:
            noted = await self._waiting.get()
            try:
                await self._write(noted)
            except StoreError as error:
                _log.warning("sql_text_dropped", cause=str(error))
            finally:
                self._characters -= noted.size
                self._waiting.task_done()

    async def _write(self, noted: _Noted) -> None:
        key = texts_key(noted.organization, noted.target, self._keep)
        known = await self._documents.read(key)
        if known is not None and known.texts and known.texts[0].logic == noted.logic:
            return
        text = await self._workers.apart(sql_text, noted.code, noted.logic, noted.extras, self._keep)
        if text is not None:
            await self._documents.update(key, lambda document: _with(document, noted, text))


def _with(document: TargetTexts | None, noted: _Noted, text: SqlText) -> TargetTexts:
    known = () if document is None or document.target != noted.target else document.texts
    others = tuple(each for each in known if each.logic != text.logic)
    return TargetTexts(noted.organization, noted.target, (text, *others)[:_KEPT])
