"""What stands in a FROM without a report of its changes (rule F3)."""

from __future__ import annotations

import pytest

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.fingerprint import FingerprintKind
from dbt_state_oss.domain.fingerprinting import fallback_fingerprint, fingerprint
from dbt_state_oss.domain.relation import Relation
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
]
UNSEEN_IN_TEXT = [
    ("snowflake", "select * from '@raw.stage/day'"),
    ("postgres", "select * from rows from (generate_series(1, 2), my_rows(3)) r"),
    ("databricks", "select * from parquet.`s3://bucket/Day`"),
    ("nosuch", "select * from t cross apply my_rows(t.a)"),
    ("postgres", "merge into t using my_rows(1) r on true"),
]
"""Of these the parser makes no query; or it does, and the client reports a table without an epoch."""
MADE_OF_ARGUMENTS = [
    ("snowflake", "select * from table(flatten(input => parse_json('[]')))"),
    ("snowflake", "select * from t, lateral flatten(input => t.a) f"),
    ("snowflake", "select * from table(generator(rowcount => 3))"),
    ("postgres", "select * from generate_series(1, 3) g"),
    ("postgres", "select * from unnest(array[1, 2]) u"),
    ("postgres", "select * from jsonb_to_recordset('[]') as r(a int)"),
    ("postgres", "select * from (values (1)) v(a)"),
    ("bigquery", "select * from t, unnest(t.a)"),
    ("databricks", "select * from range(10)"),
    ("databricks", "select * from t lateral view explode(b) x as y"),
    ("redshift", "select * from t, t.items i"),
    (
        "postgres",
        "select f(a), g(b, h(c)) from (select 1) t, (u join v using (a)) where f(a) in (1, g(2)) group by a, f(b)",
    ),
    ("postgres", "select a is distinct from 'x', trim(both 'x' from b) from t as u (a, b) order by a, f(b)"),
    ("postgres", "with c (a) as (select 1 union select f(b)) select * from c -- , my_rows(1)"),
    ("bigquery", "select * from my-project.d.t"),
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
