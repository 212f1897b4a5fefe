"""Confirm: a build or copy that was decided has happened (rules W1 to W4)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.candidates import Candidates
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.ports import Clock
from dbt_state_oss.application.reading import read_by
from dbt_state_oss.application.tickets import Tickets
from dbt_state_oss.domain.clone import disowned, stood_while_copied
from dbt_state_oss.domain.history import DataTestResults, Execution
from dbt_state_oss.domain.silent import inherited_inputs
from dbt_state_oss.domain.submission import TargetKey


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a build. `epoch` and `runtime_ms` are None if the client does not know them."""

    epoch: int | None
    table_type: str | None = None
    results: DataTestResults | None = None
    runtime_ms: int | None = None
    failed_to_clone: bool = False
    """A copy was offered, but the client built instead."""


class Confirm:
    """Records the execution that a ticket announced."""

    def __init__(self, *, ledger: Ledger, candidates: Candidates, tickets: Tickets, clock: Clock) -> None:
        self._ledger = ledger
        self._candidates = candidates
        self._tickets = tickets
        self._clock = clock

    async def __call__(self, caller: Caller, ticket: str, outcome: Outcome) -> str:
        """The execution's id, once it is durable. The same ticket always names the same execution (rule W2).

        Raises `InvalidTicket` and records nothing if the ticket is invalid (rule W3), and `StoreError` if the state cannot be
        written (rule X2).
        """
        promise = self._tickets.open(caller.organization, ticket)
        organization, target = caller.organization, promise.target
        copy = None if outcome.failed_to_clone else promise.copy
        draft = await self._held_against_its_source(caller, target, copy or promise.draft)
        views = promise.views if copy is None else ()
        draft = await read_by(self._ledger, organization, target, draft, views)
        execution = completed(draft, outcome, at=self._clock.now())
        await asyncio.gather(
            self._ledger.add(organization, target, execution),
            self._candidates.list(organization, target, execution),
        )
        if promise.copy is not None and copy is None:
            await self._candidates.remove(organization, target.namespace, promise.copy)
        return execution.id

    async def _held_against_its_source(self, caller: Caller, target: TargetKey, draft: Execution) -> Execution:
        """The draft. That of a clone proves nothing if its source may have been written while it was copied (rule C5)."""
        if draft.origin is None or draft.origin.past or draft.unproven is not None:
            return draft
        key = TargetKey(target.namespace, draft.origin.relation)
        source = await self._ledger.history(caller.organization, key)
        if not stood_while_copied(draft, source):
            return disowned(draft, "its source was being written")
        return replace(draft, inputs=inherited_inputs(source, draft.inputs))


def completed(draft: Execution, outcome: Outcome, *, at: int) -> Execution:
    """The draft with its outcome: the same record from Confirm and from Record (rule W1).

    A clone keeps what it has from its source: the content has the same age and cost (rule C4). A stamped epoch far ahead of the
    server's clock is recorded as the server's time (rule T10).
    """
    epoch = None if outcome.epoch is None else draft.believed(outcome.epoch, at=at)
    if draft.origin is not None:
        table_type = outcome.table_type or draft.table_type
        return replace(draft, epoch=epoch, confirmed_at=at, table_type=table_type)
    return replace(
        draft,
        epoch=epoch,
        built_at=at,
        confirmed_at=at,
        runtime_ms=outcome.runtime_ms or 0,
        table_type=outcome.table_type,
        results=outcome.results,
    )
