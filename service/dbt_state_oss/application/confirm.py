"""Confirm: a promised build has happened (rules W1 to W4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.ports import Clock
from dbt_state_oss.application.tickets import Tickets
from dbt_state_oss.domain.history import DataTestResults, Execution


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a build left behind. `epoch` and `runtime_ms` are None where the client does not know them."""

    epoch: int | None
    table_type: str | None = None
    results: DataTestResults | None = None
    runtime_ms: int | None = None


class Confirm:
    """Records the execution that a ticket promised."""

    def __init__(self, *, ledger: Ledger, tickets: Tickets, clock: Clock) -> None:
        self._ledger = ledger
        self._tickets = tickets
        self._clock = clock

    async def __call__(self, caller: Caller, ticket: str, outcome: Outcome) -> str:
        """The execution's id, once it is durable. The same ticket always names the same execution (rule W2).

        Raises `InvalidTicket` and records nothing where the ticket is not good (rule W3), `StoreError` where the state cannot
        be written (rule X2).
        """
        promise = self._tickets.open(caller.organization, ticket)
        execution = completed(promise.draft, outcome, at=self._clock.now())
        await self._ledger.add(caller.organization, promise.target, [execution])
        return execution.id


def completed(draft: Execution, outcome: Outcome, *, at: int) -> Execution:
    """The draft with its outcome: the same record from Confirm and from Record (rule W1)."""
    return replace(
        draft,
        epoch=outcome.epoch,
        built_at=at,
        confirmed_at=at,
        runtime_ms=outcome.runtime_ms or 0,
        table_type=outcome.table_type,
        results=outcome.results,
    )
