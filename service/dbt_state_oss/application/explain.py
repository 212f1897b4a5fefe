"""Explain: what was decided in past runs, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import JournalEntry
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.domain.explanation import Badge, ExplainLine, Marker
from dbt_state_oss.errors import InvalidRequest

MOST_ASKED = 100
"""Ids in one question; the client sends fifty."""


class Explain:
    """Finds accounts of decisions."""

    def __init__(self, *, journal: Journal, texts: Sequence[SqlTexts]) -> None:
        """`texts`: the kinds of SQL that may be kept, the most telling first."""
        self._journal = journal
        self._texts = texts

    async def __call__(self, caller: Caller, decision_ids: Collection[str]) -> dict[str, JournalEntry]:
        """The decisions by id; those that are not on record in the caller's organization are left out.

        Raises `InvalidRequest` for too many ids, `StoreError` where the records cannot be read.
        """
        check_number(decision_ids)
        found = await self._journal.find(caller.organization, decision_ids)
        entries = await asyncio.gather(*(self.in_full(caller.organization, entry) for entry in found.values()))
        return dict(zip(found, entries, strict=True))

    async def in_full(self, organization: str, entry: JournalEntry) -> JournalEntry:
        """The decision, its account with what differs in the SQL, where that is kept."""
        for texts in self._texts:
            differences = await texts.differences(organization, entry)
            if differences:
                lines = tuple(ExplainLine(text, Marker.INFO) for text in differences)
                return replace(entry, explanation=_under_changed_query(entry.explanation, lines))
        return entry


def _under_changed_query(account: tuple[ExplainLine, ...], lines: tuple[ExplainLine, ...]) -> tuple[ExplainLine, ...]:
    """The account with `lines` first under the answer, within its section, that the query has changed."""

    def told(line: ExplainLine) -> ExplainLine:
        changed = line.badge is Badge.NODE_QUERY_CHANGED
        return replace(line, children=lines + line.children) if changed else line

    return tuple(replace(section, children=tuple(map(told, section.children))) for section in account)


def check_number(ids: Collection[str]) -> None:
    """Raise `InvalidRequest` for more ids than one answer has room for."""
    if len(ids) > MOST_ASKED:
        raise InvalidRequest(f"{len(ids)} ids are too many for one request; the limit is {MOST_ASKED}.")
