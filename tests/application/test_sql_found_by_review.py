"""Wrong reuse that reviewers of the SQL rules have found, from the submission to the decision."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs, assert_built, table
from tests.domain.building import HOUR, T0

from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Skip
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Submission

UNPARSED = "json_query(j, '$' returning text) as j"
"""Valid on PostgreSQL 17 and later; sqlglot 30.30 does not parse it, so the query is compared as text."""

DEEP = "(" * 120 + "1" + ")" * 120
"""Every warehouse takes it, and the server compares the query as text: it is nested more than 100 levels deep."""


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


@pytest.mark.parametrize(
    "sql",
    [
        "with logged as (insert into raw.log (x) select 1) select id from raw.orders",
        "with gone as (delete from raw.orders where done) select id from raw.orders",
        "with gone as (update raw.counter set n = n + 1) select id from raw.orders",
        "with logged as (with src as (select 1 as x) insert into raw.log (x) select x from src returning x) "
        "select id from raw.orders",
        "with gone as (with x as (select true as done) delete from raw.orders where done) select id from raw.orders",
        "with gone as (with x as (select 1 as a) update only counter set n = n + 1) select id from raw.orders",
        "with gone as (with x as (select 1 as a) merge into raw.c as c using x on true when matched then delete) "
        "select id from raw.orders",
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
        ("databricks", "select id, input_file_name() as f from shop.prod.middle"),
        ("databricks", "select id, spark_partition_id() as f from shop.prod.middle"),
        ("redshift", "select id, slice_num() as f from shop.prod.middle"),
        ("postgres", "select id, 'prod.middle'::regclass::oid::bigint as s from shop.prod.middle"),
        ("postgres", "select id, pg_relation_size('prod.middle') as s from shop.prod.middle"),
        ("postgres", "select xmin(o)::text as x from shop.prod.middle as o"),
        ("postgres", "select ctid(o)::text as x from shop.prod.middle as o"),
        ("postgres", "select tableoid(o)::text as x from shop.prod.middle as o"),
        ("clickhouse", "select id, _block_number from shop.prod.middle"),
        ("sqlite", "select id, _rowid_ from shop.prod.middle"),
        ("hive", "select id, input__file__name from shop.prod.middle"),
    ],
)
async def test_how_a_rebuilt_table_is_stored_is_not_its_content(runs: Runs, house: str, sql: str) -> None:
    assert_built(await cut_off(runs, sql, house))


@pytest.mark.parametrize(
    "literal",
    [
        "'today 10:00 America/Argentina/Buenos_Aires'::timestamptz",
        "'tomorrow 00:00 America/Indiana/Indianapolis'::timestamptz",
        "'( -infinity, today ]'::daterange",
        "'{ infinity, today, tomorrow }'::date[]",
        "'[ -infinity, now ]'::tsrange",
        "'today at 9:00 am UTC'::timestamptz",
        "'today at 10:00 pm Europe/Berlin'::timestamptz",
        "'at on today'::date",
        "'thu today allballs'::timestamp",
        "'[on today, infinity)'::daterange",
        "'[EST today,)'::tstzrange",
        "'{on today}'::date[]",
        "'to'\n'day'::date",
        "U&'tod\\0061y'::date",
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
        f"select {DEEP} as n, x.* from raw.orders, json_to_record(j) as x (o raw.kinds)",
    ],
)
async def test_a_row_type_that_only_words_show(runs: Runs, sql: str) -> None:
    assert_built(await again(runs, mart(sql)))


@pytest.mark.parametrize("sign", ["@@", "<@"])
@pytest.mark.parametrize("quote", ["$$", "$q$"])
async def test_a_literal_after_an_operator_is_no_comment(runs: Runs, sign: str, quote: str) -> None:
    sql = f"select {DEEP} as n, v {sign}{quote}x -- y{quote} as c\n from raw.orders"
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


async def test_a_moment_in_json_that_a_row_is_made_of(runs: Runs) -> None:
    sql = """select x.* from raw.orders, jsonb_to_record('{"ts": "now", "note": "a few more words"}') as x (ts timestamp)"""
    assert_built(await again(runs, mart(sql, tolerate_nondeterminism=False)))


@pytest.mark.parametrize(
    ("house", "header"),
    [
        (
            "bigquery",
            "create temp function f(x string) returns string language js "
            'options (library=["gs://b/lib.js"]) as "return g(x)";',
        ),
        (
            "snowflake",
            "create or replace temporary function f(x int) returns int language python runtime_version='3.10' "
            "imports=('@shop.raw.code/f.py') handler='f.run';",
        ),
        ("databricks", "create temporary function f as 'com.x.F' using jar 's3://b/f.jar';"),
    ],
)
async def test_a_function_of_a_header_whose_code_is_in_a_file(runs: Runs, house: str, header: str) -> None:
    ask = mart("select f(id) as x from shop.raw.orders", house, extras={"sql_header": json.dumps(header)})
    assert_built(await again(runs, ask))


@pytest.mark.parametrize("house", ["snowflake", "sqlite"])
async def test_the_text_that_names_a_column_in_unparsed_sql(runs: Runs, house: str) -> None:
    sql = f"with a as (select {DEEP} as n, max({{}}) from shop.raw.orders) select * from a"
    own = await runs.build(mart(sql.format(" id "), house))
    assert_built(await runs.ask(replace(mart(sql.format("id"), house), own_epoch=own)))


async def test_a_comment_in_the_text_that_names_a_column(runs: Runs) -> None:
    sql = "select max(id /* {} */) from shop.raw.orders"
    own = await runs.build(mart(sql.format("x"), "sqlite"))
    assert_built(await runs.ask(replace(mart(sql.format("y"), "sqlite"), own_epoch=own)))


@pytest.mark.parametrize("past", ["offset => -60", "stream => 's.changes'"])
async def test_time_travel_in_unparsed_sql(runs: Runs, past: str) -> None:
    sql = f"select {DEEP} as n, id from shop.raw.orders at({past})"
    assert_built(await again(runs, mart(sql, "snowflake", tolerate_nondeterminism=False)))


async def test_today_in_another_zone_in_unparsed_sql(runs: Runs) -> None:
    runs.inside.clock.time = 1_764_600_600_000  # 14:50 UTC; midnight in Tokyo is at 15:00 UTC
    sql = f"select {DEEP} as n, current_date('Asia/Tokyo') as d from shop.raw.orders"
    assert_built(await again(runs, mart(sql, "bigquery", tolerate_nondeterminism=False), later=HOUR))


@pytest.mark.parametrize("house", ["clickhouse", "sqlite"])
async def test_a_table_after_in_in_unparsed_sql(runs: Runs, house: str) -> None:
    assert_built(await again(runs, mart(f"select {DEEP} as n, a from shop.raw.orders where a in raw.ids", house)))


async def test_a_table_after_in_in_a_predicate(runs: Runs) -> None:
    extras = {"incremental_predicates": json.dumps(["id in raw.ids"])}
    assert_built(await again(runs, mart("select id from shop.raw.orders", "clickhouse", extras=extras)))


async def test_a_table_function_after_in(runs: Runs) -> None:
    assert_built(await again(runs, mart("select a from shop.raw.orders where a in raw.f(1)", "sqlite")))


@pytest.mark.parametrize("column", ["zone", "partition", "set", "view", "at", "values", "filter"])
async def test_a_row_type_of_a_column_with_the_name_of_a_word(runs: Runs, column: str) -> None:
    sql = f"select {UNPARSED}, x.* from raw.orders, json_to_record(k) as x ({column} raw.kinds)"
    assert_built(await again(runs, mart(sql)))


async def test_a_row_type_without_its_schema_in_unparsed_sql(runs: Runs) -> None:
    assert_built(await again(runs, mart(f"select {UNPARSED}, (null::orders).* from raw.orders")))


@pytest.mark.parametrize(
    ("house", "sql"),
    [
        ("starrocks", "select /*+ SET_USER_VARIABLE(@a = {}) */ a from shop.raw.orders where a = @a"),
        ("tidb", "select a from shop.raw.orders /*T! where a > {} */"),
        ("tidb", "select a from shop.raw.orders /*T![feature] where a > {} */"),
        ("mysql", "select /*+ INDEX(t *) SET_VAR(sql_select_limit = {}) */ a from shop.raw.orders"),
    ],
)
async def test_other_comments_that_are_run(runs: Runs, house: str, sql: str) -> None:
    own = await runs.build(mart(sql.format(1), house))
    assert_built(await runs.ask(replace(mart(sql.format(2), house), own_epoch=own)))


async def test_a_comment_that_is_carried_over_on_spark(runs: Runs) -> None:
    sql = "select id -- the key {}\n, amount\nfrom shop.raw.orders"
    own = await runs.build(mart(sql.format("\\"), "spark"))
    assert_built(await runs.ask(replace(mart(sql.format(""), "spark"), own_epoch=own)))


@pytest.mark.parametrize(
    "sql",
    [
        'select id, U&"\\0078min"::text as x from raw.orders',
        'select id, U&"r\\0061ndom"() as x from raw.orders',
        "select id, U&\"qu\\0065ry_to_xml\"('table raw.x', true, true, '') as x from raw.orders",
    ],
)
async def test_an_escaped_name(runs: Runs, sql: str) -> None:
    assert_built(await again(runs, mart(sql, tolerate_nondeterminism=False)))


@pytest.mark.parametrize(
    ("house", "header"),
    [
        ("bigquery", 'create temp function f(x string) returns string language js as r"""\n return x.trim();\n""";'),
        (
            "snowflake",
            "create or replace temporary function f(x string) returns string language javascript as "
            "$$ return X.trim(); $$;",
        ),
    ],
)
async def test_a_function_whose_body_has_a_semicolon(runs: Runs, house: str, header: str) -> None:
    ask = mart("select f(id) as x from shop.raw.orders", house, extras={"sql_header": json.dumps(header)})
    assert isinstance((await again(runs, ask)).decision, Skip)
