"""Which SQL may give other rows on the same data (rule L9)."""

from __future__ import annotations

import pytest
from tests.domain.coding import code, made

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.sql.fingerprint import FingerprintKind, Volatility
from dbt_state_oss.domain.sql.fingerprinting import fallback_fingerprint

VOLATILE = [
    ("postgres", "select xmin(a) from s.t"),
    ("postgres", "select now() from s.t"),
    ("postgres", "select NOW ( ) from s.t"),
    ("postgres", "select now()::date from s.t"),
    ("postgres", "select pg_catalog.now() from s.t"),
    ("postgres", 'select "now"() from s.t'),
    ("postgres", "select current_timestamp from s.t"),
    ("postgres", "select localtime from s.t"),
    ("postgres", "select clock_timestamp() from s.t"),
    ("postgres", "select 'now'::timestamp from s.t"),
    ("postgres", "select gen_random_uuid() from s.t"),
    ("postgres", "select nextval('q') from s.t"),
    ("postgres", "select txid_current() from s.t"),
    ("postgres", "select a from s.t where owner = current_user"),
    ("postgres", "select a from s.t order by random() limit 1"),
    ("postgres", "with c as (select random() as r) select r from c"),
    ("postgres", "select a from s.t tablesample system (10)"),
    ("postgres", "select current_date, now() from s.t"),
    ("postgres", "select ctid from s.t"),
    ("postgres", "select t.xmin from s.t"),
    ("postgres", 'select t."tableoid"::regclass from s.t'),
    ("postgres", "select array_shuffle(a) from s.t"),
    ("postgres", "select array_sample(a, 1) from s.t"),
    ("postgres", "select pgp_sym_encrypt(a, 'k') from s.t"),
    ("postgres", "select table_to_xml_and_xmlschema('s.u', true, false, '') from s.t"),
    ("postgres", "select pg_get_viewdef('s.v') from s.t"),
    ("redshift", "select oid from s.t"),
    ("redshift", "select sysdate from s.t"),
    ("redshift", "select getdate() from s.t"),
    ("snowflake", "select sysdate() from s.t"),
    ("snowflake", "select uuid_string() from s.t"),
    ("snowflake", "select q.nextval from s.t"),
    ("snowflake", "select a from s.t sample (10)"),
    ("snowflake", "select current_role() from s.t"),
    ("snowflake", "select $cut_off from s.t"),
    ("snowflake", "select snowflake.cortex.complete('m', a) from s.t"),
    ("snowflake", "select snowflake.cortex.translate(a, 'de', 'en') from s.t"),
    ("snowflake", "select embed_text_768('m', a) from s.t"),
    ("snowflake", "select get_ddl('table', 's.u') from s.t"),
    ("snowflake", "select system$last_change_commit_time('s.u') from s.t"),
    ("snowflake", "select metadata$row_id from s.t"),
    ("bigquery", "select @@project_id from s.t"),
    ("bigquery", "select ai.score(a) from s.t"),
    ("bigquery", "select generate_uuid() from s.t"),
    ("bigquery", "select current_datetime from s.t"),
    ("bigquery", "select session_user() from s.t"),
    ("databricks", "select uuid() from s.t"),
    ("databricks", "select rand() from s.t"),
    ("databricks", "select current_timestamp from s.t"),
    ("databricks", "select _metadata.file_name from s.t"),
]
DAILY = [
    ("postgres", "select current_date from s.t"),
    ("postgres", "select CURRENT_DATE - 1 from s.t"),
    ("postgres", "select age(a) from s.t"),
    ("postgres", "select 'yesterday'::date from s.t"),
    ("redshift", "select current_date from s.t"),
    ("snowflake", "select current_date() from s.t"),
    ("bigquery", "select current_date('UTC') from s.t"),
    ("databricks", "select curdate() from s.t"),
]
STABLE = [
    ("postgres", "select a from s.t where b = 'random()' -- now()"),
    ("postgres", "select x.user, x.version from s.t as x"),
    ("postgres", "select a as now, b as random from s.t"),
    ("postgres", "select my_function(a) from s.t"),
    ("postgres", "select a from s.t tablesample system (10) repeatable (1)"),
    ("postgres", "select a from s.t limit 10"),
    ("postgres", "select st_xmin(a) as xmin from s.t"),
    ("postgres", "select xmin(a + 1) from s.t"),
    ("snowflake", "select random, user from s.t"),
    ("snowflake", "select $1, t.$2 from s.t"),
    ("snowflake", "select translate(a, 'x', 'y'), system$typeof(b) from s.t"),
    ("bigquery", "select @cut_off from s.t"),
    ("snowflake", "select a from s.t sample (10) seed (1)"),
    ("bigquery", "select user, rand from s.t"),
    ("databricks", "select uuid from s.t"),
]
CASES = [
    *((dialect, sql, Volatility.VOLATILE) for dialect, sql in VOLATILE),
    *((dialect, sql, Volatility.DAILY) for dialect, sql in DAILY),
    *((dialect, sql, Volatility.STABLE) for dialect, sql in STABLE),
]


@pytest.mark.parametrize(("dialect", "sql", "expected"), CASES)
def test_the_volatility_of_parsed_sql(dialect: str, sql: str, expected: Volatility) -> None:
    found = made(sql, dialect)

    assert found.kind is FingerprintKind.PARSED
    assert found.volatility is expected


@pytest.mark.parametrize(("dialect", "sql", "expected"), [case for case in CASES if case[2] is not Volatility.STABLE])
def test_text_is_never_taken_for_more_stable_than_parsed_sql(dialect: str, sql: str, expected: Volatility) -> None:
    order = list(Volatility)
    found = fallback_fingerprint(code(sql, dialect)).volatility

    assert order.index(found) >= order.index(expected)


def test_a_view_makes_its_reader_as_volatile_as_itself() -> None:
    views = {"db.s.v": "select current_date as d from s.w", "db.s.w": "select 1 as a from raw.t"}
    query = "select 1 from s.v"

    assert made(query, views=views).volatility is Volatility.DAILY
    assert made(query, views=views | {"db.s.w": "select now() as a"}).volatility is Volatility.VOLATILE
    assert fallback_fingerprint(code(query, views=views)).volatility is Volatility.DAILY


@pytest.mark.parametrize(
    ("warehouse", "sql", "expected"),
    [
        ("postgres", "select current_schema() from s.t", True),
        ("postgres", "select current_user from s.t", True),
        ("postgres", 'select "current_user" from s.t', False),
        ("postgres", "select t.current_user from s.t", False),
        ("postgres", "select now() from s.t", False),
        ("postgres", "selec broken current_schema()", True),
        ("postgres", "selec broken now()", False),
        ("snowflake", "select current_role() from s.t", True),
        ("snowflake", "select $1, a from s.t where b = $cut_off", True),
        ("snowflake", "selec broken $cut_off", True),
        ("snowflake", "select $1 from s.t", False),
        ("bigquery", "select @@time_zone from s.t", True),
        ("bigquery", "select session_user() from s.t", True),
        ("databricks", "select current_catalog() from s.t", True),
        ("redshift", "select current_user_id from s.t", True),
    ],
)
def test_it_is_told_whether_a_query_tells_of_its_session(warehouse: str, sql: str, expected: bool) -> None:
    assert made(sql, warehouse).asks_session is expected


def test_a_view_may_tell_of_the_session_too() -> None:
    assert made("select * from s.v", views={"db.s.v": "select current_user as who from s.t"}).asks_session


@pytest.mark.parametrize("warehouse", ["postgres", "redshift", "snowflake", "bigquery", "databricks"])
def test_what_tells_of_a_session_is_volatile_too(warehouse: str) -> None:
    dialect = dialect_named(warehouse)
    others = dialect.session_functions - dialect.volatile_functions - dialect.volatile_types
    assert all(map(dialect.has_volatile_prefix, others))
    assert dialect.session_functions


@pytest.mark.parametrize(
    ("warehouse", "sql", "expected"),
    [
        ("snowflake", "select * from table(generator(timelimit => 1)) g", Volatility.VOLATILE),
        ("snowflake", "select * from table(generator(rowcount => 1)) g", Volatility.STABLE),
        ("snowflake", 'select "timelimit", t.timelimit from s.t', Volatility.STABLE),
        ("bigquery", "select with differential_privacy options(epsilon=1) sum(a) as n from s.t", Volatility.VOLATILE),
        ("bigquery", "select differential_privacy, t.differential_privacy from s.t", Volatility.VOLATILE),
        ("databricks", "select cast('10:00' as timestamp) as x from s.t", Volatility.DAILY),
        ("databricks", "select to_timestamp('T9:30:15') as x from s.t frobnicate 1 2", Volatility.DAILY),
        ("databricks", "select cast('2024-01-01 10:00' as timestamp) as x, '1:' as y from s.t", Volatility.STABLE),
        ("postgres", "select cast('10:00' as time) as x from s.t", Volatility.STABLE),
        ("postgres", "select get_current_ts_config() as x from s.t", Volatility.VOLATILE),
    ],
)
def test_clauses_and_literals_may_be_volatile(warehouse: str, sql: str, expected: Volatility) -> None:
    assert made(sql, warehouse).volatility is expected


@pytest.mark.parametrize("warehouse", ["postgres", "redshift"])
@pytest.mark.parametrize("value", ["'x'::regclass::text", "cast('x' as regproc)", "pg_table_is_visible(1)"])
def test_what_the_search_path_decides_tells_of_the_session(warehouse: str, value: str) -> None:
    assert made(f"select {value} as x from s.t", warehouse).asks_session


@pytest.mark.parametrize("value", ["to_regclass('x')", "get_current_ts_config()", "pg_my_temp_schema()"])
def test_so_does_a_function_that_looks_names_up(value: str) -> None:
    assert made(f"select {value} as x from s.t").asks_session
