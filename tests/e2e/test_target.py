"""A table that is not what the last build left is built again, whoever changed it."""

from __future__ import annotations

from tests.e2e.conftest import OpenShop
from tests.e2e.postgres import TEMPLATE, PostgresServer
from tests.e2e.server import StateServer
from tests.e2e.shop import Shop

ALTERATIONS = (
    "drop table prod.order_totals",
    "truncate prod.order_totals",
    "update prod.order_totals set total = 0 where customer_id = 1",
    "insert into prod.order_totals values (9, 9, 9)",
    "create table prod.copy as table prod.order_totals; drop table prod.order_totals; "
    "alter table prod.copy rename to order_totals",
)

TOLERANT = "{{ config(state={'ignore_external_modifications': true}) }}"


def test_a_table_that_somebody_else_changed_is_built_again(shop: Shop) -> None:
    shop.build()
    for alteration in ALTERATIONS:
        shop.sql(alteration)
        assert shop.build("-s", "order_totals").built == {"order_totals"}, alteration
        assert shop.build("-s", "order_totals").built == set(), alteration


def test_a_table_that_plain_dbt_rebuilt_is_built_again(shop: Shop) -> None:
    shop.build()
    shop.dbt("build", "-s", "order_totals", environment={"RUN_CACHE_DISABLED": "true"}).assert_succeeded()
    assert "order_totals" in shop.build().built


def test_changes_by_others_may_be_ignored_but_not_a_lost_table(shop: Shop) -> None:
    shop.edit("models/order_totals.sql", "select", f"{TOLERANT} select")
    shop.build("-s", "+order_totals")
    shop.sql("update prod.order_totals set total = 0")
    assert shop.dbt("build", "-s", "order_totals").decisions == {"order_totals": "no-op"}
    assert {total for _, total, _ in shop.table("order_totals")} == {0}
    shop.sql("drop table prod.order_totals")
    assert shop.build("-s", "order_totals").built == {"order_totals"}


def test_ignored_changes_by_others_do_not_hide_changed_data_or_logic(shop: Shop) -> None:
    shop.edit("models/order_totals.sql", "select", f"{TOLERANT} select")
    shop.build("-s", "+order_totals")
    shop.sql("update prod.order_totals set total = 0")
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert shop.build("-s", "order_totals").built == {"order_totals"}
    shop.sql("update prod.order_totals set total = 0")
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    assert shop.build("-s", "order_totals").built == {"order_totals"}


def test_an_incremental_table_that_somebody_else_changed_is_built_again(shop: Shop) -> None:
    shop.write(
        "models/order_log.sql",
        """
        {{ config(materialized="incremental", unique_key="id") }}
        select id, amount from {{ source("raw", "orders") }}
    """,
    )
    for _ in range(2):
        shop.build("-s", "order_log")
    assert shop.build("-s", "order_log").built == set()
    shop.sql("update prod.order_log set amount = 0")
    assert shop.build("-s", "order_log").built == {"order_log"}


def test_a_fresh_database_of_the_same_name_starts_from_nothing(shop: Shop) -> None:
    shop.build()
    shop.database.drop()
    shop.database.server.create_database(shop.database.name, template=TEMPLATE)
    assert shop.build().built == {"order_totals", "customer_totals", "customer_names"}


def test_two_databases_of_one_name_behind_two_ports_never_vouch_for_each_other(
    open_shop: OpenShop, server: StateServer, neighbour_postgres: PostgresServer
) -> None:
    here = open_shop(server, name="twins")
    there = open_shop(server, name="twins", on=neighbour_postgres)
    there.sql("update raw.orders set amount = amount * 7")
    everything = {"order_totals", "customer_totals", "customer_names"}
    for shop in (here, there, here, there):
        assert shop.build().built == everything
    assert there.build().built == set()
