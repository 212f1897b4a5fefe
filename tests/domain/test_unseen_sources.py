"""What stands in a FROM without a report of its changes (rule F3)."""

from __future__ import annotations

import pytest

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.fingerprint import FingerprintKind
from dbt_state_oss.domain.fingerprinting import fingerprint
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, ViewDefinition

UNSEEN = [
    ("snowflake", "select $1 from @raw.stage/day"),
    ("snowflake", "select * from table(information_schema.query_history())"),
    ("snowflake", "select * from table(my.rows(1))"),
    ("postgres", "select * from dblink('dbname=other', 'select 1') as t(a int)"),
    ("postgres", "select * from my_rows(1)"),
    ("postgres", "select * from my.generate_series(1, 2) g"),
    ("postgres", "select * from t, lateral my_rows(t.a) r"),
    ("bigquery", "select * from external_query('connection', 'select 1')"),
    ("databricks", "select * from read_files('s3://bucket/day')"),
]
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
]


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


def test_it_is_told_through_a_view() -> None:
    view = ViewDefinition(Relation('"db"."s"."v"'), "select * from my_rows(1)", "db", "public")
    made = fingerprint(Code(dialect_named("postgres"), "select * from db.s.v", "db", "public", views=(view,)))

    assert made.unseen_sources == ("my_rows",)
