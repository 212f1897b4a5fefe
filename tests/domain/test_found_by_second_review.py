"""Queries whose rows may change though nothing that is reported does; a review found them taken for stable."""

from __future__ import annotations

import pytest
from tests.domain.coding import code, made

from dbt_state_oss.domain.fingerprint import Volatility
from dbt_state_oss.domain.fingerprinting import fallback_fingerprint

CHANGING = {
    "a session variable": ("snowflake", "select $cut_off from s.t"),
    "a system variable": ("bigquery", "select @@project_id from s.t"),
    "a language model under its older name": ("snowflake", "select snowflake.cortex.complete('m', a) from s.t"),
    "a summary by a language model": ("snowflake", "select snowflake.cortex.summarize(a) from s.t"),
    "the definition of an object": ("snowflake", "select get_ddl('table', 's.u') from s.t"),
    "what a system function knows of a table": (
        "snowflake",
        "select system$last_change_commit_time('s.u') from s.t",
    ),
    "where a row is stored": ("postgres", "select ctid from s.t"),
    "the transaction that wrote a row": ("postgres", "select xmin from s.t"),
    "a shuffled array": ("postgres", "select array_shuffle(a) from s.t"),
    "a sample of an array": ("postgres", "select array_sample(a, 1) from s.t"),
    "encryption under a key of its own each time": ("postgres", "select pgp_sym_encrypt(a, 'k') from s.t"),
    "a table that a function is told by its name": (
        "postgres",
        "select table_to_xml_and_xmlschema('s.u', true, false, '') from s.t",
    ),
}


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="not among the volatile words of its warehouse yet")
@pytest.mark.parametrize(("warehouse", "sql"), CHANGING.values(), ids=CHANGING)
def test_it_is_volatile(warehouse: str, sql: str) -> None:
    assert made(sql, warehouse).volatility is Volatility.VOLATILE


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="a table that a text or a variable names is looked past")
@pytest.mark.parametrize("sql", ["select * from table('raw.orders')", "select * from table($name)"])
def test_a_table_that_is_named_by_a_value_is_reported_by_nobody(sql: str) -> None:
    assert made(sql, "snowflake").unseen_sources


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="text that is not parsed is taken to read nothing but what is reported"
)
def test_what_was_not_parsed_may_read_what_nobody_reports() -> None:
    """It is not parsed where it is long, or the server was busy; then it is reused by its bytes for ever."""
    assert fallback_fingerprint(code("select * from my_rows(1)")).unseen_sources
