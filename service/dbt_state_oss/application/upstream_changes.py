"""Upstream changes: which tables had changed between a build and the build before it, how, when, and by which node.

The histories of the targets contain all of this, so no other data is stored.
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
"""The most histories that are read for one namespace of a request. Changes beyond that do not show what made them."""


class UpstreamChanges:
    """Compares builds with the builds before them."""

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def __call__(self, caller: Caller, execution_ids: Sequence[str]) -> dict[str, tuple[ExplainLine, ...]]:
        """Return the changes by execution id. Executions without a record or without changes are left out.

        Raises `InvalidRequest` for too many ids, `StoreError` if the records cannot be read.
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
        """Return the changes of one build.

        Histories are read level by level, because the histories of one level name the tables of the next level.
        """
        for _ in range(DEEPEST):
            changes = UpstreamAccount(known, self._clock.now())
            lines = changes.lines(account.history, execution_id)
            if not changes.unread or len(known) >= _MOST_READ:
                break
            unread = sorted(changes.unread)[: _MOST_READ - len(known)]
            known |= await self._ledger.histories(organization, account.target.namespace, unread)
        return lines
