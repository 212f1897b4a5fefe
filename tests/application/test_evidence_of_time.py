"""Histories of builds at once, of swaps, invalidations and lost confirms: each test tells one, and what the answer has to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs, copy_order, table
from tests.application.test_found_by_review import OTHER_LOGIC, SOURCE
from tests.domain.building import HOUR, MINUTE, SUBMISSION, T0

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.domain.clone import CloneOrder
from dbt_state_oss.domain.decision import Build, Clone, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import (
    CloneTerms,
    Code,
    ExecutionType,
    NodeHashes,
    SeedValues,
    Submission,
    TargetKey,
)

PROD = Relation('"shop"."prod"."middle"')
DEV = Relation('"shop"."dev"."middle"')
MART = Relation('"shop"."prod"."mart"')
DEV_MART = Relation('"shop"."dev"."mart"')


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


# Overlapping builds that differ in a hook or a contract alone


@pytest.mark.parametrize("changed", [{"configs": "c2"}, {"contract": "k2"}])
async def test_overlapping_builds_that_differ_in_configuration_alone_prove_nothing(
    runs: Runs, changed: dict[str, str]
) -> None:
    """Both read the epoch after both have written; the later confirm is not that of the later writer (T9 over L6a, L6b)."""
    sql = f"select id from {SOURCE}"
    ours = table(MART, sql, {SOURCE: T0})
    theirs = replace(ours, node=replace(ours.node, hashes=replace(ours.node.hashes, **changed)))
    one, other = await runs.ask(ours), await runs.ask(theirs)
    runs.inside.clock.time += MINUTE
    last_commit = runs.inside.clock.time  # ours wrote first, theirs last
    for answer in (other, one):
        runs.inside.clock.time += 1
        await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(last_commit))

    again = await runs.ask(replace(ours, own_epoch=last_commit))

    assert isinstance(again.decision, Build), "the table has the other hook's work, or the other contract's types"


async def test_a_later_build_with_another_hook_has_the_last_word_on_a_stamped_clock(runs: Runs) -> None:
    """decisions/0002: stamps come from clocks that differ."""
    sql = f"select id from {SOURCE}"
    ours = table(MART, sql, {SOURCE: T0}, house="snowflake")
    theirs = replace(ours, node=replace(ours.node, hashes=replace(ours.node.hashes, configs="c2")))
    first = await runs.ask(ours)
    await runs.inside.confirm(runs.caller(), first.ticket, Outcome(runs.inside.clock.time + HOUR))
    await runs.build(replace(theirs, own_epoch=runs.inside.clock.time))

    again = await runs.ask(replace(ours, own_epoch=runs.inside.clock.time - 10))

    assert isinstance(again.decision, Build)


# A copy of the past is no witness that its source stood


async def test_a_copy_of_the_past_does_not_tell_that_its_source_stood(runs: Runs) -> None:
    sql, other_hook = f"select id from {SOURCE}", replace(SUBMISSION.node.hashes, configs="c2")
    bq: dict[str, Any] = {"house": "bigquery"}
    first = await runs.build(table(PROD, sql, {SOURCE: T0}, **bq))
    in_dev: dict[str, Any] = {**bq, "target_name": "dev", "clone_terms": CloneTerms(into_defer_target=False)}
    mart = await runs.ask(table(DEV_MART, f"select id from {PROD}", {PROD: first}, **in_dev))
    await runs.build(table(PROD, sql, {SOURCE: T0}, first, hashes=other_hook, **bq))  # then the mart reads it
    own = await runs.confirm(mart)
    copied = await runs.ask(table(DEV, sql, {SOURCE: T0}, **in_dev))
    assert isinstance(copied.decision, Clone)
    assert copied.decision.required_epoch is None, "copied as of its first build"
    runs.inside.clock.time += MINUTE
    copy = runs.inside.clock.time
    await runs.inside.confirm(runs.caller(), copied.ticket, Outcome(copy))

    again = await runs.ask(table(DEV_MART, f"select id from {DEV}", {DEV: copy}, own, **in_dev))

    assert isinstance(again.decision, Build), "the mart holds what came of production's second build"


# Blue and green: what stands there is an older table of ours


async def test_on_a_stamped_clock_an_older_table_that_was_swapped_in_is_not_the_latest(runs: Runs) -> None:
    """`ALTER SCHEMA … SWAP WITH` after each run: the table that the next run finds is that of the run before the last."""
    one, two = f"select id from {SOURCE}", f"select id from {SOURCE} where id > 7"
    first = await runs.build(table(MART, one, {SOURCE: T0}, house="snowflake"))
    runs.inside.clock.time += 24 * HOUR
    second = await runs.build(table(MART, two, {SOURCE: T0}, house="snowflake"))
    assert first < second
    runs.inside.clock.time += 24 * HOUR

    again = await runs.ask(table(MART, two, {SOURCE: T0}, first - 3, house="snowflake"))

    assert isinstance(again.decision, Build), "its epoch falls to the first build, which had other logic"


# compare_unrendered_code


async def test_another_node_of_the_same_template_is_another_node(runs: Runs) -> None:
    """`where kind = '{{ model.name }}'` in two models that swap their aliases: an alias is in no hash."""
    sql = "select id from raw.orders where kind = '{}'"
    login = table(MART, sql.format("login"), {SOURCE: T0}, unique_id="model.shop.login", compare_unrendered_code=True)
    own = await runs.build(login)
    logout = table(
        MART, sql.format("logout"), {SOURCE: T0}, own, unique_id="model.shop.logout", compare_unrendered_code=True
    )

    assert isinstance((await runs.ask(logout)).decision, Build)


async def test_a_test_of_a_source_in_another_target_is_rendered_otherwise(inside: Inside, runs: Runs) -> None:
    """`{% if target.name == 'dev' %} limit 10 {% endif %}`: a source's test has one key in all targets."""

    def run(sql: str, target_name: str) -> Submission:
        submission = table(
            MART, sql, {SOURCE: T0}, unique_id="test.shop.t", target_name=target_name, compare_unrendered_code=True
        )
        node = replace(submission.node, resource_type="test")
        assert isinstance(submission.code, Code)
        return replace(
            submission,
            key=TargetKey("ns", f"test:test.shop.t {SOURCE}"),
            relation=None,
            execution_type=ExecutionType.DBT_DATA_TEST,
            node=node,
            code=replace(submission.code, target=None),
        )

    whole = f"select count(*) as failures from {SOURCE}"
    in_dev = await runs.ask(run(f"select count(*) as failures from (select * from {SOURCE} where id < 10) x", "dev"))
    passed = DataTestResults(failures=0, should_warn=False, should_error=False)
    await inside.confirm(runs.caller(), in_dev.ticket, Outcome(None, results=passed, runtime_ms=5))

    assert isinstance((await runs.ask(run(whole, "prod"))).decision, Build)


@pytest.mark.parametrize(("in_dev", "is_built"), [("dev", True), ("prod", False)], ids=["other text", "the same text"])
async def test_a_pre_clone_stands_for_its_own_text_alone(runs: Runs, in_dev: str, *, is_built: bool) -> None:
    """`select '{{ target.name }}' as env`: the copy holds production's."""
    comparing: dict[str, Any] = {
        "execution_type": ExecutionType.MERGE,
        "unique_id": "model.shop.mart",
        "compare_unrendered_code": True,
    }
    sql = "select id, '{}' as env from raw.orders"
    at = await runs.build(table(MART, sql.format("prod"), {SOURCE: T0}, **comparing))
    built = table(DEV_MART, sql.format(in_dev), {SOURCE: T0}, target_name="dev", **comparing)
    copy = await runs.pre_clone(copy_order(MART, DEV_MART, built, at))

    decided = await runs.ask(replace(built, own_epoch=copy))
    assert isinstance(decided.decision, Build if is_built else Skip)


async def test_a_build_upon_a_pre_clone_is_other_logic_for_its_readers(runs: Runs) -> None:
    """Their lag tolerance hides no rows that another dbt target has made of the same template."""
    comparing: dict[str, Any] = {
        "execution_type": ExecutionType.MERGE,
        "unique_id": "model.shop.mart",
        "compare_unrendered_code": True,
    }
    reader, sql = Relation('"shop"."dev"."reader"'), "select id, '{}' as env from raw.orders"
    at = await runs.build(table(MART, sql.format("prod"), {SOURCE: T0}, **comparing))
    built = table(DEV_MART, sql.format("dev"), {SOURCE: T0}, target_name="dev", **comparing)
    copy = await runs.pre_clone(copy_order(MART, DEV_MART, built, at))
    own = await runs.build(table(reader, f"select env from {DEV_MART}", {DEV_MART: copy}))
    again = await runs.build(replace(built, own_epoch=copy))

    patient = table(reader, f"select env from {DEV_MART}", {DEV_MART: again}, own, lag_tolerance_seconds=86_400)
    assert isinstance((await runs.ask(patient)).decision, Build)


async def test_a_full_refresh_of_an_incremental_with_a_strategy_of_its_own_is_honoured(runs: Runs) -> None:
    """Such strategies are sent as DBT_CUSTOM."""
    later = table(
        MART,
        f"select id from {SOURCE} where id > 5",
        {SOURCE: T0},
        execution_type=ExecutionType.DBT_CUSTOM,
        compare_unrendered_code=True,
    )
    own = await runs.build(later)
    refresh = table(MART, f"select id from {SOURCE}", {SOURCE: T0}, own, compare_unrendered_code=True)

    assert isinstance((await runs.ask(refresh)).decision, Build)


# Views under a `*`


def view(own: int | None) -> Submission:
    name = Relation('"shop"."prod"."v"')
    return table(name, f"select * from {PROD}", {}, own, house="snowflake", execution_type=ExecutionType.VIEW)


NARROW, WIDE = f"select id from {SOURCE}", f"select id, price from {SOURCE}"


def parent(sql: str, own: int | None, orders: int = T0) -> Submission:
    return table(PROD, sql, {SOURCE: orders}, own, house="snowflake")


async def test_a_view_that_was_made_while_its_parent_was_another_has_other_columns(runs: Runs) -> None:
    """Decision 11, for views: WIDE, the view is asked about, NARROW, the view is made, WIDE again."""
    wide = await runs.build(parent(WIDE, None))
    made = await runs.ask(view(None))
    narrow = await runs.build(parent(NARROW, wide))
    own = await runs.confirm(made)
    await runs.build(parent(WIDE, narrow))

    assert isinstance((await runs.ask(view(own))).decision, Build), "the view has the narrow parent's columns"


async def test_a_star_is_not_trusted_on_a_table_of_which_it_is_not_known_who_wrote_it(runs: Runs) -> None:
    """T9 of the parent: the wide and the narrow build overlapped, and the wide one wrote last."""
    first = await runs.build(parent(NARROW, None))
    own = await runs.build(view(None))
    one, other = await runs.ask(parent(NARROW, first, T0 + 1)), await runs.ask(parent(WIDE, first, T0 + 1))
    await runs.confirm(other)
    await runs.confirm(one)

    assert isinstance((await runs.ask(view(own))).decision, Build)


# What falls off the end


async def test_the_last_build_is_not_dropped_for_its_low_stamp(runs: Runs) -> None:
    """Eight builds were stamped by a clock that ran ahead; the ninth, with other logic, by one that did not."""
    sql = f"select id from {SOURCE}"
    for number in range(8):
        answer = await runs.ask(table(MART, sql, {SOURCE: T0 + number}, T0 + number, house="snowflake"))
        assert isinstance(answer.decision, Build)
        runs.inside.clock.time += MINUTE
        ahead = runs.inside.clock.time + HOUR
        await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(ahead))
    true = await runs.build(table(MART, f"{sql} where id > 7", {SOURCE: T0 + 7}, T0, house="snowflake"))

    again = await runs.ask(table(MART, sql, {SOURCE: T0 + 7}, true - 5, house="snowflake"))

    assert isinstance(again.decision, Build), "the table holds what the other logic made"


# Copies that are older than an invalidation


async def forget(runs: Runs, relation: Relation) -> None:
    async for account in runs.inside.ledger.accounts("default"):
        if account.target.name == relation:
            runs.inside.clock.time += MINUTE
            await runs.inside.ledger.forget(account, at=runs.inside.clock.time)


async def test_a_pre_clone_does_not_bring_back_what_was_invalidated(inside: Inside, runs: Runs) -> None:
    """I5: it builds next, and is not cloned. The client's `pre_clone: always` copies production before it asks."""
    sql = f"select id from {SOURCE} where f(id)"
    merge: dict[str, Any] = {"execution_type": ExecutionType.MERGE}
    prod = await runs.build(table(PROD, sql, {SOURCE: T0}, **merge))
    dev = await runs.build(table(DEV, sql, {SOURCE: T0}, **merge))
    await forget(runs, DEV)
    order = CloneOrder(
        TargetKey("ns", DEV), dialect_named("postgres"), PROD, DEV, ExecutionType.MERGE, SUBMISSION.node, prod
    )
    copied = await runs.pre_clone(order)
    assert copied > dev

    assert isinstance((await runs.ask(table(DEV, sql, {SOURCE: T0}, copied, **merge))).decision, Build)


async def test_what_was_built_after_an_invalidation_is_not_replaced_by_a_copy_from_before(runs: Runs) -> None:
    """Invalidated, built anew, then the table is dropped: the copy of production is that of before."""
    sql = f"select f(id) as id from {SOURCE}"
    dev: dict[str, Any] = {"target_name": "dev", "clone_terms": CloneTerms(into_defer_target=False)}
    own = await runs.build(table(DEV, sql, {SOURCE: T0}, **dev))
    await runs.build(table(PROD, sql, {SOURCE: T0}))
    await forget(runs, DEV)
    await runs.build(table(DEV, sql, {SOURCE: T0}, own, **dev))

    assert isinstance((await runs.ask(table(DEV, sql, {SOURCE: T0}, None, **dev))).decision, Build)


# A forgotten table is ours still


async def test_lag_tolerance_does_not_hide_an_unconfirmed_build_of_what_was_forgotten(runs: Runs) -> None:
    """F3: an upstream table that holds what is on no record may not wait. Once forgotten it is taken for a source."""
    first = await runs.build(table(PROD, f"select id from {SOURCE}", {SOURCE: T0}))
    await forget(runs, PROD)
    own = await runs.build(table(MART, f"select id from {PROD}", {PROD: first}))
    lost = await runs.ask(table(PROD, OTHER_LOGIC, {SOURCE: T0}, first))
    assert isinstance(lost.decision, Build)
    runs.inside.clock.time += MINUTE
    second = runs.inside.clock.time  # written, never confirmed

    again = await runs.ask(table(MART, f"select id from {PROD}", {PROD: second}, own, lag_tolerance_seconds=2700))

    assert isinstance(again.decision, Build)


# A seed whose epoch could not be read


async def test_a_seed_whose_epoch_is_not_known_was_not_surely_loaded_into_a_new_table(runs: Runs) -> None:
    """On Snowflake an absent epoch means missing, no access, or that the whole look at the metadata failed."""

    def seed(values: str, own: int | None) -> Submission:
        submission = table(PROD, "", {}, own, house="snowflake", execution_type=ExecutionType.VALUES)
        return replace(submission, code=SeedValues(dialect_named("snowflake"), values))

    first = await runs.build(seed("two", None))
    own = await runs.build(table(MART, f"select * from {PROD}", {PROD: first}, house="snowflake"))
    second = await runs.build(seed("one", first))  # with --full-refresh: the columns of this file
    third = await runs.build(seed("two", None))  # metadata failed: filled into the columns of the other file
    assert first < second < third

    again = await runs.ask(table(MART, f"select * from {PROD}", {PROD: third - 1}, own, house="snowflake"))

    assert isinstance(again.decision, Build)


# Snapshots of clients that send no configuration's hash


async def test_a_snapshot_whose_configuration_nobody_tells_is_built(runs: Runs) -> None:
    """L12: strategy, hard_deletes and the like are in no extra; clients up to 2.22 send no hash either."""
    asks: dict[str, Any] = {"execution_type": ExecutionType.SNAPSHOT, "hashes": NodeHashes()}
    own = await runs.build(table(MART, f"select id from {SOURCE}", {SOURCE: T0}, **asks))

    assert isinstance(
        (await runs.ask(table(MART, f"select id from {SOURCE}", {SOURCE: T0}, own, **asks))).decision, Build
    )


# Needless builds


async def test_write_only_builds_a_day_apart_did_not_overlap(runs: Runs) -> None:
    """A build is expected to take a day at most (LONGEST_BUILD_MS); on a stamped clock nightly records never prove anything."""
    sql = f"select id from {SOURCE}"
    at = 0
    for night in range(3):
        runs.inside.clock.time += 25 * HOUR
        at = runs.inside.clock.time
        record = Recorded(table(MART, sql, {SOURCE: T0 + night}, house="snowflake"), Outcome(at, runtime_ms=0))
        await runs.inside.record(runs.caller(), [record])

    again = await runs.ask(table(MART, sql, {SOURCE: T0 + 2}, at - 5, house="snowflake"))

    assert isinstance(again.decision, Skip), again.decision.description


@pytest.mark.parametrize(("heard_of", "expected"), [(True, Skip), (False, Build)])
async def test_write_only_builds_of_runs_that_followed_each_other_did_not_overlap(
    runs: Runs, heard_of: bool, expected: type
) -> None:
    """A run asks whether its client is served before it builds anything; a server that has not heard that knows nothing."""
    at = 0
    for session in ("first", "second"):
        runs.inside.clock.time += HOUR
        if heard_of:
            runs.inside.sessions.begin(session, at=runs.inside.clock.time)
        runs.inside.clock.time += MINUTE
        at = runs.inside.clock.time
        record = Recorded(table(MART, f"select '{session}' as run", {}, house="snowflake"), Outcome(at, runtime_ms=0))
        await runs.inside.record(replace(runs.caller(), session_id=session), [record])

    again = await runs.ask(table(MART, "select 'second' as run", {}, at - 5, house="snowflake"))

    assert isinstance(again.decision, expected), again.decision.description


async def test_write_only_builds_of_runs_at_the_same_time_may_have_overlapped(runs: Runs) -> None:
    for session in ("first", "second"):
        runs.inside.sessions.begin(session, at=runs.inside.clock.time)
    for session in ("first", "second"):
        runs.inside.clock.time += MINUTE
        at = runs.inside.clock.time
        record = Recorded(table(MART, f"select '{session}' as run", {}, house="snowflake"), Outcome(at, runtime_ms=0))
        await runs.inside.record(replace(runs.caller(), session_id=session), [record])
    again = await runs.ask(table(MART, "select 'second' as run", {}, at - 5, house="snowflake"))
    assert isinstance(again.decision, Build)


async def test_on_a_stamped_clock_a_pre_clone_of_a_parent_has_the_name_that_its_reader_recorded(
    inside: Inside, runs: Runs
) -> None:
    """I2, F2: in the run that built the parent its reader was told the stamp, later runs are told the true, smaller epoch."""
    sf: dict[str, Any] = {"house": "snowflake"}
    merge = {**sf, "execution_type": ExecutionType.MERGE}
    dev: dict[str, Any] = {"target_name": "dev", "clone_terms": CloneTerms(into_defer_target=False)}
    stamp = await runs.build(table(PROD, f"select id from {SOURCE}", {SOURCE: T0}, **merge))
    await runs.build(table(MART, f"select id from {PROD}", {PROD: stamp}, **sf))
    true = stamp - 700
    order = CloneOrder(
        TargetKey("ns", DEV), dialect_named("snowflake"), PROD, DEV, ExecutionType.MERGE, SUBMISSION.node, true
    )
    copied = await runs.pre_clone(order)

    answer = await runs.ask(table(DEV_MART, f"select id from {DEV}", {DEV: copied}, **sf, **dev))

    assert isinstance(answer.decision, Clone), answer.decision.explanation
