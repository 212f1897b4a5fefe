"""Histories that a review found to be answered wrongly; each test tells one, and what the answer has to be."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.runs import Runs, copy_order, table
from tests.domain.building import HOUR, MINUTE, NOW, SUBMISSION, T0

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.application.resolve_deferred import Deferral
from dbt_state_oss.domain.clone import CloneOrder
from dbt_state_oss.domain.decision import Build, Clone, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprinting import LONGEST_PARSED
from dbt_state_oss.domain.submission import (
    CloneTerms,
    Code,
    ExecutionType,
    NodeHashes,
    SeedValues,
    StaleUpstreamPolicy,
    Submission,
    TargetKey,
    ViewDefinition,
)

SOURCE = Relation('"shop"."raw"."orders"')
MIDDLE = Relation('"shop"."prod"."middle"')
MART = Relation('"shop"."prod"."mart"')
TOP = Relation('"shop"."prod"."top"')

POSTGRES = SUBMISSION.code.dialect
OTHER_LOGIC = "select id from raw.orders where id > 7"


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


def middle(own_epoch: int | None = None, *, sql: str = "select id from raw.orders") -> Submission:
    return table(MIDDLE, sql, {SOURCE: T0}, own_epoch)


def mart(middle_at: int, own_epoch: int | None = None) -> Submission:
    return table(MART, "select * from prod.middle", {MIDDLE: middle_at}, own_epoch)


async def test_what_was_read_from_another_build_in_between_is_not_taken_for_what_was_reported(runs: Runs) -> None:
    """A mart is asked about, its parent built otherwise by another run, the mart's query run; then the parent goes back."""
    first = await runs.build(middle())
    asked = await runs.ask(mart(first))
    second = await runs.build(middle(first, sql=OTHER_LOGIC))
    own = await runs.confirm(asked)
    third = await runs.build(middle(second))

    again = await runs.ask(mart(third, own))

    assert isinstance(again.decision, Build), "the mart holds what the other build had left"


async def test_lag_tolerance_does_not_hide_what_was_read_from_another_build_in_between(runs: Runs) -> None:
    """As above: the lineages agree again, but the mart holds what other logic had left."""
    first = await runs.build(middle())
    asked = await runs.ask(mart(first))
    second = await runs.build(middle(first, sql=OTHER_LOGIC))
    own = await runs.confirm(asked)
    third = await runs.build(replace(middle(second), inputs={SOURCE: T0 + 1}))

    again = await runs.ask(replace(mart(third, own), lag_tolerance_seconds=2700))

    assert isinstance(again.decision, Build), "logic that changed upstream may not wait"


async def test_what_others_wrote_during_a_build_and_was_mended_since_is_not_taken_for_what_was_reported(
    runs: Runs, clock: HandClock
) -> None:
    first = await runs.build(middle())
    asked = await runs.ask(mart(first))
    damaged = clock.time + 1
    own = await runs.confirm(asked)
    mended = await runs.build(middle(damaged))

    again = await runs.ask(mart(mended, own))

    assert isinstance(again.decision, Build), "the mart holds what somebody had written while it was built"


async def test_the_content_of_a_build_has_no_name_if_its_input_was_written_during_it(runs: Runs) -> None:
    """As above, one level up: the mart's own content was named by what had been reported of the parent."""
    first = await runs.build(middle())
    asked = await runs.ask(mart(first))
    second = await runs.build(middle(first, sql=OTHER_LOGIC))
    mart_of_other_content = await runs.confirm(asked)
    top = await runs.build(table(TOP, "select * from prod.mart", {MART: mart_of_other_content}))
    third = await runs.build(middle(second))
    mart_again = await runs.build(mart(third))

    again = await runs.ask(table(TOP, "select * from prod.mart", {MART: mart_again}, top))

    assert isinstance(again.decision, Build), "it read the mart when that held what the other build had left"


async def test_a_macro_that_a_hook_calls_is_part_of_what_a_build_leaves(runs: Runs) -> None:
    """A post-hook masks the parent; its macro is edited, and the parent's table, lost meanwhile, is built again."""

    def masked_by(macro: str, own_epoch: int | None = None) -> Submission:
        node = replace(SUBMISSION.node, hashes=NodeHashes(body="b", configs="c", macros=macro))
        return replace(middle(own_epoch), node=node)

    first = await runs.build(masked_by("m1"))
    own = await runs.build(mart(first))
    second = await runs.build(masked_by("m2"))

    again = await runs.ask(mart(second, own))

    assert isinstance(again.decision, Build), "the same SQL, but another hook wrote to its result"


async def test_a_hook_may_do_something_else_in_another_target(runs: Runs) -> None:
    """A post-hook masks the parent in development alone: one configuration, one query, two contents."""
    dev = Relation('"shop"."dev"."middle"')
    in_dev = table(dev, "select id from raw.orders", {SOURCE: T0})
    in_dev = replace(in_dev, node=replace(in_dev.node, target_name="dev"))
    in_prod = await runs.build(middle())
    own = await runs.build(mart(in_prod))
    masked = await runs.build(in_dev)

    again = await runs.ask(table(MART, "select * from dev.middle", {dev: masked}, own))

    assert isinstance(again.decision, Build), "what the hooks of another target left is not known to be the same"


async def test_a_seed_that_was_loaded_into_an_older_table_has_that_tables_columns(runs: Runs) -> None:
    """dbt empties a seed's table and fills it again, so new column types wait for a table that is made anew."""

    def seed(types: str, own_epoch: int | None = None) -> Submission:
        return replace(
            middle(own_epoch),
            execution_type=ExecutionType.VALUES,
            code=SeedValues(POSTGRES, "v1"),
            extras={"column_types": types},
            inputs={},
        )

    first = await runs.build(seed('{"id": "int"}'))
    kept_types = await runs.build(seed('{"id": "text"}', first))
    own = await runs.build(mart(kept_types))
    new_types = await runs.build(seed('{"id": "text"}'))

    again = await runs.ask(mart(new_types, own))

    assert isinstance(again.decision, Build), "the columns that it read had other types"


async def test_the_older_name_of_a_node_is_not_that_of_another_which_failed_under_it(
    inside: Inside, runs: Runs
) -> None:
    """A new node takes over the alias of one that is gone, and its build fails: the table is still the old node's."""
    resolve = inside.resolve_deferred
    new = replace(middle().node, unique_id="model.shop.middle_v2")
    await runs.build(middle())
    await runs.ask(replace(middle(), node=new))

    found = await resolve(runs.caller(), Deferral("4711", "shop", "shop", "prod", {new.unique_id}))

    assert found == {}


async def test_by_name_a_node_that_one_of_two_projects_has_is_not_taken_for_the_others(
    inside: Inside, runs: Runs
) -> None:
    resolve = inside.resolve_deferred
    for project_id, name in (("1", "middle"), ("2", "mart")):
        submission = middle() if name == "middle" else mart(T0)
        await runs.build(replace(submission, node=replace(submission.node, project_id=project_id)))

    found = await resolve(runs.caller(), Deferral("", "shop", "shop", "prod", {"model.shop.mart"}))

    assert found == {}, "a developer without an id may be of either project"


async def test_a_copy_of_a_table_that_a_hook_wrote_to_meanwhile_is_no_copy_of_what_it_was(
    inside: Inside, runs: Runs
) -> None:
    """Between the order of a copy and its making, a hook writes to the reused source: the same execution, moved on."""
    register = inside.register_clone
    dev = Relation('"shop"."dev"."middle"')
    first = await runs.build(replace(middle(), execution_type=ExecutionType.MERGE))
    node = SUBMISSION.node
    order = CloneOrder(TargetKey("ns", dev), POSTGRES, MIDDLE, dev, ExecutionType.MERGE, node, source_epoch=first)
    granted = await register(runs.caller(), order)
    assert isinstance(granted, CloneGrant)
    source = (await inside.ledger.history("default", TargetKey("ns", MIDDLE))).latest
    assert source is not None
    await inside.update_metadata(runs.caller(), source.id, first + 5)
    await inside.confirm(runs.caller(), granted.ticket, Outcome(first + 10))

    copy = (await inside.ledger.history("default", TargetKey("ns", dev))).latest

    assert copy is not None
    assert copy.data_identity is None


async def test_on_a_stamped_clock_a_build_that_was_over_before_another_began_did_not_overlap_it(runs: Runs) -> None:
    """A record of the write-only mode does not tell when its build began, but it tells when it was over."""
    snowflake = dialect_named("snowflake")

    def stamped(source_at: int, own_epoch: int | None = None) -> Submission:
        code = Code(snowflake, f"select id from {SOURCE}", "shop", "public", MIDDLE)
        return replace(middle(own_epoch), code=code, inputs={SOURCE: source_at})

    runs.inside.clock.time += HOUR
    record = Recorded(stamped(T0), Outcome(runs.inside.clock.time))
    await runs.inside.record(runs.caller(), [record])
    own = await runs.build(stamped(T0 + 1, NOW + HOUR))

    assert isinstance((await runs.ask(stamped(T0 + 1, own))).decision, Skip)


@pytest.mark.parametrize("function", ["current_schema()", "current_user", "current_database()"])
async def test_what_a_session_answers_otherwise_in_each_target_is_not_cloned(runs: Runs, function: str) -> None:
    """In production the query says `prod`, in development `dev`: one logic, two contents, and no clock or chance in it."""
    dev = Relation('"shop"."dev"."middle"')
    sql = f"select id, {function} as place from raw.orders"
    await runs.build(middle(sql=sql))
    in_dev = table(dev, sql, {SOURCE: T0})
    node = replace(in_dev.node, target_name="dev")

    asked = await runs.ask(replace(in_dev, node=node, clone_terms=CloneTerms(into_defer_target=False)))

    assert isinstance(asked.decision, Build)


@pytest.fixture(params=["postgres", "redshift"])
def either_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on an exact and on a stamped clock."""
    monkeypatch.setattr(sys.modules[__name__], "POSTGRES", dialect_named(request.param))


@pytest.mark.usefixtures("either_clock")
async def test_content_is_not_named_by_what_a_build_in_flight_had_replaced(runs: Runs) -> None:
    """As above, but the other build of the parent, which the mart has read, is confirmed only after the mart."""
    first = await runs.build(middle())
    mart_asked = await runs.ask(mart(first))
    other_asked = await runs.ask(middle(first, sql=OTHER_LOGIC))
    second = runs.inside.clock.time + MINUTE
    mart_of_other_content = await runs.confirm(mart_asked)
    await runs.inside.confirm(runs.caller(), other_asked.ticket, Outcome(second))
    top = await runs.build(table(TOP, "select * from prod.mart", {MART: mart_of_other_content}))
    third = await runs.build(middle(second))
    mart_again = await runs.build(mart(third, mart_of_other_content))

    again = await runs.ask(table(TOP, "select * from prod.mart", {MART: mart_again}, top))

    assert isinstance(again.decision, Build), "it read the mart when that held what the other build had left"


@pytest.mark.usefixtures("either_clock")
async def test_content_is_not_named_by_what_somebody_else_had_replaced(runs: Runs, clock: HandClock) -> None:
    """The same, where it was nobody of ours: that the parent was damaged is seen when it is next built, after the mart."""
    first = await runs.build(middle())
    mart_asked = await runs.ask(mart(first))
    damaged = clock.time + 1
    mart_of_damage = await runs.confirm(mart_asked)
    top = await runs.build(table(TOP, "select * from prod.mart", {MART: mart_of_damage}))
    mended = await runs.build(middle(damaged))
    mart_again = await runs.build(mart(mended, mart_of_damage))

    again = await runs.ask(table(TOP, "select * from prod.mart", {MART: mart_again}, top))

    assert isinstance(again.decision, Build), "it read the mart when that held what came of the damage"


@pytest.mark.usefixtures("either_clock")
async def test_the_epoch_of_a_source_that_fell_is_a_change(runs: Runs) -> None:
    """No client stamps a table of nobody's: `loaded_at_field` and the warehouse's own time may tell it by turns."""
    own = await runs.build(table(MART, "select id from raw.orders", {SOURCE: T0 + 5000}))

    again = await runs.ask(table(MART, "select id from raw.orders", {SOURCE: T0 + 4900}, own))

    assert isinstance(again.decision, Build)


async def test_a_seed_that_was_loaded_without_a_question_may_have_an_older_tables_columns(runs: Runs) -> None:
    """The client tells in no record whether there was a table."""
    seed = replace(
        table(MIDDLE, "", {}), code=SeedValues(dialect_named("snowflake"), "v1"), execution_type=ExecutionType.VALUES
    )
    recorded = Recorded(seed, Outcome(T0, runtime_ms=1))
    await runs.inside.record(runs.caller(), [recorded])
    latest = (await runs.inside.ledger.history("default", seed.key)).latest
    assert latest is not None
    assert latest.data_identity is None


SAME_NAME = """
    with orders as (select id from shop.staging.orders_open),
    total as (select o.id, r.amount from orders o join shop.raw.orders r on r.id = o.id)
    select * from total {more}
"""
"""The client reports no table that has the name of a common table expression."""


@pytest.mark.parametrize(
    ("house", "sql"),
    [
        ("postgres", SAME_NAME.format(more="cross join rows from (generate_series(1, 2)) g")),
        ("databricks", "-- from C:\\reports\\\n" + SAME_NAME.format(more="")),
        ("postgres", SAME_NAME.format(more="-- " + "x" * LONGEST_PARSED)),
    ],
    ids=["a clause that cannot be parsed", "a comment that goes on", "too long to be parsed"],
)
async def test_a_table_that_a_query_names_and_nobody_reports_is_built_where_it_is_compared_as_text(
    runs: Runs, house: str, sql: str
) -> None:
    reported = {dialect_named(house).relation("shop.staging.orders_open"): T0}
    own = await runs.build(table(MART, sql, reported, house=house))
    asked = await runs.ask(table(MART, sql, reported, own, house=house))

    assert isinstance(asked.decision, Build), asked.decision.description


@pytest.mark.parametrize("reported", [{SOURCE: T0}, {}], ids=["reported", "unreported"])
async def test_what_a_query_reads_that_is_compared_as_text_is_skipped_if_it_is_reported(
    runs: Runs, reported: dict[Relation, int | None]
) -> None:
    sql = "select id from shop.raw.orders cross join rows from (generate_series(1, 2)) g"
    own = await runs.build(table(MART, sql, reported))
    asked = await runs.ask(table(MART, sql, reported, own))

    assert isinstance(asked.decision, Skip if reported else Build), asked.decision.description


@pytest.mark.parametrize(
    "ddl",
    [
        "create or replace view SHOP.STG.V(ID) with aggregation policy SHOP.GOV.P as select id from shop.raw.orders;",
        "create or replace view SHOP.STG.V(ID) with contact (STEWARD = SHOP.GOV.C) as select id from shop.raw.orders;",
        "create or replace recursive view SHOP.STG.V(ID) as select id from shop.raw.orders;",
    ],
)
async def test_a_view_in_which_the_client_finds_no_table_is_no_proof(runs: Runs, ddl: str) -> None:
    def asks(own_epoch: int | None = None, **reported: int) -> Submission:
        inputs: dict[Relation, int | None] = {
            snowflake.relation(f"shop.raw.{name}"): at for name, at in reported.items()
        }
        question = table(mart_there, "select id from shop.stg.v", inputs, own_epoch, house="snowflake")
        assert isinstance(question.code, Code)
        view = ViewDefinition(snowflake.relation("shop.stg.v"), ddl, "SHOP", "STG")
        return replace(question, code=replace(question.code, views=(view,)))

    snowflake = dialect_named("snowflake")
    mart_there = snowflake.relation("shop.prod.mart")
    own = await runs.build(asks())
    assert isinstance((await runs.ask(asks(own))).decision, Build)
    own = await runs.build(asks(own, orders=T0))
    assert isinstance((await runs.ask(asks(own, orders=T0))).decision, Skip)


@pytest.mark.parametrize("house", ["snowflake", "redshift"])
async def test_what_stood_before_a_build_is_not_taken_for_its_work(runs: Runs, clock: HandClock, house: str) -> None:
    """A write-only run reads a table that another run replaces; later the new table is copied."""
    dialect = dialect_named(house)
    source, base, base_copy, reader = (
        dialect.relation(f"shop.{name}") for name in ("raw.orders", "prod.base", "dev.base", "dev.reader")
    )
    old = clock.time - 50 * MINUTE

    def asks_base(relation: Relation, own_epoch: int | None, target: str) -> Submission:
        terms = CloneTerms(into_defer_target=target == "prod", defer_enabled=True)
        return table(
            relation,
            f"select id from {source}",
            {source: T0},
            own_epoch,
            house=house,
            target_name=target,
            unique_id="model.shop.base",
            clone_terms=terms,
        )

    def asks_reader(read: Relation, epoch: int, own_epoch: int | None) -> Submission:
        sql = f"select count(*) as n from {read}"
        return table(reader, sql, {read: epoch}, own_epoch, house=house, target_name="dev")

    replaced = await runs.ask(asks_base(base, old, "prod"))
    writer = runs.caller()
    await runs.confirm(replaced)
    clock.time += MINUTE
    written = clock.time
    await runs.inside.record(writer, [Recorded(asks_reader(base, old, None), Outcome(written, runtime_ms=1000))])
    copied = await runs.ask(asks_base(base_copy, None, "dev"))
    assert isinstance(copied.decision, Clone), copied.decision.description
    clock.time += MINUTE
    copied_at = clock.time
    await runs.inside.confirm(runs.caller(), copied.ticket, Outcome(copied_at))

    asked = await runs.ask(asks_reader(base_copy, copied_at, written))
    assert isinstance(asked.decision, Build), asked.decision.description


FULL_REFRESH = {"__microbatch_event_time_start": "2026-01-01", "__microbatch_event_time_end": "2026-01-03"}


async def test_a_full_refresh_of_a_microbatch_is_built_every_time(runs: Runs) -> None:
    """Which column of an input filters it is configured at the input, and in no request of its reader."""
    own = await runs.build(table(MART, "select id from shop.raw.orders", {SOURCE: T0}, extras=FULL_REFRESH))
    asked = await runs.ask(table(MART, "select id from shop.raw.orders", {SOURCE: T0}, own, extras=FULL_REFRESH))

    assert isinstance(asked.decision, Build)
    assert "a full refresh was requested" in asked.decision.description
    recorded = (await runs.inside.ledger.history("default", TargetKey("ns", MART))).executions[0]
    assert recorded.data_identity is None


@pytest.mark.parametrize("house", ["postgres", "snowflake", "bigquery"])
@pytest.mark.parametrize("policy", list(StaleUpstreamPolicy))
async def test_a_lag_tolerance_does_not_hide_an_invalidation_further_upstream(
    runs: Runs, house: str, policy: StaleUpstreamPolicy
) -> None:
    """New data waits. Then its source is invalidated for a change that no request shows, and everything is rebuilt."""
    dialect = dialect_named(house)
    raw, first, second, third, other = (
        dialect.relation(f"shop.{name}") for name in ("raw.orders", "prod.a", "prod.b", "prod.c", "raw.other")
    )
    patient: dict[str, Any] = {"lag_tolerance_seconds": 86_400, "stale_upstream_policy": policy}

    def asks(target: Relation, read: Relation, at: int, own_epoch: int | None = None, **terms: Any) -> Submission:
        return table(target, f"select id from {read}", {read: at}, own_epoch, house=house, **terms)

    def asks_third(at: int, own_epoch: int | None = None) -> Submission:
        sql = f"select b.id from {second} b join {other} o using (id)"
        return table(third, sql, {second: at, other: T0}, own_epoch, house=house, **patient)

    a = await runs.build(asks(first, raw, T0))
    b = await runs.build(asks(second, first, a))
    c = await runs.build(asks_third(b))
    a = await runs.build(asks(first, raw, T0 + 1, a))
    b = await runs.build(asks(second, first, a, b))
    assert isinstance((await runs.ask(asks_third(b, c))).decision, Skip)

    (account,) = await runs.inside.reached("default", first, downstream=False)
    await runs.inside.forget(account.account)
    a = await runs.build(asks(first, raw, T0 + 1, a))
    b = await runs.build(asks(second, first, a, b))
    asked = await runs.ask(asks_third(b, c))
    assert isinstance(asked.decision, Build), asked.decision.description


@pytest.mark.parametrize("house", ["snowflake", "redshift"])
async def test_what_stood_before_the_first_recorded_run_of_an_incremental_is_not_its_work(
    runs: Runs, house: str
) -> None:
    dialect = dialect_named(house)
    log, copy, reader = (dialect.relation(f"shop.{name}") for name in ("prod.log", "dev.log", "dev.reader"))
    old = runs.inside.clock.time - 50 * MINUTE
    growing = table(
        log,
        "select id from shop.raw.orders",
        {dialect.relation("shop.raw.orders"): T0},
        old,
        house=house,
        execution_type=ExecutionType.MERGE,
    )

    def asks_reader(read: Relation, epoch: int, own_epoch: int | None) -> Submission:
        sql = f"select count(*) as n from {read}"
        return table(reader, sql, {read: epoch}, own_epoch, house=house, target_name="dev")

    running = await runs.ask(growing)
    writer = runs.caller()
    log_at = await runs.confirm(running)
    runs.inside.clock.time += MINUTE
    written = runs.inside.clock.time
    await runs.inside.record(writer, [Recorded(asks_reader(log, old, None), Outcome(written, runtime_ms=1000))])
    copied_at = await runs.pre_clone(copy_order(log, copy, growing, log_at))

    asked = await runs.ask(asks_reader(copy, copied_at, written))
    assert isinstance(asked.decision, Build), asked.decision.description
