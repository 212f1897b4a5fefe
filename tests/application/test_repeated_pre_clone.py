"""A table that is copied from production, built with an edit, and copied once more: what its reader saw in between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.application.conftest import HandClock, Inside
from tests.domain.building import MINUTE, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.register_clone import CloneGrant, RegisterClone
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.clone import CloneOrder
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, Code, ExecutionType, Node, Submission, TargetKey

SNOWFLAKE = dialect_named("snowflake")
PROD = Relation('"SHOP"."PROD"."INC"')
DEV = Relation('"SHOP"."DEV"."INC"')
ORDERS = Relation('"SHOP"."RAW"."ORDERS"')
CHILD = Relation('"SHOP"."DEV"."CHILD"')


class Runs:
    def __init__(self, inside: Inside) -> None:
        self.inside, self.calls = inside, 0
        self.register = RegisterClone(ledger=inside.ledger, tickets=inside.tickets, clock=inside.clock)

    def caller(self) -> Caller:
        self.calls += 1
        return Caller("default", f"{self.calls:032d}")

    async def ask(self, submission: Submission) -> Answer:
        self.inside.clock.time += MINUTE
        return await self.inside.submit(self.caller(), submission)

    async def confirm(self, ticket: str) -> int:
        self.inside.clock.time += MINUTE
        await self.inside.confirm(self.caller(), ticket, Outcome(self.inside.clock.time, runtime_ms=1000))
        return self.inside.clock.time

    async def build(self, submission: Submission) -> int:
        asked = await self.ask(submission)
        assert isinstance(asked.decision, Build), asked.decision.description
        return await self.confirm(asked.ticket)

    async def pre_clone(self, source_epoch: int) -> int:
        self.inside.clock.time += MINUTE
        order = CloneOrder(
            key=TargetKey("ns", DEV),
            dialect=SNOWFLAKE,
            source=PROD,
            target=DEV,
            execution_type=ExecutionType.MERGE,
            node=Node("model.shop.inc", "inc", "model"),
            source_epoch=source_epoch,
        )
        granted = await self.register(self.caller(), order)
        assert isinstance(granted, CloneGrant)
        return await self.confirm(granted.ticket)


def inc(relation: Relation, own: int | None, *, orders: int = T0, where: str = "true", **changes: Any) -> Submission:
    return replace(
        SUBMISSION,
        key=TargetKey("ns", relation),
        relation=relation,
        execution_type=ExecutionType.MERGE,
        code=Code(SNOWFLAKE, f"select id from raw.orders where {where}", "SHOP", "public", relation),
        inputs={ORDERS: orders},
        own_epoch=own,
        clone_terms=CloneTerms(into_defer_target=relation == PROD),
        **changes,
    )


def child(inc_at: int, own: int | None) -> Submission:
    return replace(
        SUBMISSION,
        key=TargetKey("ns", CHILD),
        relation=CHILD,
        code=Code(SNOWFLAKE, f"select count(*) as n from {DEV}", "SHOP", "public", CHILD),
        inputs={DEV: inc_at},
        own_epoch=own,
        clone_terms=CloneTerms(into_defer_target=False),
        node=replace(SUBMISSION.node, unique_id="model.shop.child"),
    )


async def test_a_copy_does_not_tell_when_its_own_table_was_last_seen(inside: Inside, clock: HandClock) -> None:
    runs = Runs(inside)
    first = await runs.build(inc(PROD, None))
    produced = await runs.build(inc(PROD, first, orders=T0 + 1))  # found_epoch: `first`
    copied = await runs.pre_clone(produced)

    asked = await runs.ask(child(copied, None))  # the child is told to build, over `copied`
    other = await runs.build(
        inc(DEV, copied, orders=T0 + 1, where="id > 7")
    )  # an edit of the parent is built by another run
    assert other > copied
    own = await runs.confirm(asked.ticket)  # the child read what the edit had left

    again = await runs.pre_clone(produced)  # the edit is taken back; production is copied once more (pre_clone: always)
    assert isinstance((await runs.ask(inc(DEV, again, orders=T0 + 1))).decision, Skip)

    decision = (await runs.ask(child(again, own))).decision
    assert isinstance(decision, Build), decision.description
