"""Which reported inputs are only names of common table expressions (rule F3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.domain.building import SUBMISSION, T0
from tests.domain.coding import made

from dbt_state_oss.domain.case import as_read
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation

ONLY_A_NAME = {
    "in another case": "with Orders as (select id from s.t) select id from orders",
    "in the same case": "with orders as (select id from s.t) select id from orders",
    "of a relation in another schema": "with Orders as (select id from raw.orders) select id from orders",
    "within another one": "with Orders as (select 1 as id), other as (select id from ORDERS) select id from other",
    "within a subquery": "select id from (with Orders as (select id from s.t) select id from orders) as x",
    "in a recursion": (
        "with recursive Orders as (select 1 as id union all select id + 1 from orders) select id from orders"
    ),
}
READ = {
    "within its own body": "with Orders as (select id from orders) select id from ORDERS",
    "before it is defined": (
        "with x as (select id from orders), Orders as (select 1 as id) select id from x join orders using (id)"
    ),
    "outside of the WITH": "select id from orders where id in (with Orders as (select 1 as id) select id from orders)",
    "with its schema": "with Orders as (select id from public.orders) select id from orders",
    "behind a view": "with Orders as (select id from db.s.v) select id from orders",
}
OTHER = {
    "of no common table": "select id from s.t",
    "that is not read": "with Orders as (select 1 as id) select id from s.t",
    "in SQL that cannot be parsed": "with Orders as (select id from s.t) select id from orders frobnicate 1 2",
}
VIEWS = {"db.s.v": "select id from db.public.orders"}


def orders(dialect: str) -> Relation:
    """The relation that an unqualified `orders` would name."""
    return dialect_named(dialect).relation("orders", default_catalog="db", default_schema="public")


@pytest.mark.parametrize("dialect", ["postgres", "redshift", "snowflake", "databricks"])
@pytest.mark.parametrize("sql", ONLY_A_NAME.values(), ids=ONLY_A_NAME)
def test_a_name_that_is_read_only_as_a_common_table_is_known(sql: str, dialect: str) -> None:
    assert made(sql, dialect).common_tables.count(orders(dialect)) == 1


@pytest.mark.parametrize("dialect", ["postgres", "redshift", "snowflake", "databricks"])
@pytest.mark.parametrize("sql", [*READ.values(), *OTHER.values()], ids=[*READ, *OTHER])
def test_a_relation_that_may_be_read_is_not_among_them(sql: str, dialect: str) -> None:
    assert orders(dialect) not in made(sql, dialect, views=VIEWS).common_tables


def test_a_quoted_name_is_another_one() -> None:
    assert not made('with "Orders" as (select 1 as id) select id from orders').common_tables


def test_a_view_that_reads_a_common_table_counts_too() -> None:
    view = {"db.s.v": "with Orders as (select 1 as id) select id from orders"}
    assert made("select id from db.s.v", views=view).common_tables == (orders("postgres"),)
    both = "select id from db.s.v join public.orders using (id)"
    assert not made(both, views=view).common_tables


def test_such_an_input_is_left_out_only_where_it_has_no_epoch() -> None:
    name = orders("postgres")
    fingerprint = made(ONLY_A_NAME["in another case"])
    unknown = replace(SUBMISSION, inputs={**SUBMISSION.inputs, name: None})
    known = replace(SUBMISSION, inputs={**SUBMISSION.inputs, name: T0})
    assert as_read(unknown, fingerprint).inputs == SUBMISSION.inputs
    assert as_read(known, fingerprint) is known
    assert as_read(SUBMISSION, fingerprint) is SUBMISSION
    assert as_read(unknown, made(READ["within its own body"])) is unknown
