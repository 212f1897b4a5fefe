"""SQL that runs beside a query (rule L16): what may read a table, and what follows from it."""

from __future__ import annotations

import json

import pytest
from tests.domain.building import CASE, T0, asked

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.draft import draft_execution
from dbt_state_oss.domain.sql.fingerprint import Volatility
from dbt_state_oss.domain.sql.side_sql import (
    asks_session_beside_its_query,
    reads_beside_its_query,
    volatility_beside_its_query,
)

POSTGRES = dialect_named("postgres")
READS = {
    "a subquery": ("sql_header", "set x = (\nselect max(a) from raw.rates);"),
    "the body of a function": ("sql_header", "create function f() returns int language sql as 'select 1 from s.t';"),
    "a procedure": ("sql_header", "call my_procedure();"),
    "a table": ("sql_header", "create temp table x as table raw.rates;"),
    "a text that is run": ("sql_header", "execute immediate x"),
    "a predicate": ("incremental_predicates", ["a > 1", "id > (SELECT max(id) from raw.rates)"]),
    "a predicate without SELECT": ("incremental_predicates", ["id in (table raw.rates)"]),
    "a pipe": ("predicates", ["exists ( from raw.rates |> limit 1)"]),
    "a function that reads what a text names": ("incremental_predicates", ["x = query_to_xml(q, true, true, '')"]),
    "rows of a dynamic table": ("immutable_where", "id in (select id from s.t)"),
    "a key": ("unique_key", ["(select 1 from s.t)"]),
    "a value in an object": ("partition_by", {"field": "(select 1 from s.t)"}),
    "another database": ("sql_header", "use database other;"),
    "a comment in the way": ("incremental_predicates", ["id in (/* all */ table raw.rates)"]),
    "a quoted function that reads what a text names": (
        "incremental_predicates",
        ["x = \"query_to_xml\" (q, true, true, '')"],
    ),
    "what is too long to be looked at": ("incremental_predicates", ["a" * 200_000]),
}
READS_NOTHING = {
    "a setting": ("sql_header", "set timezone = 'UTC'; alter session set week_start = 1;"),
    "a function of its arguments": ("sql_header", "create temp function f(x int64) as (x * 2);"),
    "a condition": ("incremental_predicates", ["DBT_INTERNAL_DEST.day > '2024-01-01'", "extract(day from d) = 1"]),
    "a name with the word": ("unique_key", "selected_from"),
    "a column named like a function that reads": ("unique_key", ["dblink_id", "crosstab_id"]),
    "another extra": ("grants", {"select": ["reporter"]}),
    "nothing": ("sql_header", ""),
    "null": ("sql_header", None),
}


@pytest.mark.parametrize("name", READS)
def test_it_may_read_a_table(name: str) -> None:
    key, value = READS[name]
    assert reads_beside_its_query({key: json.dumps(value)}, POSTGRES) == key


@pytest.mark.parametrize("name", READS_NOTHING)
def test_it_reads_nothing(name: str) -> None:
    key, value = READS_NOTHING[name]
    assert reads_beside_its_query({key: json.dumps(value)}, POSTGRES) is None


def test_what_is_no_json_is_read_as_it_is() -> None:
    assert reads_beside_its_query({"sql_header": "select 1 from s.t"}, POSTGRES) == "sql_header"
    assert reads_beside_its_query({"sql_header": ""}, POSTGRES) is None


def test_its_volatility_is_told() -> None:
    assert volatility_beside_its_query({"sql_header": '"set x = now();"'}, POSTGRES) is Volatility.VOLATILE
    assert volatility_beside_its_query({"predicates": '["d > current_date"]'}, POSTGRES) is Volatility.DAILY
    assert volatility_beside_its_query({"grants": '"now()"'}, POSTGRES) is Volatility.STABLE
    assert volatility_beside_its_query({"unique_key": '["user", "now"]'}, POSTGRES) is Volatility.STABLE


def test_it_may_tell_of_the_session() -> None:
    assert asks_session_beside_its_query({"sql_header": '"set x = current_user"'}, POSTGRES)
    assert not asks_session_beside_its_query({"sql_header": '"set x = 1"'}, POSTGRES)


@pytest.mark.parametrize(
    ("header", "has_identity"),
    [("set x = 1;", True), ("set x = (select 1 from s.t);", False), ("set x = now();", False)],
)
def test_the_content_that_depends_on_it_has_no_identity(header: str, has_identity: bool) -> None:
    case = asked(CASE, extras={"sql_header": json.dumps(header)}, own_epoch=T0)
    drafted = draft_execution(case, execution_id="ns.t.x1", decided_at=T0)
    assert (drafted.data_identity is not None) is has_identity
