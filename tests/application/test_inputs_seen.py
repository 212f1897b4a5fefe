"""Rule F2: a skip shows that the inputs stood until the build was over, so a table that is mended cuts off its readers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.runs import Runs, table
from tests.domain.building import MINUTE, T0

from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Submission
from dbt_state_oss.stores.memory import MemoryStore

SOURCE = Relation('"shop"."raw"."orders"')
MIDDLE = Relation('"shop"."prod"."middle"')
MART = Relation('"shop"."prod"."mart"')


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


@pytest.fixture
async def other(store: MemoryStore, clock: HandClock) -> AsyncIterator[Runs]:
    """Runs against another replica on the same store."""
    inside = Inside(store, clock)
    runs = Runs(inside)
    runs.calls = 1_000  # other request ids
    yield runs
    await inside.close()


def middle(own: int | None) -> Submission:
    return table(MIDDLE, f"select id from {SOURCE}", {SOURCE: T0}, own)


def mart(middle_at: int, own: int | None = None, *, sql: str = f"select id from {MIDDLE}") -> Submission:
    return table(MART, sql, {MIDDLE: middle_at}, own)


async def mended(runs: Runs, at: int) -> int:
    """Somebody writes to the table, and the next run builds it as it was; its new epoch."""
    runs.inside.clock.time += MINUTE
    damaged = runs.inside.clock.time
    assert damaged > at
    return await runs.build(middle(damaged))


async def test_a_reader_that_was_skipped_before_the_damage_is_cut_off(runs: Runs) -> None:
    at = await runs.build(middle(None))
    own = await runs.build(mart(at))
    assert isinstance((await runs.ask(mart(at, own))).decision, Skip)
    again = await mended(runs, at)

    for _ in range(3):
        assert isinstance((await runs.ask(mart(again, own))).decision, Skip)


async def test_a_table_that_is_gone_keeps_the_name_of_what_it_held_where_its_inputs_were_seen(runs: Runs) -> None:
    """It is built since it is gone; that what it reads was mended meanwhile casts no doubt on what it held."""
    leaf = Relation('"shop"."prod"."leaf"')

    def reader(mart_at: int, own: int | None = None) -> Submission:
        return table(leaf, f"select id from {MART}", {MART: mart_at}, own)

    at = await runs.build(middle(None))
    mart_at = await runs.build(mart(at))
    own = await runs.build(reader(mart_at))
    assert isinstance((await runs.ask(mart(at, mart_at))).decision, Skip)
    assert isinstance((await runs.ask(reader(mart_at, own))).decision, Skip)
    again = await mended(runs, at)
    rebuilt = await runs.build(mart(again, None))

    assert isinstance((await runs.ask(reader(rebuilt, own))).decision, Skip)


async def test_another_replica_knows_of_it_once_it_is_written(runs: Runs, other: Runs) -> None:
    at = await runs.build(middle(None))
    own = await runs.build(mart(at))
    assert isinstance((await runs.ask(mart(at, own))).decision, Skip)
    await runs.inside.node_states.close()
    again = await mended(other, at)

    assert isinstance((await other.ask(mart(again, own))).decision, Skip)


async def test_a_skip_of_an_earlier_build_says_nothing_of_a_later_one(runs: Runs) -> None:
    at = await runs.build(middle(None))
    own = await runs.build(mart(at))
    assert isinstance((await runs.ask(mart(at, own))).decision, Skip)
    edited = f"select id + 1 as id from {MIDDLE}"
    asked = await runs.ask(mart(at, own, sql=edited))  # it reads the damage, which is mended afterwards
    own = await runs.confirm(asked)
    again = await mended(runs, at)

    assert isinstance((await runs.ask(mart(again, own, sql=edited))).decision, Build)


async def test_a_skip_within_the_lag_tolerance_says_nothing(runs: Runs) -> None:
    """Its inputs were not what the build recorded."""
    at = await runs.build(middle(None))
    own = await runs.build(mart(at))
    newer = await runs.build(replace(middle(at), inputs={SOURCE: T0 + 1}))
    waits = await runs.ask(replace(mart(newer, own), lag_tolerance_seconds=86_400))
    assert isinstance(waits.decision, Skip)
    back = await runs.build(middle(newer))

    assert runs.inside.node_states is not None
    seen = await runs.inside.node_states.inputs_seen("default", mart(back).node)
    assert seen is None


async def test_a_skip_within_the_lag_tolerance_keeps_what_an_earlier_one_said(runs: Runs) -> None:
    at = await runs.build(middle(None))
    own = await runs.build(mart(at))
    assert isinstance((await runs.ask(mart(at, own))).decision, Skip)
    before = await runs.inside.node_states.inputs_seen("default", mart(at).node)
    newer = await runs.build(replace(middle(at), inputs={SOURCE: T0 + 1}))
    waits = await runs.ask(replace(mart(newer, own), lag_tolerance_seconds=86_400))

    assert isinstance(waits.decision, Skip)
    assert before is not None
    assert await runs.inside.node_states.inputs_seen("default", mart(at).node) == before


async def test_a_client_that_began_before_the_build_reports_what_stood_before_it(runs: Runs) -> None:
    """Epochs are in its memory for as long as it runs."""
    at = await runs.build(middle(None))
    began_before = runs.caller()
    asked = await runs.ask(mart(at))
    runs.inside.clock.time += MINUTE
    damaged = runs.inside.clock.time  # what the build below reads
    own = await runs.confirm(asked)
    remembered = await runs.inside.submit(replace(began_before, request_id="f" * 32), mart(at, own))
    assert isinstance(remembered.decision, Skip)
    again = await runs.build(middle(damaged))

    assert isinstance((await runs.ask(mart(again, own))).decision, Build), "it holds the damage"
