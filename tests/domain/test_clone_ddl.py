"""The SQL that copies tables (rule C6): as data for every warehouse, read back by a parser, and run on PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NotRequired, TypedDict

import psycopg2
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from tests.e2e.postgres import Database, PostgresServer

from dbt_state_oss.domain.clone_ddl import clone_statements, sql_name
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation

WAREHOUSES = ["postgres", "redshift", "snowflake", "bigquery", "databricks"]


class Case(TypedDict):
    name: str
    dialect: str
    source: str
    target: str
    table_type: NotRequired[str]
    hours_to_expiration: NotRequired[int]
    partition_expiration_days: NotRequired[int]
    epoch: NotRequired[int]
    past: NotRequired[bool]
    statements: list[str] | None


CASES: list[Case] = json.loads((Path(__file__).parent / "cases" / "clone_ddl.json").read_text(encoding="utf-8"))
GRANTED = [case for case in CASES if case["statements"]]


def named(case: Case) -> tuple[Relation, Relation]:
    dialect = dialect_named(case["dialect"])
    return dialect.relation(case["source"]), dialect.relation(case["target"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_table_is_copied_as_the_case_says(case: Case) -> None:
    statements = clone_statements(
        dialect_named(case["dialect"]),
        *named(case),
        table_type=case.get("table_type"),
        hours_to_expiration=case.get("hours_to_expiration"),
        partition_expiration_days=case.get("partition_expiration_days"),
        epoch=case.get("epoch"),
        past=case.get("past", False),
    )

    assert (None if statements is None else list(statements)) == case["statements"]


def test_every_warehouse_has_cases_and_every_case_a_name_of_its_own() -> None:
    assert {case["dialect"] for case in GRANTED} == set(WAREHOUSES)
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", GRANTED, ids=lambda case: case["name"])
def test_a_parser_reads_the_very_tables_out_of_the_statements(case: Case) -> None:
    trees = [tree for statement in case["statements"] or () for tree in read_back(statement, case["dialect"])]
    tables = [table for tree in trees for table in tree.find_all(exp.Table)]
    defined = {cte.alias for tree in trees for cte in tree.find_all(exp.CTE)}
    names = [".".join(part.name for part in table.parts) for table in tables if table.name not in defined]
    source, target = (name[1:-1].replace('"."', ".").replace('""', '"') for name in named(case))

    assert not [tree for tree in trees if isinstance(tree, exp.Command)]
    assert (names[0], names[-1], set(names)) == (target, source, {source, target})


def read_back(statement: str, dialect: str) -> list[exp.Expr]:
    """The statement's trees; the clauses that the parser knows only elsewhere are read apart from the rest.

    Of a block that looks whether a table can be emptied, what replaces the table is read.
    """
    statement = re.sub(r"DO (\$\w+\$)\n.*?\n  ELSE\n(.*?)\n  END IF;\n.*?\1;\n", r"\2\n", statement, flags=re.DOTALL)
    statement = statement.removesuffix(" COPY GRANTS").replace("REPLACE ICEBERG TABLE", "REPLACE TABLE")
    statement, separator, options = statement.partition(" OPTIONS ")
    if separator:
        assert sqlglot.parse_one(f"CREATE TABLE x (y INT64) OPTIONS {options}", dialect=dialect).find(exp.Property)
    statement, separator, moment = statement.partition(" FOR SYSTEM_TIME AS OF ")
    if separator:
        past = sqlglot.parse_one(f"SELECT * FROM x FOR SYSTEM_TIME AS OF {moment}", dialect=dialect)
        assert past.find(exp.Version)
    return [tree for tree in sqlglot.parse(statement, dialect=dialect) if tree is not None]


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@given(parts=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=3, max_size=3))
def test_no_character_of_a_name_ends_its_quotes(warehouse: str, parts: list[str]) -> None:
    dialect = dialect_named(warehouse)
    relation = dialect.relation(".".join('"' + part.replace('"', '""') + '"' for part in parts))
    text = sql_name(dialect, relation)
    assert text is not None

    tokens = sqlglot.tokenize(text, dialect=warehouse)

    assert len(tokens) == 5
    assert relation == ".".join('"' + tokens[place].text.replace('"', '""') + '"' for place in (0, 2, 4))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    server = PostgresServer()
    try:
        yield server.create_database('odd "shop"')
    finally:
        server.stop()


ODD_SCHEMA, ODD_TABLE = '"pr.od"', '"say ""hi""; drop table x -- {target}"'


@pytest.fixture
def odd_table(database: Database) -> str:
    """A table with odd names, an index, a default, a constraint and two rows, to be cloned into the schema `dev`."""
    table = f"{ODD_SCHEMA}.{ODD_TABLE}"
    database.sql(f"drop schema if exists {ODD_SCHEMA} cascade; drop schema if exists dev cascade")
    database.sql(f"create schema {ODD_SCHEMA}; create schema dev")
    database.sql(f"create table {table} (id int primary key, \"Nöte\" text default 'none' check (\"Nöte\" <> ''))")
    database.sql(f"create index by_note on {table} (\"Nöte\"); insert into {table} values (1, 'a'), (2, null)")
    return table


def cloned(database: Database, epoch: int | None = None, *, made_by_its_load: bool = False) -> tuple[str, ...]:
    dialect = dialect_named("postgres")
    source = dialect.relation(f'"odd ""shop""".{ODD_SCHEMA}.{ODD_TABLE}')
    target = dialect.relation(f'"odd ""shop""".dev.{ODD_TABLE}')
    statements = clone_statements(dialect, source, target, epoch=epoch, made_by_its_load=made_by_its_load)
    assert statements is not None
    for statement in statements:
        database.sql(statement)
    return statements


def test_postgres_copies_rows_indexes_defaults_and_constraints(database: Database, odd_table: str) -> None:
    cloned(database)

    copy = f"dev.{ODD_TABLE}"
    assert database.sql(f"select * from {copy} order by id") == [(1, "a"), (2, None)]
    assert database.sql("select count(*) from pg_indexes where schemaname = 'dev'") == [(2,)]
    assert database.sql(f'insert into {copy} values (3) returning "Nöte"') == [("none",)]
    with pytest.raises(psycopg2.errors.CheckViolation):
        database.sql(f"insert into {copy} values (4, '')")
    assert len(database.sql(f"select * from {odd_table}")) == 2


def test_postgres_replaces_the_table_that_was_there(database: Database, odd_table: str) -> None:
    database.sql(f"create table dev.{ODD_TABLE} (other text)")

    for _ in range(2):
        cloned(database)

    assert len(database.sql(f"select id from dev.{ODD_TABLE}")) == 2


COPY = f"dev.{ODD_TABLE}"
STRANGE: dict[str, str] = {
    "other columns": "drop table {0} cascade; create table {0} as select 7 as id; create view dev.reader as select id from {0}",
    "another column": "alter table {0} add more int",
    "another type": "drop view dev.reader; alter table {0} alter id type bigint; create view dev.reader as select id from {0}",
    "another default": "alter table {0} alter \"Nöte\" set default 'some'",
    "another index": "create index on {0} (id)",
    "no index": "drop index dev.{1}",
    "another constraint": "alter table {0} add check (id > 0)",
    "a trigger": "create trigger halt before insert on {0} for each row execute function suppress_redundant_updates_trigger()",
    "a rule": "create rule more as on insert to {0} do also notify x",
    "row level security": "alter table {0} enable row level security",
    "storage options": "alter table {0} set (fillfactor = 50)",
    "an owner of its own": "create role other; alter table {0} owner to other",
    "a child": "create table dev.child () inherits ({0})",
    "a table that refers to it": "create table dev.child (id int references {0})",
    "a materialized view on the view": "create materialized view dev.kept as select * from dev.reader",
    "no logging": "alter table {0} set unlogged",
}


@pytest.fixture
def viewed(database: Database, odd_table: str) -> Iterator[str]:
    """The odd table's copy in `dev`, with a view on it and another row."""
    cloned(database)
    database.sql(f"create view dev.reader as select id from {COPY}; insert into {COPY} values (7)")
    yield COPY
    database.sql("drop schema dev cascade; drop role if exists other")


def test_postgres_empties_and_fills_a_table_that_a_view_stands_on(database: Database, viewed: str) -> None:
    ((before,),) = database.sql("select cast(%s as regclass)::oid", viewed)
    ((epoch,),) = database.sql(EPOCH)
    for at in (None, epoch):
        cloned(database, at)
        assert database.sql("select id from dev.reader order by id") == [(1,), (2,)]
    assert database.sql("select cast(%s as regclass)::oid", viewed) == [(before,)]
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
        cloned(database, epoch + 1)
    assert database.sql("select id from dev.reader order by id") == [(1,), (2,)]


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE)
def test_postgres_replaces_no_table_that_a_view_stands_on_and_a_build_would_leave_otherwise(
    database: Database, viewed: str, change: str
) -> None:
    ((index,),) = database.sql("select indexname from pg_indexes where schemaname = 'dev' and indexname !~ 'pkey'")
    database.sql(change.format(viewed, '"' + index.replace('"', '""') + '"'))
    rows = database.sql("select id from dev.reader order by id")
    with pytest.raises(psycopg2.errors.DependentObjectsStillExist):
        cloned(database)
    assert database.sql("select id from dev.reader order by id") == rows


def test_postgres_leaves_the_old_table_where_the_copy_fails(database: Database, odd_table: str) -> None:
    database.sql(f"create table dev.{ODD_TABLE} as select 7 as id")
    database.sql(f"drop table {odd_table}")

    with pytest.raises(psycopg2.errors.UndefinedTable):
        cloned(database)

    assert database.sql(f"select id from dev.{ODD_TABLE}") == [(7,)]


EPOCH = f"""
    select cast(extract(epoch from pg_xact_commit_timestamp(t.xmin)) * 1000 as bigint)
    from {ODD_SCHEMA}.{ODD_TABLE} as t order by 1 desc nulls last limit 1
"""
"""How the client asks for a table's epoch."""


def test_postgres_copies_what_stands_at_its_epoch(database: Database, odd_table: str) -> None:
    ((epoch,),) = database.sql(EPOCH)
    cloned(database, epoch)
    assert database.sql(f"select * from dev.{ODD_TABLE} order by id") == [(1, "a"), (2, None)]


@pytest.mark.parametrize("offset", [-1, 1], ids=["newest rows deleted", "written to"])
def test_postgres_copies_nothing_else(database: Database, odd_table: str, offset: int) -> None:
    database.sql(f"create table dev.{ODD_TABLE} as select 7 as id")
    ((epoch,),) = database.sql(EPOCH)
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation, match="no longer what was recorded"):
        cloned(database, epoch + offset)
    assert database.sql(f"select id from dev.{ODD_TABLE}") == [(7,)]


def test_postgres_copies_no_empty_table_that_had_rows(database: Database, odd_table: str) -> None:
    ((epoch,),) = database.sql(EPOCH)
    database.sql(f"delete from {odd_table}")
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
        cloned(database, epoch)


def test_postgres_copies_a_seed_whose_load_made_its_table(database: Database, odd_table: str) -> None:
    database.sql(
        f"begin; drop table {odd_table}; create table {odd_table} (id int); insert into {odd_table} values (1), (2); commit"
    )
    database.sql(f"analyze {odd_table}")
    ((epoch,),) = database.sql(EPOCH)
    cloned(database, epoch, made_by_its_load=True)
    assert database.sql(f"select id from dev.{ODD_TABLE} order by id") == [(1,), (2,)]


@pytest.mark.parametrize(
    "change", ["", "truncate {0}; insert into {0} values (1, 'a')", "alter table {0} alter id type bigint"]
)
def test_postgres_copies_no_seed_that_was_loaded_into_a_table_of_before(
    database: Database, odd_table: str, change: str
) -> None:
    if change:
        database.sql(change.format(odd_table))
    ((epoch,),) = database.sql(EPOCH)
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation, match="columns of an earlier load"):
        cloned(database, epoch, made_by_its_load=True)
