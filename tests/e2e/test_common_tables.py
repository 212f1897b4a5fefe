"""Common table expressions whose name is written in another letter case: the client reports a table of that name."""

from __future__ import annotations

import pytest
from tests.e2e.shop import Shop

ONLY = ("-s", "order_ids")
QUERIES = {
    "the name in capitals": 'with Orders as (select id from {{ source("raw", "orders") }}) select id from orders',
    "the reference in capitals": 'with orders as (select id from {{ source("raw", "orders") }}) select id from ORDERS',
    "one of two": """
        with Orders as (select id from {{ source("raw", "orders") }}), Chosen as (select id from orders where id > 1)
        select Chosen.id from Chosen join orders using (id)
    """,
}


def with_a_model(shop: Shop, query: str) -> None:
    shop.write("models/order_ids.sql", query)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_common_table_is_no_table_that_might_have_changed(shop: Shop, query: str) -> None:
    with_a_model(shop, query)
    assert shop.build(*ONLY).built == {"order_ids"}
    assert shop.build(*ONLY).built == set()
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert shop.build(*ONLY).built == {"order_ids"}
    assert shop.build(*ONLY).built == set()


def test_a_real_table_of_that_name_that_is_read_stays_an_input(shop: Shop) -> None:
    shop.sql("create table public.orders (id integer); insert into public.orders values (1)")
    with_a_model(shop, "with Orders as (select id from public.orders) select id from ORDERS")
    assert shop.build(*ONLY).built == {"order_ids"}
    assert shop.build(*ONLY).built == set()
    shop.sql("insert into public.orders values (1), (2)")
    assert shop.build(*ONLY).built == {"order_ids"}


@pytest.mark.parametrize(
    "query",
    [
        "with Orders as (select id from orders) select id from ORDERS",
        'with "Orders" as (select 1 as id) select id from orders',
        "select id from orders where id in (with Orders as (select 1 as id) select id from orders)",
    ],
    ids=["within its own body", "of another quoted name", "outside of the WITH"],
)
def test_a_real_table_without_its_schema_may_be_another_one(shop: Shop, query: str) -> None:
    shop.sql("create table public.orders (id integer); insert into public.orders values (1)")
    with_a_model(shop, query)
    assert shop.build(*ONLY).built == {"order_ids"}
    assert shop.build(*ONLY).built == {"order_ids"}


def test_an_empty_real_table_that_is_read_may_be_filled(shop: Shop) -> None:
    """On Postgres an empty table has no epoch, like a common table expression."""
    shop.sql("create table public.orders (id integer)")
    with_a_model(shop, "with Orders as (select id from public.orders) select count(*) as n from Orders")
    shop.build(*ONLY)
    shop.sql("insert into public.orders values (1)")
    assert shop.build(*ONLY).built == {"order_ids"}


def test_a_real_table_behind_a_view_stays_an_input(shop: Shop) -> None:
    shop.sql("create table public.orders (id integer); insert into public.orders values (1)")
    shop.sql("create view public.some_orders as select id from public.orders")
    with_a_model(shop, "with Orders as (select id from public.some_orders) select id from orders")
    assert shop.build(*ONLY).built == {"order_ids"}
    shop.sql("insert into public.orders values (2)")
    assert shop.build(*ONLY).built == {"order_ids"}
    shop.sql("delete from public.orders")
    assert shop.build(*ONLY).built == {"order_ids"}
