"""Wrong reuse that reviewers of the histories have found: overlapping builds, returns to an older state, replaced views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.counting_store import CountingStore
from tests.application.runs import Runs, assert_built, table
from tests.domain.building import MINUTE, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import MissingEvidence, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, Code, ExecutionType, Submission, ViewDefinition
from dbt_state_oss.stores.memory import MemoryStore

ONE, OTHER = "select id from shop.raw.orders", "select id from shop.raw.orders where id > 7"
MERGE: dict[str, Any] = {"execution_type": ExecutionType.MERGE}
CUSTOM: dict[str, Any] = {"execution_type": ExecutionType.DBT_CUSTOM}
DEV: dict[str, Any] = {"target_name": "dev", "clone_terms": CloneTerms(into_defer_target=False, defer_enabled=True)}


class House:
    """A warehouse with a table `middle` made of a source, a table `mart` made of that, a view `v` and a table made of it."""

    def __init__(self, name: str) -> None:
        self.name, self.dialect = name, dialect_named(name)

    def relation(self, name: str) -> Relation:
        return self.dialect.relation(f"shop.{name}")

    def middle(self, own: int | None, at: int = T0, sql: str = ONE, **changes: Any) -> Submission:
        inputs = {self.relation("raw.orders"): at}
        return table(self.relation("prod.middle"), sql, inputs, own, house=self.name, **changes)

    def mart(self, at: int, own: int | None = None, where: str = "prod", **changes: Any) -> Submission:
        return table(
            self.relation(f"{where}.mart"),
            "select id from shop.prod.middle",
            {self.relation("prod.middle"): at},
            own,
            house=self.name,
            unique_id="model.shop.mart",
            **changes,
        )

    def view(self, sql: str, own: int | None) -> Submission:
        view = self.relation("prod.v")
        return table(view, sql, {}, own, house=self.name, execution_type=ExecutionType.VIEW)

    def of_view(self, where: str, own: int | None = None, **changes: Any) -> Submission:
        view = self.relation(f"{where}.v")
        asked = table(
            self.relation(f"{where}.of_v"),
            f"select id from shop.{where}.v",
            {self.relation("raw.orders"): T0},
            own,
            house=self.name,
            unique_id="model.shop.of_v",
            **changes,
        )
        assert isinstance(asked.code, Code)
        return replace(asked, code=replace(asked.code, views=(ViewDefinition(view, ONE, "SHOP", "PUBLIC"),)))


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


async def test_a_custom_materialization_is_built_since_a_full_refresh_of_it_looks_like_any_run(runs: Runs) -> None:
    house = House("postgres")
    own = await runs.build(house.middle(None, **CUSTOM))

    answer = await runs.ask(house.middle(own, **CUSTOM))

    assert_built(answer)
    assert "custom" in answer.decision.description


async def test_a_custom_materialization_is_skipped_if_missing_evidence_is_ignored(
    store: MemoryStore, clock: HandClock
) -> None:
    inside = Inside(store, clock, missing_evidence=MissingEvidence.IGNORE)
    runs, house = Runs(inside), House("postgres")
    own = await runs.build(house.middle(None, **CUSTOM))

    assert isinstance((await runs.ask(house.middle(own, **CUSTOM))).decision, Skip)
    await inside.close()


async def test_rows_that_came_and_went_during_a_build_were_read_by_it(runs: Runs) -> None:
    house = House("postgres")
    first = await runs.build(house.middle(None, **MERGE))
    asked = await runs.ask(house.mart(first))
    await runs.build(house.middle(first, T0 + 1, **MERGE))  # adds rows, which the mart's query reads
    own = await runs.confirm(asked)

    # The rows were deleted by hand, so Postgres reports the first epoch again.
    assert_built(await runs.ask(house.mart(first, own)))


async def test_nothing_is_cloned_from_a_table_that_read_rows_which_came_and_went(runs: Runs) -> None:
    house = House("postgres")
    first = await runs.build(house.middle(None, **MERGE))
    asked = await runs.ask(house.mart(first))
    await runs.build(house.middle(first, T0 + 1, **MERGE))
    await runs.confirm(asked)

    assert_built(await runs.ask(house.mart(first, where="dev", **DEV)))


async def test_a_table_that_was_replaced_during_a_build_and_put_back_was_not_read_by_it(runs: Runs) -> None:
    house = House("postgres")
    first = await runs.build(house.middle(None))
    asked = await runs.ask(house.mart(first))
    await runs.build(house.middle(first, sql=OTHER))
    own = await runs.confirm(asked)
    third = await runs.build(house.middle(first))  # found at its first epoch: the older table was renamed back

    assert_built(await runs.ask(house.mart(third, own)))


async def test_the_same_holds_if_the_other_build_is_confirmed_later(runs: Runs) -> None:
    house = House("postgres")
    first = await runs.build(house.middle(None))
    asked, other = await runs.ask(house.mart(first)), await runs.ask(house.middle(first, sql=OTHER))
    runs.inside.clock.time += MINUTE
    second = runs.inside.clock.time
    own = await runs.confirm(asked)
    await runs.inside.confirm(runs.caller(), other.ticket, Outcome(second))
    third = await runs.build(house.middle(first))

    assert_built(await runs.ask(house.mart(third, own)))


@pytest.mark.parametrize("name", ["snowflake", "redshift"])
async def test_an_epoch_from_the_beginning_of_a_long_run_does_not_show_what_stood_later(runs: Runs, name: str) -> None:
    """The clients of these warehouses read all epochs when dbt starts."""
    house = House(name)
    first = await runs.build(house.middle(None))
    long_run = runs.caller().session_id
    asked = await runs.ask(house.mart(first))
    await runs.build(house.middle(first, sql=OTHER))
    own = await runs.confirm(asked)
    runs.inside.clock.time += MINUTE
    third = await runs.inside.submit(Caller("default", "9" * 32, long_run), house.middle(first))

    assert_built(await runs.ask(house.mart(await runs.confirm(third), own)))


@pytest.mark.parametrize("name", ["snowflake", "bigquery"])
async def test_a_view_that_was_replaced_during_a_build_and_put_back_was_not_read_by_it(runs: Runs, name: str) -> None:
    house = House(name)
    first = await runs.build(house.view(ONE, None))
    asked = await runs.ask(house.of_view("prod"))
    second = await runs.build(house.view(OTHER, first))
    own = await runs.confirm(asked)
    await runs.build(house.view(ONE, second))

    answer = await runs.ask(house.of_view("prod", own))

    assert_built(answer)
    assert "a view that it read was replaced" in answer.decision.description


@pytest.mark.parametrize("name", ["snowflake", "bigquery"])
async def test_nothing_is_cloned_from_a_table_that_read_a_replaced_view(runs: Runs, name: str) -> None:
    house = House(name)
    first = await runs.build(house.view(ONE, None))
    asked = await runs.ask(house.of_view("prod"))
    await runs.build(house.view(OTHER, first))
    await runs.confirm(asked)

    assert_built(await runs.ask(house.of_view("dev", **DEV)))


@pytest.mark.parametrize("name", ["snowflake", "bigquery"])
async def test_a_view_that_was_built_again_with_the_same_logic_during_a_build_was_read_by_it(
    runs: Runs, name: str
) -> None:
    house = House(name)
    first, second = await runs.ask(house.view(ONE, None)), await runs.ask(house.view(ONE, None))
    await runs.confirm(first)
    asked = await runs.ask(house.of_view("prod"))
    await runs.confirm(second)
    own = await runs.confirm(asked)

    assert isinstance((await runs.ask(house.of_view("prod", own))).decision, Skip)


async def within(runs: Runs, session: str, submission: Submission) -> Answer:
    runs.inside.clock.time += MINUTE
    runs.calls += 1
    return await runs.inside.submit(Caller("default", f"{runs.calls:032d}", session), submission)


async def test_an_overlapping_build_does_not_hide_a_later_one_from_a_run_with_an_older_epoch(runs: Runs) -> None:
    house = House("snowflake")
    first = await runs.build(house.middle(None))
    long_run = runs.caller().session_id
    slow = await runs.ask(house.middle(first, sql=ONE + " where id > 1"))
    stale = await runs.build(house.middle(first, sql=ONE + " where id > 2"))
    await runs.build(house.middle(stale, sql=OTHER))
    await runs.confirm(slow)  # without this build, the mart below is built
    own = await runs.confirm(await within(runs, long_run, house.mart(stale)))
    assert_built(await runs.ask(house.mart(stale, own)))  # the older table was swapped back


async def test_the_epoch_of_one_of_two_builds_at_once_does_not_show_what_was_read(runs: Runs) -> None:
    house = House("postgres")
    one, other = await runs.ask(house.middle(None)), await runs.ask(house.middle(None, sql=OTHER))
    stale = await runs.confirm(one)
    await runs.confirm(other)
    own = await runs.build(house.mart(stale))  # of the first run, which has that epoch in its cache
    assert_built(await runs.ask(house.mart(stale, own)))  # the older table was renamed back


async def test_a_later_build_in_place_of_the_same_logic_and_inputs_may_have_added_rows(runs: Runs) -> None:
    house = House("postgres")
    stale = await runs.build(house.middle(None, **MERGE))
    await runs.build(house.middle(stale + 5, **MERGE))  # it was modified outside, so the same logic ran again
    own = await runs.build(house.mart(stale))
    assert_built(await runs.ask(house.mart(stale, own)))  # the newer rows were deleted


@pytest.mark.parametrize("name", ["snowflake", "bigquery"])
async def test_an_unchanged_view_costs_one_request(name: str) -> None:
    store = CountingStore()
    inside, house = Inside(store, HandClock()), House(name)
    runs = Runs(inside)
    relations = [f"prod.t{number}" for number in range(10)]
    for relation in relations:
        await runs.build(table(house.relation(relation), ONE, {house.relation("raw.orders"): T0}, house=name))
    view = house.view(" union all ".join(f"select id from shop.{relation}" for relation in relations), None)
    own = await runs.build(view)
    store.asked.clear()

    await runs.ask(replace(view, own_epoch=own))

    assert store.asked["get"] == 1
    await inside.close()


async def test_a_reader_of_an_incremental_that_wrote_no_row_is_skipped(runs: Runs) -> None:
    """The warehouse may report the epoch from before the build that wrote no row."""
    house = House("redshift")
    first = await runs.build(house.middle(None))
    await runs.build(house.middle(first, sql=ONE + " where id > 0", **MERGE))
    own = await runs.build(house.mart(first))
    assert isinstance((await runs.ask(house.mart(first, own))).decision, Skip)
