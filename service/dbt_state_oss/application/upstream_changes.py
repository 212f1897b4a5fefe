"""Upstream changes: which tables a build found changed since the build before it, how, when and by whom.

Read from the histories of the targets, which hold all of it: nothing more has to be kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.explain import check_number
from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.application.ports import Clock
from dbt_state_oss.domain.explanation import ExplainLine, abridged
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.upstream_changes import DEEPEST, UpstreamAccount

_MOST_READ = 500
"""Histories read for one question; beyond them a change is told without who made it."""


class UpstreamChanges:
    """Compares builds with those before them."""

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def __call__(self, caller: Caller, execution_ids: Sequence[str]) -> dict[str, tuple[ExplainLine, ...]]:
        """The changes by execution id; executions that are not on record (any more) are left out.

        Raises `InvalidRequest` for too many ids, `StoreError` where the records cannot be read.
        """
        check_number(execution_ids)
        known: defaultdict[str, dict[Relation, History]] = defaultdict(dict)
        changes = {}
        for execution_id in dict.fromkeys(execution_ids):
            account = await self._ledger.account_of(caller.organization, execution_id)
            if account is not None:
                lines = await self._lines(caller.organization, account, execution_id, known[account.target.namespace])
                if lines:
                    changes[execution_id] = abridged(lines)
        return changes

    async def _lines(
        self, organization: str, account: TargetAccount, execution_id: str, known: dict[Relation, History]
    ) -> tuple[ExplainLine, ...]:
        """Level by level: what one level tells of has to be read before the next one is known."""
        for _ in range(DEEPEST):
            telling = UpstreamAccount(known, self._clock.now())
            lines = telling.lines(account.history, execution_id)
            if not telling.unread or len(known) >= _MOST_READ:
                break
            unread = sorted(telling.unread)[: _MOST_READ - len(known)]
            known |= await self._ledger.histories(organization, account.target.namespace, unread)
        return lines
