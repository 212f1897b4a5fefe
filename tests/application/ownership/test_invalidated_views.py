"""A view that is forgotten holds nothing that could be built again: what reads it goes with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs
from tests.domain.building import MINUTE, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.ownership.downstream import with_downstream
from dbt_state_oss.domain.decision import Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, ExecutionType, Submission, TargetKey, ViewDefinition

SNOWFLAKE = dialect_named("snowflake")
VIEW, MART, ORDERS = (Relation(f'"SHOP"."{name}"') for name in ('PROD"."STG', 'PROD"."MART', 'RAW"."ORDERS'))
TEXT = "select id, mask(email) as email from raw.orders"


def view(own: int | None) -> Submission:
    return replace(
        SUBMISSION,
        key=TargetKey("ns", VIEW),
        relation=VIEW,
        execution_type=ExecutionType.VIEW,
        own_epoch=own,
        code=Code(SNOWFLAKE, TEXT, "SHOP", "public", VIEW),
        inputs={},
        node=replace(SUBMISSION.node, unique_id="model.shop.stg"),
    )


def mart(own: int | None) -> Submission:
    code = Code(
        SNOWFLAKE,
        "select id, email from prod.stg",
        "SHOP",
        "public",
        MART,
        views=(ViewDefinition(VIEW, TEXT, "SHOP", "PROD"),),
    )
    return replace(SUBMISSION, key=TargetKey("ns", MART), relation=MART, own_epoch=own, code=code, inputs={ORDERS: T0})


@pytest.mark.parametrize("downstream", [False, True])
async def test_who_reads_a_view_is_forgotten_with_it(inside: Inside, caller: Caller, *, downstream: bool) -> None:
    """The body of the function that the view calls is edited, which no request tells."""
    runs = Runs(inside)
    stg = await runs.build(view(None))
    own = await runs.build(mart(None))
    assert isinstance((await inside.submit(caller, mart(own))).decision, Skip)

    for _ in range(2):  # and once more, when the view itself is on record no longer
        inside.clock.time += MINUTE
        everyone = [one async for one in inside.ledger.accounts("default")]
        root = next(one for one in everyone if one.target.name == VIEW)
        reached = with_downstream([root], everyone, follow=lambda one: downstream or one.may_be_view)
        assert [one.account.target.name for one in reached] == [VIEW, MART]
        for one in reached:
            await inside.ledger.forget(one.account, at=inside.clock.time)
        own = await runs.build(mart(own))
    await runs.build(view(stg))
