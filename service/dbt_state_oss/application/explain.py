"""Explain: returns the decisions of past runs with their explanations."""

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
"""The most ids in one request. The client sends 50."""


class Explain:
    """Finds recorded decisions with their explanations."""

    def __init__(self, *, journal: Journal, texts: Sequence[SqlTexts]) -> None:
        """`texts`: one for each kind of SQL that may be stored, the most detailed first."""
        self._journal = journal
        self._texts = texts

    async def __call__(self, caller: Caller, decision_ids: Collection[str]) -> dict[str, JournalEntry]:
        """Return the decisions by id. Ids without a record in the caller's organization are left out.

        Raises `InvalidRequest` for too many ids, `StoreError` if the records cannot be read.
        """
        check_number(decision_ids)
        found = await self._journal.find(caller.organization, decision_ids)
        entries = await asyncio.gather(*(self.in_full(caller.organization, entry) for entry in found.values()))
        return dict(zip(found, entries, strict=True))

    async def in_full(self, organization: str, entry: JournalEntry) -> JournalEntry:
        """Return the decision. If the SQL is stored, its differences are added to the explanation."""
        for texts in self._texts:
            differences = await texts.differences(organization, entry)
            if differences:
                lines = tuple(ExplainLine(text, Marker.INFO) for text in differences)
                return replace(entry, explanation=_under_changed_query(entry.explanation, lines))
        return entry


def _under_changed_query(
    explanation: tuple[ExplainLine, ...], lines: tuple[ExplainLine, ...]
) -> tuple[ExplainLine, ...]:
    """Return the explanation with `lines` as the first children of the line which says that the query has changed."""

    def with_differences(line: ExplainLine) -> ExplainLine:
        changed = line.badge is Badge.NODE_QUERY_CHANGED
        return replace(line, children=lines + line.children) if changed else line

    return tuple(replace(section, children=tuple(map(with_differences, section.children))) for section in explanation)


def check_number(ids: Collection[str]) -> None:
    """Raise `InvalidRequest` if there are more than `MOST_ASKED` ids."""
    if len(ids) > MOST_ASKED:
        raise InvalidRequest(f"{len(ids)} ids are too many for one request; the limit is {MOST_ASKED}.")
