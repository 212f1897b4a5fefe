"""Warehouses by the wire's name, and their case rules held against those of the parser that clients use."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from tests.domain.coding import made

from dbt_state_oss.domain.dialects import CaseRule, EpochClock, dialect_named
from dbt_state_oss.domain.sql.fingerprint import Volatility

WAREHOUSES = ["postgres", "redshift", "snowflake", "bigquery", "databricks"]
CASE_SENSITIVE_REDSHIFT = "redshift, normalization_strategy = lowercase"


@pytest.mark.parametrize("name", WAREHOUSES)
def test_each_warehouse_is_known_by_its_name_in_any_letter_case(name: str) -> None:
    assert dialect_named(name.upper()) is dialect_named(f" {name} ")
    assert dialect_named(name).name == dialect_named(name).sqlglot == name


def test_a_redshift_with_case_sensitive_identifiers_keeps_quoted_names() -> None:
    dialect = dialect_named(CASE_SENSITIVE_REDSHIFT)

    assert (dialect.name, dialect.sqlglot) == ("redshift", CASE_SENSITIVE_REDSHIFT)
    assert (dialect.unquoted_case, dialect.quoted_case) == (CaseRule.LOWER, CaseRule.PRESERVE)
    assert dialect_named("redshift").quoted_case is CaseRule.LOWER


@pytest.mark.parametrize(
    "name", ["", "nosuch", "postgres, no_such_setting = 1", "redshift, normalization_strategy = x"]
)
def test_a_dialect_that_the_parser_lacks_is_conservative(name: str) -> None:
    dialect = dialect_named(name)

    assert dialect.sqlglot is None
    assert dialect.unquoted_case is dialect.quoted_case is CaseRule.PRESERVE
    assert dialect.clock is EpochClock.EXACT


def test_a_dialect_that_only_the_parser_knows_is_parsed_but_names_keep_their_case() -> None:
    dialect = dialect_named("trino")

    assert dialect.sqlglot == "trino"
    assert dialect.relation("A.B") == '"A"."B"'


def test_clocks_are_stamped_where_the_client_runs_one_of_its_own() -> None:
    stamped = {name for name in WAREHOUSES if dialect_named(name).clock is EpochClock.STAMPED}

    assert stamped == {"redshift", "snowflake"}


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_name_is_refused(name: str) -> None:
    assert dialect_named(name) == dialect_named(name)


@pytest.mark.parametrize("wire_name", [*WAREHOUSES, CASE_SENSITIVE_REDSHIFT])
@settings(deadline=None)
@given(name=st.text(min_size=1, max_size=20).filter(lambda name: not set(name) & set('"`.')), quoted=st.booleans())
def test_names_get_the_case_that_the_parser_gives_them(wire_name: str, name: str, quoted: bool) -> None:
    dialect = dialect_named(wire_name)
    parser = SqlglotDialect.get_or_raise(dialect.sqlglot)
    table = exp.Table(this=exp.to_identifier(name, quoted=quoted), db=exp.to_identifier("s", quoted=True))

    normalized = parser.normalize_identifier(table.this).name

    assert dialect.folded(name, dialect.quoted_case if quoted else dialect.unquoted_case) == normalized


@pytest.mark.parametrize("name", WAREHOUSES)
def test_functions_are_listed_in_lower_case_and_once(name: str) -> None:
    dialect = dialect_named(name)
    listed = dialect.date_functions | dialect.volatile_functions

    assert all(function == function.lower() for function in listed)
    assert not dialect.date_functions & dialect.volatile_functions
    assert dialect.bare_functions <= listed


@pytest.mark.parametrize("wire_name", ["duckdb", "mysql", "nosuch"])
@pytest.mark.parametrize("literal", ["today", "now"])
def test_an_unknown_dialect_has_the_moving_literals_of_every_warehouse(wire_name: str, literal: str) -> None:
    assert made(f"select cast('{literal}' as date) as d", wire_name).volatility is not Volatility.STABLE
