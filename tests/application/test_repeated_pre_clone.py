"""A table that is copied from production, built with an edit, and copied once more: what its reader saw in between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.application.conftest import Inside
from tests.application.runs import Runs
from tests.domain.building import SUBMISSION, T0

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


def pre_clone(source_epoch: int) -> CloneOrder:
    node = Node("model.shop.inc", "inc", "model")
    return CloneOrder(TargetKey("ns", DEV), SNOWFLAKE, PROD, DEV, ExecutionType.MERGE, node, source_epoch)


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


async def test_a_copy_does_not_tell_when_its_own_table_was_last_seen(inside: Inside) -> None:
    runs = Runs(inside)
    first = await runs.build(inc(PROD, None))
    produced = await runs.build(inc(PROD, first, orders=T0 + 1))  # found_epoch: `first`
    copied = await runs.pre_clone(pre_clone(produced))

    asked = await runs.ask(child(copied, None))  # the child is told to build, over `copied`
    other = await runs.build(inc(DEV, copied, orders=T0 + 1, where="id > 7"))  # another run's edit of the parent
    assert other > copied
    own = await runs.confirm(asked)  # the child read what the edit had left

    again = await runs.pre_clone(pre_clone(produced))  # the edit is taken back, production is copied once more
    assert isinstance((await runs.ask(inc(DEV, again, orders=T0 + 1))).decision, Skip)

    decision = (await runs.ask(child(again, own))).decision
    assert isinstance(decision, Build), decision.description
