"""What stands in a FROM without a report of its changes (rule F3)."""

from __future__ import annotations

import pytest

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import FingerprintKind
from dbt_state_oss.domain.sql.fingerprinting import fallback_fingerprint, fingerprint
from dbt_state_oss.domain.submission import Code, ViewDefinition

UNSEEN = [
    ("snowflake", "select $1 from @raw.stage/day"),
    ("snowflake", "select * from table(information_schema.query_history())"),
    ("snowflake", "select * from table(my.rows(1))"),
    ("snowflake", "select * from identifier(concat('s.', 'orders'))"),
    ("snowflake", "select * from identifier($name)"),
    ("snowflake", "select * from table('raw.orders')"),
    ("snowflake", "select * from table($name) t"),
    ("snowflake", "select * from t, table(raw.orders)"),
    ("snowflake", "select * from $name"),
    ("postgres", "select * from dblink('dbname=other', 'select 1') as t(a int)"),
    ("postgres", "select * from my_rows(1)"),
    ("postgres", "select * from my.generate_series(1, 2) g"),
    ("postgres", "select * from t, lateral my_rows(t.a) r"),
    ("postgres", "select a from t join u on t.a in (u.b, u.c), my_rows(1) r where f(a)"),
    ("postgres", "select * from (t cross join my_rows(1))"),
    ("postgres", 'select * from (select a from my."rows" (1)) r'),
    ("bigquery", "select * from my-project.d.my_rows(1)"),
    ("bigquery", "select * from external_query('connection', 'select 1')"),
    ("databricks", "select * from read_files('s3://bucket/day')"),
    *[
        ("postgres", f"select * from {name}('x')")
        for name in ("flatten", "sequence", "week", "range", "explode", "upper")
    ],
    ("postgres", 'select * from "week"(1)'),
    ("postgres", 'select * from "Generate_Series"(1, 2)'),
    ("snowflake", 'select * from table("flatten"(1))'),
    ("postgres", "select u.a from s.u cross join lateral week(u.a) w"),
    ("redshift", "select * from jsonb_each('{}')"),
    ("snowflake", "select * from table(week(1))"),
    ("snowflake", "select * from table(range(1, 2))"),
    ("bigquery", "select * from explode(1)"),
    ("databricks", "select * from sequence(1, 2)"),
    ("databricks", "select * from unnest(x)"),
    ("postgres", "select query_to_xml('select 1 from s.t', true, true, '') as x"),
    ("postgres", "select pg_catalog.table_to_xml('s.t', true, true, '') as x"),
    ("postgres", "select ts_rewrite(q, 'select a, b from s.t') as q from s.u"),
    ("postgres", "select null::s.t as x"),
    ("postgres", 'select jsonb_populate_record(null::"db"."s"."t", j) from s.u'),
    ("postgres", "select cast(array[1] as s.t[]) as x"),
    *[(name, "select a from orders") for name in ("postgres", "redshift", "snowflake", "bigquery", "databricks")],
    ("postgres", "with c as (select a from orders) select * from c"),
    ("postgres", "with orders as (select a from orders) select * from orders"),
    ("postgres", 'select a from s.t join "Orders" using (a)'),
    ("postgres", "select a from s.t, orders o where a in (1, 2)"),
    ("postgres", "select a from s.t where exists (select 1 from orders where extract(day from d) = 1)"),
]
UNSEEN_IN_TEXT = [
    ("snowflake", "select * from '@raw.stage/day'"),
    ("postgres", "select * from rows from (generate_series(1, 2), my_rows(3)) r"),
    ("databricks", "select * from parquet.`s3://bucket/Day`"),
    ("nosuch", "select * from t cross apply my_rows(t.a)"),
    ("postgres", "merge into t using my_rows(1) r on true"),
    ("redshift", "select cast(null as s.t) as x"),
    ("databricks", "select x::s.t from s.u"),
]
"""Of these the parser makes no query; or it does, and the client reports a table without an epoch."""
MADE_OF_ARGUMENTS = [
    ("snowflake", "select * from table(flatten(input => parse_json('[]')))"),
    ("snowflake", "select * from s.t, lateral flatten(input => t.a) f"),
    ("snowflake", "select * from table(generator(rowcount => 3))"),
    ("postgres", "select * from generate_series(1, 3) g"),
    ("postgres", "select * from unnest(array[1, 2]) u"),
    ("postgres", "select * from jsonb_to_recordset('[]') as r(a int)"),
    ("postgres", "select * from (values (1)) v(a)"),
    ("bigquery", "select * from s.t, unnest(t.a)"),
    ("databricks", "select * from range(10)"),
    ("databricks", "select * from s.t lateral view explode(b) x as y"),
    ("redshift", "select * from s.t, t.items i"),
    (
        "postgres",
        "select f(a), g(b, h(c)) from (select 1) t, (s.u join s.v using (a)) where f(a) in (1, g(2)) group by a, f(b)",
    ),
    ("postgres", "select a is distinct from 'x', trim(both 'x' from b) from s.t as u (a, b) order by a, f(b)"),
    ("postgres", "with c (a) as (select 1 union select f(b)) select * from c -- , my_rows(1)"),
    ("bigquery", "select * from my-project.d.t"),
    ("bigquery", "select * from `my-project.d.t`"),
    ("postgres", "select a::int, b::numeric(8, 1), c::pg_catalog.int4, d::mood, cast(e as text) from s.t as u"),
    ("postgres", "with c as (select 1 as a), d (b) as materialized (select a from c) select * from d join c on a = b"),
    ("postgres", "with recursive c as (select 1 as a union all select a + 1 from c) select extract(day from d) from c"),
    ("postgres", 'select "a"."b" as "c.d" from "s"."t" as "a"'),
    ("postgres", "select * from json_table('[]', '$[*]' columns (a int)) y"),
    ("postgres", "select * from xmltable('/a' passing '<a/>' columns a int) y"),
    ("snowflake", "select * from db..t"),
    ("postgres", "select * from string_to_table('a,b', ',') x, regexp_matches('a', 'b') y, jsonb_each('{}') z"),
]
ARRAYS_OR_TABLES = [
    "select 1 from stripe.stripe, stripe.orders",
    "select 1 from stripe.stripe join stripe.orders using (id)",
    "select 1 from stripe.stripe natural join Stripe.orders o",
    "with db as (select 1 as a) select 1 from db cross join db.prod.orders",
    "with public as (select 1 as a) select 1 from public, public.orders",
]
"""An alias has the name of a schema or a database; parser and client take the second table for an array of the first."""
ARRAYS = [
    "select 1 from db.s.orders o, o.items i",
    "select 1 from stripe.stripe, unnest(stripe.items) i",
    "select 1 from stripe.stripe join stripe.orders on true",
]
QUOTED = [
    ("redshift", 'select 1 from raw.users as stripe cross join "stripe"."public"."orders"'),
    ("bigquery", "select 1 from raw.users as stripe cross join `stripe`.`public`.`orders`"),
]


@pytest.mark.parametrize(("warehouse", "sql"), QUOTED)
def test_a_path_that_is_quoted_as_dbt_quotes_a_relation_may_be_a_table(warehouse: str, sql: str) -> None:
    assert fingerprint(Code(dialect_named(warehouse), sql, "db", "public")).unseen_sources


@pytest.mark.parametrize("warehouse", ["bigquery", "redshift"])
@pytest.mark.parametrize("sql", ARRAYS_OR_TABLES)
def test_what_may_be_an_array_or_a_table_is_told(warehouse: str, sql: str) -> None:
    made = fingerprint(Code(dialect_named(warehouse), sql, "db", "public"))

    assert made.kind is FingerprintKind.PARSED
    assert made.unseen_sources


@pytest.mark.parametrize("warehouse", ["bigquery", "redshift"])
@pytest.mark.parametrize("sql", ARRAYS)
def test_what_can_only_be_one_of_them_is_not(warehouse: str, sql: str) -> None:
    made = fingerprint(Code(dialect_named(warehouse), sql, "db", "public"))

    assert made.kind is FingerprintKind.PARSED
    assert not made.unseen_sources


@pytest.mark.parametrize(("warehouse", "sql"), UNSEEN)
def test_it_is_told(warehouse: str, sql: str) -> None:
    made = fingerprint(Code(dialect_named(warehouse), sql, "db", "public"))

    assert made.kind is FingerprintKind.PARSED
    assert made.unseen_sources


@pytest.mark.parametrize(("warehouse", "sql"), MADE_OF_ARGUMENTS)
def test_rows_made_of_arguments_need_no_report(warehouse: str, sql: str) -> None:
    made = fingerprint(Code(dialect_named(warehouse), sql, "db", "public"))

    assert made.kind is FingerprintKind.PARSED
    assert not made.unseen_sources


@pytest.mark.parametrize(("warehouse", "sql"), [*UNSEEN, *UNSEEN_IN_TEXT])
def test_it_is_told_by_words_where_nothing_is_parsed(warehouse: str, sql: str) -> None:
    made = fallback_fingerprint(Code(dialect_named(warehouse), sql, "db", "public"))

    assert made.kind is FingerprintKind.TEXT
    assert made.unseen_sources


@pytest.mark.parametrize(("warehouse", "sql"), MADE_OF_ARGUMENTS)
def test_rows_made_of_arguments_are_told_by_words_too(warehouse: str, sql: str) -> None:
    made = fallback_fingerprint(Code(dialect_named(warehouse), sql, "db", "public"))

    assert made.kind is FingerprintKind.TEXT
    assert not made.unseen_sources


def test_where_not_even_words_are_sure_anything_may_be_read() -> None:
    made = fingerprint(Code(dialect_named("nosuch"), "select a from t where b = 'x\\'", "db", "public"))

    assert made.kind is FingerprintKind.BYTES
    assert made.unseen_sources


def test_it_is_told_through_a_view() -> None:
    view = ViewDefinition(Relation('"db"."s"."v"'), "select * from my_rows(1)", "db", "public")
    asked = Code(dialect_named("postgres"), "select * from db.s.v", "db", "public", views=(view,))
    made = fingerprint(asked)

    assert made.unseen_sources == ("my_rows",)
    assert fallback_fingerprint(asked).unseen_sources == ("my_rows",)


@pytest.mark.parametrize("warehouse", ["postgres", "redshift"])
def test_a_name_without_a_schema_in_a_view_is_in_the_default_one(warehouse: str) -> None:
    """The warehouse writes a view's definition from its parsed form, and leaves out what is on the search path alone."""
    dialect = dialect_named(warehouse)
    view = ViewDefinition(dialect.relation("db.s.v"), "select a from orders", "db", "public")
    asked = Code(dialect, "select * from db.s.v", "db", "public", views=(view,))
    made = fingerprint(asked)

    assert [leaf for slot in made.slots for leaf in slot.leaves] == ['"db"."public"."orders"']
    assert not made.unseen_sources
    assert not fallback_fingerprint(asked).unseen_sources


def test_elsewhere_such_a_name_in_a_view_is_as_its_author_wrote_it() -> None:
    dialect = dialect_named("databricks")
    view = ViewDefinition(dialect.relation("db.s.v"), "select a from orders", "db", "public")
    asked = Code(dialect, "select * from db.s.v", "db", "public", views=(view,))

    assert fingerprint(asked).unseen_sources
    assert fallback_fingerprint(asked).unseen_sources


def test_a_type_of_the_name_of_a_table_that_is_read_may_be_its_rows() -> None:
    asked = Code(dialect_named("postgres"), "select jsonb_populate_record(null::t, j) as x from s.t", "db", "public")

    assert fingerprint(asked).unseen_sources == ("the type t",)


def test_a_function_that_may_read_a_table_by_its_name_or_not_is_told_by_its_arguments() -> None:
    asked = Code(dialect_named("postgres"), "select ts_rewrite(q, 'a', 'b') as q from s.u", "db", "public")

    assert not fingerprint(asked).unseen_sources
    assert fallback_fingerprint(asked).unseen_sources
