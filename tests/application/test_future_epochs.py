"""Rule T10: an epoch far ahead of the server's clock is an error of a clock, and is overcome by the next build."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs, table
from tests.domain.building import HOUR, MINUTE, T0

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Submission

YEAR = 365 * 24 * HOUR
SOURCE = Relation('"shop"."raw"."orders"')
MIDDLE = Relation('"shop"."prod"."middle"')
MART = Relation('"shop"."prod"."mart"')


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


def middle(own: int | None, *, source: int = T0, house: str = "postgres") -> Submission:
    return table(MIDDLE, f"select id from {SOURCE}", {SOURCE: source}, own, house=house)


def mart(middle_at: int, own: int | None = None, *, house: str = "postgres") -> Submission:
    return table(MART, f"select id from {MIDDLE}", {MIDDLE: middle_at}, own, house=house)


async def confirmed(runs: Runs, answer: Answer, *, ahead: int) -> int:
    """The time of a build that is confirmed with an epoch that is `ahead` of it."""
    runs.inside.clock.time += MINUTE
    await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(runs.inside.clock.time + ahead))
    return runs.inside.clock.time


async def test_on_an_exact_clock_the_next_build_counts(runs: Runs) -> None:
    ahead = YEAR + await confirmed(runs, await runs.ask(middle(None)), ahead=YEAR)
    assert isinstance((await runs.ask(middle(ahead))).decision, Skip), "it is what was confirmed"

    own = await runs.build(middle(ahead, source=T0 + 1))

    assert isinstance((await runs.ask(middle(own, source=T0 + 1))).decision, Skip)


async def test_a_warehouse_whose_clock_is_always_ahead_is_served_as_any_other(runs: Runs) -> None:
    own = None
    for load in range(3):
        own = YEAR + await confirmed(runs, await runs.ask(middle(own, source=T0 + load)), ahead=YEAR)
        assert isinstance((await runs.ask(middle(own, source=T0 + load))).decision, Skip)


@pytest.mark.parametrize("house", ["snowflake", "redshift"])
async def test_on_a_stamped_clock_later_writes_are_seen(runs: Runs, house: str) -> None:
    built_at = await confirmed(runs, await runs.ask(middle(None, house=house)), ahead=YEAR)
    assert isinstance((await runs.ask(middle(built_at, house=house))).decision, Skip)
    runs.inside.clock.time += HOUR

    foreign = await runs.ask(middle(runs.inside.clock.time, house=house))

    assert isinstance(foreign.decision, Build)
    own = await runs.confirm(foreign)
    assert isinstance((await runs.ask(middle(own, house=house))).decision, Skip), "the next build counts"


@pytest.mark.parametrize("house", ["snowflake", "redshift"])
async def test_on_a_stamped_clock_a_reader_sees_later_builds(runs: Runs, house: str) -> None:
    """In the same run the client reports the stamp to the readers."""
    built_at = await confirmed(runs, await runs.ask(middle(None, house=house)), ahead=YEAR)
    own = await runs.build(mart(built_at + YEAR, house=house))
    assert isinstance((await runs.ask(mart(built_at, own, house=house))).decision, Skip)
    runs.inside.clock.time += HOUR
    again = await runs.build(middle(built_at, source=T0 + 1, house=house))

    assert isinstance((await runs.ask(mart(again, own, house=house))).decision, Build)


@pytest.mark.parametrize(("house", "stamps"), [("snowflake", False), ("redshift", False), ("bigquery", True)])
async def test_a_hook_cannot_raise_an_epoch_into_the_future(runs: Runs, house: str, *, stamps: bool) -> None:
    """`stamps`: the client of dbt v2, which stamps on BigQuery too (rule T4a)."""

    def asked(own: int | None) -> Submission:
        return replace(middle(own, house=house), client_stamps=stamps)

    own = await runs.build(asked(None))
    skipped = await runs.ask(asked(own))
    assert isinstance(skipped.decision, Skip)
    await runs.inside.update_metadata(runs.caller(), skipped.decision.execution.id, own + YEAR)
    runs.inside.clock.time += HOUR

    assert isinstance((await runs.ask(asked(runs.inside.clock.time))).decision, Build)
