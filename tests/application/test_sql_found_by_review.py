"""Wrong reuse that reviewers of the SQL rules have found, from the submission to the decision."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs, table
from tests.domain.building import HOUR, T0

from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, Submission

UNPARSED = "json_query(j, '$' returning text) as j"
"""Valid on PostgreSQL 17 and later; sqlglot 30.30 does not parse it, so the query is compared as text."""


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


def of(house: str, *parts: str) -> Relation:
    return Relation(".".join(f'"{each.upper() if house == "snowflake" else each}"' for each in ("shop", *parts)))


def mart(sql: str, house: str = "postgres", **changes: Any) -> Submission:
    return table(of(house, "prod", "mart"), sql, {of(house, "raw", "orders"): T0}, house=house, **changes)


async def again(runs: Runs, ask: Submission, *, later: int = 0, **changes: Any) -> Answer:
    """The same question after its build, `later` and with `changes`."""
    own = await runs.build(ask)
    runs.inside.clock.time += later
    return await runs.ask(replace(ask, own_epoch=own, **changes))


async def cut_off(runs: Runs, sql: str, house: str) -> Answer:
    """The parent is seen unchanged after the child's build, and then built again of the same logic and data (rule F2)."""
    middle = of(house, "prod", "middle")
    parent = table(middle, "select id from shop.raw.orders", {of(house, "raw", "orders"): T0}, house=house)
    child = table(of(house, "prod", "mart"), sql, {middle: await runs.build(parent)}, house=house)
    own = await runs.build(child)
    await runs.ask(replace(child, own_epoch=own))
    return await runs.ask(replace(child, inputs={middle: await runs.build(parent)}, own_epoch=own))


def assert_built(answer: Answer) -> None:
    assert isinstance(answer.decision, Build), answer.decision.description


@pytest.mark.parametrize(
    "sql",
    [
        "with logged as (insert into raw.log (x) select 1) select id from raw.orders",
        "with gone as (delete from raw.orders where done) select id from raw.orders",
        "with gone as (update raw.counter set n = n + 1) select id from raw.orders",
    ],
)
@pytest.mark.parametrize("tolerant", [True, False])
async def test_a_query_that_writes(runs: Runs, sql: str, tolerant: bool) -> None:
    assert_built(await again(runs, mart(sql, tolerate_nondeterminism=tolerant)))


@pytest.mark.parametrize(
    "header",
    [
        "refresh materialized view concurrently raw.orders;",
        "create function pg_temp.f() returns int language sql as $$ update raw.c set n = n + 1 returning n $$;",
        "truncate raw.orders;",
    ],
)
async def test_a_header_that_reads_or_writes_in_other_words(runs: Runs, header: str) -> None:
    assert_built(await again(runs, mart("select id from raw.orders", extras={"sql_header": json.dumps(header)})))


@pytest.mark.parametrize(
    ("house", "sql"),
    [
        ("snowflake", "select id, metadata$row_last_commit_time as loaded from shop.prod.middle"),
        ("snowflake", "select id from shop.prod.middle sample bernoulli (10) seed (7)"),
        ("postgres", "select id from shop.prod.middle tablesample bernoulli (10) repeatable (7)"),
        ("databricks", "select id from shop.prod.middle tablesample (10 percent) repeatable (7)"),
        ("athena", 'select id, "$path" as path from shop.prod.middle'),
        ("trino", 'select id, "$file_modified_time" as loaded from shop.prod.middle'),
        ("postgres", "select id, ctid::text as place from shop.prod.middle"),
    ],
)
async def test_how_a_rebuilt_table_is_stored_is_not_its_content(runs: Runs, house: str, sql: str) -> None:
    assert_built(await cut_off(runs, sql, house))


@pytest.mark.parametrize("house", ["snowflake", "bigquery"])
async def test_a_view_over_a_column_that_has_another_type(runs: Runs, house: str) -> None:
    source, middle = of(house, "raw", "orders"), of(house, "prod", "middle")
    first = await runs.build(table(middle, "select id from shop.raw.orders", {source: T0}, house=house))
    view = table(
        of(house, "prod", "v"),
        "select id from shop.prod.middle",
        {middle: first},
        house=house,
        execution_type=ExecutionType.VIEW,
    )
    own = await runs.build(view)
    other = "select cast(id as string) as id from shop.raw.orders"
    second = await runs.build(table(middle, other, {source: T0}, first, house=house))
    assert_built(await runs.ask(replace(view, inputs={middle: second}, own_epoch=own)))


@pytest.mark.parametrize(
    "literal",
    [
        "'today 10:00 America/Argentina/Buenos_Aires'::timestamptz",
        "'tomorrow 00:00 America/Indiana/Indianapolis'::timestamptz",
        "'( -infinity, today ]'::daterange",
        "'{ infinity, today, tomorrow }'::date[]",
        "'[ -infinity, now ]'::tsrange",
    ],
)
async def test_a_moment_in_many_words_is_a_moment(runs: Runs, literal: str) -> None:
    ask = mart(f"select {literal} as x from raw.orders", tolerate_nondeterminism=False)
    assert_built(await again(runs, ask, later=24 * HOUR))


@pytest.mark.parametrize(
    ("house", "call"),
    [
        ("snowflake", "to_file('@shop.raw.images', 'a.png')"),
        ("snowflake", "try_to_file('@shop.raw.images', 'a.png')"),
        ("snowflake", "fl_get_etag(to_file('@shop.raw.images', 'a.png'))"),
        ("snowflake", "ai_parse_document(to_file('@shop.raw.images', 'a.pdf'))"),
        ("snowflake", "snowflake.cortex.parse_document(@shop.raw.images, 'a.pdf')"),
        ("bigquery", "obj.fetch_metadata(obj.make_ref('gs://b/a.png', 'us.c'))"),
    ],
)
async def test_a_file_that_a_text_names_is_in_no_request(runs: Runs, house: str, call: str) -> None:
    assert_built(await again(runs, mart(f"select id, {call} as x from shop.raw.orders", house)))


@pytest.mark.parametrize(
    ("house", "call"),
    [
        ("bigquery", "obj.get_read_url(r)"),
        ("redshift", "last_user_query_id()"),
        ("redshift", "get_mounted_role()"),
    ],
)
async def test_volatile_functions_that_no_list_has(runs: Runs, house: str, call: str) -> None:
    ask = mart(f"select id, {call} as x from shop.raw.orders", house, tolerate_nondeterminism=False)
    assert_built(await again(runs, ask))


async def test_the_name_of_the_relation_is_in_the_name_of_a_column(runs: Runs) -> None:
    """Snowflake: the parent moves to another schema and is built there of the same logic and data."""
    source, old, new = (of("snowflake", *n) for n in (("raw", "orders"), ("a", "middle"), ("b", "middle")))
    target = of("snowflake", "prod", "mart")
    made_of = "select id from shop.raw.orders"
    sql = "select max(shop.{0}.middle.id) from shop.{0}.middle"
    first = await runs.build(table(old, made_of, {source: T0}, house="snowflake"))
    own = await runs.build(table(target, sql.format("a"), {old: first}, house="snowflake"))
    await runs.ask(table(target, sql.format("a"), {old: first}, own, house="snowflake"))
    second = await runs.build(table(new, made_of, {source: T0}, house="snowflake"))
    assert_built(await runs.ask(table(target, sql.format("b"), {new: second}, own, house="snowflake")))


@pytest.mark.parametrize(
    "sql",
    [
        "select (raw.kinds '(1,2)').*, id from raw.orders",
        "select to_json(json_query(j, '$' returning raw.kinds)) as x from raw.orders",
        "select x.* from raw.orders, json_table(j, '$[*]' columns (o raw.kinds path '$.o')) as x",
        f"select {'(' * 120}1{')' * 120} as n, x.* from raw.orders, json_to_record(j) as x (o raw.kinds)",
    ],
)
async def test_a_row_type_that_only_words_show(runs: Runs, sql: str) -> None:
    assert_built(await again(runs, mart(sql)))


@pytest.mark.parametrize("sign", ["@@", "<@"])
@pytest.mark.parametrize("quote", ["$$", "$q$"])
async def test_a_literal_after_an_operator_is_no_comment(runs: Runs, sign: str, quote: str) -> None:
    sql = f"select {'(' * 120}1{')' * 120} as n, v {sign}{quote}x -- y{quote} as c\n from raw.orders"
    own = await runs.build(mart(sql))
    assert_built(await runs.ask(replace(mart(sql.replace("-- y", "-- z")), own_epoch=own)))


@pytest.mark.parametrize(
    "sub",
    [
        "with events as (select 1 as a) select a from events",
        "select sum(a) over events as a from raw.orders window events as (order by a)",
    ],
)
async def test_a_name_of_a_subquery_means_nothing_outside_of_it(runs: Runs, sub: str) -> None:
    assert_built(await again(runs, mart(f"select {UNPARSED} from raw.orders, ({sub}) as x, events")))


@pytest.mark.parametrize("gap", [" . ", "/**/./**/"])
async def test_its_own_table_with_a_gap_in_its_name(runs: Runs, gap: str) -> None:
    sql = f'select {UNPARSED} from raw.orders union all select j || \'x\' from "prod"{gap}"mart"'
    assert_built(await again(runs, mart(sql)))


@pytest.mark.parametrize(
    "sql",
    [
        "from shop.raw.orders |> call shop.tvf(1)",
        "from shop.raw.orders |> where a > 1 |> call shop.tvf(1) as x |> select a",
    ],
)
async def test_a_table_function_after_a_pipe(runs: Runs, sql: str) -> None:
    assert_built(await again(runs, mart(sql, "bigquery")))


@pytest.mark.parametrize("house", ["mysql", "mariadb", "tidb", "starrocks", "doris", "singlestore"])
@pytest.mark.parametrize("comment", ["/*!50000 where a > {} */", "/*+ SET_VAR(sql_select_limit = {}) */"])
async def test_a_comment_that_is_run(runs: Runs, house: str, comment: str) -> None:
    sql = "select a from shop.raw.orders " + comment
    if "SET_VAR" in comment:
        sql = f"select {comment} a from shop.raw.orders"
    own = await runs.build(mart(sql.format(1), house))
    assert_built(await runs.ask(replace(mart(sql.format(2), house), own_epoch=own)))


@pytest.mark.parametrize("house", ["clickhouse", "sqlite"])
async def test_a_table_after_in(runs: Runs, house: str) -> None:
    assert_built(await again(runs, mart("select a from shop.raw.orders where a in raw.ids", house)))
