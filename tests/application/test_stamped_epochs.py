"""dbt v2 on BigQuery stamps what it confirms, so the table's own epoch lies between the question and the stamp (rule T4a)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.runs import Runs, table
from tests.domain.building import MINUTE, ORDERS, T0

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.domain.clone import CloneOrder
from dbt_state_oss.domain.decision import Build, Decision, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, Submission, TargetKey

PARENT = Relation('"shop"."prod"."parent"')
CHILD = Relation('"shop"."prod"."child"')
LAG = 20_000
"""By what the stamp is later than the table's own epoch; a build takes a minute."""


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


def parent(house: str = "bigquery", sql: str = "select id from shop.raw.orders", **changes: Any) -> Submission:
    return table(PARENT, sql, {ORDERS: T0}, house=house, **{"client_stamps": True, **changes})


def child(epoch: int, **changes: Any) -> Submission:
    sql = "select id from shop.prod.parent"
    return table(CHILD, sql, {PARENT: epoch}, house="bigquery", **{"client_stamps": True, **changes})


async def asked_at(runs: Runs, submission: Submission, epoch: int) -> Decision:
    return (await runs.ask(replace(submission, own_epoch=epoch))).decision


async def test_the_tables_own_epoch_may_be_lower_than_the_stamp(runs: Runs) -> None:
    stamp = await runs.build(parent())
    assert isinstance(await asked_at(runs, parent(), stamp - LAG), Skip)
    assert isinstance(await asked_at(runs, parent(), stamp), Skip)


async def test_it_is_neither_above_the_stamp_nor_from_before_the_question(runs: Runs) -> None:
    stamp = await runs.build(parent())
    for epoch in (stamp + 1, stamp - MINUTE - 1):
        decision = await asked_at(runs, parent(), epoch)
        assert isinstance(decision, Build)
        assert "was modified outside of recorded builds" in decision.description


async def test_what_was_there_before_the_build_is_not_its_work(runs: Runs, clock: HandClock) -> None:
    """The server's clock may be behind the warehouse's: the epoch that was found bounds it too."""
    found = clock.time + MINUTE + LAG
    stamp = await runs.build(parent(own_epoch=found))
    assert stamp > found
    assert isinstance(await asked_at(runs, parent(), found), Build)
    assert isinstance(await asked_at(runs, parent(), found + 1), Skip)


@pytest.mark.parametrize("house", ["postgres", "databricks"])
async def test_elsewhere_epochs_are_read_back_and_must_be_equal(runs: Runs, house: str) -> None:
    stamp = await runs.build(parent(house))
    assert isinstance(await asked_at(runs, parent(house), stamp - LAG), Build)


async def test_the_python_client_reads_epochs_back_so_they_must_be_equal(runs: Runs) -> None:
    exact = parent(client_stamps=False)
    epoch = await runs.build(exact)
    assert isinstance(await asked_at(runs, exact, epoch - LAG), Build)


async def test_the_record_says_which_client_it_was_whoever_asks_next(runs: Runs) -> None:
    stamp = await runs.build(parent())
    assert isinstance(await asked_at(runs, parent(client_stamps=False), stamp - LAG), Skip)


async def test_an_input_that_was_stamped_in_the_same_run_is_unchanged_in_the_next(runs: Runs) -> None:
    """In the run that builds it, the client reports its stamp to its readers; later, the table's own epoch."""
    stamp = await runs.build(parent())
    own = await runs.build(child(stamp))
    for epoch in (stamp, stamp - LAG):
        assert isinstance(await asked_at(runs, child(epoch), own), Skip)
    for epoch in (stamp + 1, stamp - MINUTE - 1):
        assert isinstance(await asked_at(runs, child(epoch), own), Build)


async def test_an_input_that_was_recorded_at_its_own_epoch_stands_there(runs: Runs) -> None:
    stamp = await runs.build(parent())
    own = await runs.build(child(stamp - LAG))
    assert isinstance(await asked_at(runs, child(stamp - LAG), own), Skip)
    assert isinstance(await asked_at(runs, child(stamp - MINUTE - 1), own), Build)


async def test_a_stamp_of_a_clock_that_is_far_ahead_is_not_believed(inside: Inside, runs: Runs) -> None:
    """Rule T10: it would hide every later write."""
    asked = await runs.ask(parent())
    future = inside.clock.time + 365 * 24 * 60 * MINUTE
    await inside.confirm(runs.caller(), asked.ticket, Outcome(future, runtime_ms=1000))
    (recorded,) = (await inside.ledger.history("default", parent().key)).executions
    assert recorded.epoch == inside.clock.time
    assert isinstance(await asked_at(runs, parent(), inside.clock.time + 30 * 24 * 60 * MINUTE), Build)


async def test_a_silent_build_that_was_stamped_builds_its_readers(runs: Runs) -> None:
    """Rule F1a: an incremental that gained a column and wrote no row may leave the table's own epoch where it was."""

    def incremental(sql: str, **changes: Any) -> Submission:
        extras = {"on_schema_change": '"append_new_columns"'}
        return parent(sql=sql, execution_type=ExecutionType.APPEND, extras=extras, **changes)

    first = await runs.build(incremental("select id from shop.raw.orders"))
    own = await runs.build(child(first - LAG))
    assert isinstance(await asked_at(runs, child(first - LAG), own), Skip)
    await runs.build(incremental("select id, amount from shop.raw.orders", own_epoch=first - LAG))
    assert isinstance(await asked_at(runs, child(first - LAG), own), Build)


async def test_a_stamped_parent_that_is_built_again_identically_builds_nobody(runs: Runs) -> None:
    """Rule F2: its own epoch falls to the build that confirmed the stamp, and so has that build's identity."""
    first = await runs.build(parent())
    own = await runs.build(child(first))
    second = await runs.build(parent(sql="select id from shop.raw.orders where id > 1", own_epoch=first - LAG))
    third = await runs.build(parent(own_epoch=second - LAG))
    assert isinstance(await asked_at(runs, child(second - LAG), own), Build)
    assert isinstance(await asked_at(runs, child(third - LAG), own), Skip)


async def test_two_builds_at_once_prove_nothing_where_one_is_stamped(runs: Runs) -> None:
    """Rule T9: the other build's epoch may lie between this one's question and its stamp."""
    exact = parent(sql="select 2 as id from shop.raw.orders", client_stamps=False)
    one, other = await runs.ask(parent()), await runs.ask(exact)
    await runs.confirm(other)
    stamp = await runs.confirm(one)
    decision = await asked_at(runs, parent(), stamp)
    assert isinstance(decision, Build)
    assert "overlapped" in decision.description


async def test_a_pre_clone_is_stamped_too(runs: Runs) -> None:
    stamp = await runs.build(parent())
    dev = Relation('"shop"."dev"."parent"')
    order = CloneOrder(
        key=TargetKey("ns", dev),
        dialect=dialect_named("bigquery"),
        source=PARENT,
        target=dev,
        execution_type=ExecutionType.FULL,
        node=parent().node,
        source_epoch=stamp - LAG,
        client_stamps=True,
    )
    copied = await runs.pre_clone(order)
    (copy,) = (await runs.inside.ledger.history("default", order.key)).executions
    assert copy.unproven is None
    assert copy.stamped_from is not None
    assert copy.stamped_from <= copied - LAG
