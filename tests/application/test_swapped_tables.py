"""Rule T4: on a stamped clock, a table that is replaced whole must not be from before its latest build."""

from __future__ import annotations

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs, table
from tests.domain.building import HOUR, MINUTE, T0

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, Submission

SOURCE = Relation('"shop"."raw"."orders"')
MART = Relation('"shop"."prod"."mart"')
STAMPED = pytest.mark.parametrize("house", ["snowflake", "redshift"])
DAY = 24 * HOUR


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


def mart(own: int | None, house: str, execution_type: ExecutionType = ExecutionType.FULL) -> Submission:
    return table(MART, f"select id from {SOURCE}", {SOURCE: T0}, own, house=house, execution_type=execution_type)


@STAMPED
@pytest.mark.parametrize("age", [10 * HOUR, 100 * DAY], ids=["what was found before the build", "an old table"])
async def test_a_table_from_before_the_first_recorded_build_is_not_its_work(runs: Runs, house: str, age: int) -> None:
    found = runs.inside.clock.time - 10 * HOUR
    stamp = await runs.build(mart(found, house))

    assert isinstance((await runs.ask(mart(stamp - age, house))).decision, Build)
    assert isinstance((await runs.ask(mart(found, house))).decision, Build)
    assert isinstance((await runs.ask(mart(stamp - 300, house))).decision, Skip), "the stamp is a little late"


@STAMPED
async def test_a_table_from_between_two_equal_builds_is_the_work_of_neither(runs: Runs, house: str) -> None:
    first = await runs.build(mart(None, house))
    runs.inside.clock.time += 10 * HOUR
    between = runs.inside.clock.time
    runs.inside.clock.time += 10 * HOUR
    await runs.build(_moved(first, house))

    assert isinstance((await runs.ask(_moved(between, house))).decision, Build)


def _moved(own: int, house: str) -> Submission:
    """The mart after its source has moved on."""
    return table(MART, f"select id from {SOURCE}", {SOURCE: T0 + 1}, own, house=house)


@STAMPED
async def test_a_long_build_is_recognised_by_its_own_table(runs: Runs, house: str) -> None:
    """The table was written long before the end, at which the client takes its stamp."""
    asked = await runs.ask(mart(None, house))
    written = runs.inside.clock.time + MINUTE
    runs.inside.clock.time += 50 * MINUTE
    await runs.inside.confirm(runs.caller(), asked.ticket, Outcome(runs.inside.clock.time, runtime_ms=50 * MINUTE))

    assert isinstance((await runs.ask(mart(written, house))).decision, Skip)


@STAMPED
async def test_a_recorded_build_is_recognised_by_its_own_table(runs: Runs, house: str) -> None:
    """In write-only mode the client tells neither when a build began nor how long it took."""
    stamp = runs.inside.clock.time
    await runs.inside.record(runs.caller(), [Recorded(mart(stamp - 10 * DAY, house), Outcome(stamp))])

    assert isinstance((await runs.ask(mart(stamp - HOUR, house))).decision, Skip)
    assert isinstance((await runs.ask(mart(stamp - 2 * DAY, house))).decision, Build)
    assert isinstance((await runs.ask(mart(stamp - 10 * DAY, house))).decision, Build)


@STAMPED
async def test_an_incremental_that_wrote_no_row_keeps_its_epoch(runs: Runs, house: str) -> None:
    found = runs.inside.clock.time - 10 * HOUR
    await runs.build(mart(found, house, ExecutionType.MERGE))

    assert isinstance((await runs.ask(mart(found, house, ExecutionType.MERGE))).decision, Skip)
