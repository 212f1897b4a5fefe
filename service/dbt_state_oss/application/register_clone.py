"""RegisterClone: pre-clones a table of production into development, before dbt builds on it there (rule C5)."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.keys import CLONE, execution_id
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.ports import Clock
from dbt_state_oss.application.tickets import Tickets
from dbt_state_oss.domain.clone import CloneOrder, CloneRefusal, draft_clone, refusal_of
from dbt_state_oss.domain.clone_ddl import clone_statements
from dbt_state_oss.domain.decision import RejectionReason
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.node_patterns import NO_NODES, NodePatterns
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import StoreError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CloneGrant:
    """The statements that clone the table, and the ticket to confirm the clone with."""

    statements: tuple[str, ...]
    ticket: str


class RegisterClone:
    """Decides whether and how to clone a table. Stores nothing, so calls can be repeated (rule W6)."""

    def __init__(self, *, ledger: Ledger, tickets: Tickets, clock: Clock, never_reuse: NodePatterns = NO_NODES) -> None:
        self._ledger = ledger
        self._tickets = tickets
        self._clock = clock
        self._never_reuse = never_reuse

    async def __call__(self, caller: Caller, order: CloneOrder) -> CloneGrant | CloneRefusal:
        """Return the statements and a ticket, or the reason for a refusal.

        If the state cannot be read in time, the answer is a clone that proves nothing, never an error (rule X1).
        """
        now = self._clock.now()
        if self._never_reuse.match(order.node.unique_id, order.source, order.target):
            return CloneRefusal(RejectionReason.FORCED_NOT_ELIGIBLE, "the server is configured to never reuse it")
        source = await self._source(caller, order)
        refusal = refusal_of(order, source)
        if refusal is not None:
            return refusal
        statements = clone_statements(
            order.dialect,
            order.source,
            order.target,
            table_type=order.source_table_type,
            hours_to_expiration=order.terms.hours_to_expiration,
            partition_expiration_days=order.terms.partition_expiration_days,
        )
        if statements is None:
            because = f"{order.source} cannot be copied to {order.target} on {order.dialect.name}"
            return CloneRefusal(RejectionReason.FORCED_NOT_ELIGIBLE, because)
        identity = execution_id(order.key, caller.request_id, CLONE)
        draft = draft_clone(order, source, execution_id=identity, decided_at=now)
        return CloneGrant(statements, self._tickets.seal(caller.organization, order.key, draft))

    async def _source(self, caller: Caller, order: CloneOrder) -> History:
        key = TargetKey(order.key.namespace, order.source)
        try:
            return await self._ledger.history(caller.organization, key)
        except StoreError as error:
            _log.error("state_read_failed", node=order.node.unique_id, cause=str(error))
            return History()
