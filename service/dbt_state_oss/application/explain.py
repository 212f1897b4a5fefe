"""Explain: what was decided in past runs, and why."""

from __future__ import annotations

from collections.abc import Collection

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import JournalEntry
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.errors import InvalidRequest

MOST_ASKED = 100
"""Ids in one question; the client sends fifty."""


class Explain:
    """Finds accounts of decisions."""

    def __init__(self, *, journal: Journal) -> None:
        self._journal = journal

    async def __call__(self, caller: Caller, decision_ids: Collection[str]) -> dict[str, JournalEntry]:
        """The decisions by id; those that are not on record in the caller's organization are left out.

        Raises `InvalidRequest` for too many ids, `StoreError` where the journal cannot be read.
        """
        check_number(decision_ids)
        return await self._journal.find(caller.organization, decision_ids)


def check_number(ids: Collection[str]) -> None:
    """Raise `InvalidRequest` for more ids than one answer has room for."""
    if len(ids) > MOST_ASKED:
        raise InvalidRequest(f"{len(ids)} ids are too many for one question; ask for at most {MOST_ASKED}.")
