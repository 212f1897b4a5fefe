"""Changed data builds what reads it, at once or when the lag tolerance has passed."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.gate import PASSING, ClosedGate
from tests.e2e.shop import Shop

NEW_ORDER = "insert into raw.orders values (4, 3, 40, '2026-01-04 10:00:00+00')"
NEW_CUSTOMER = "insert into raw.customers values (4, 'Barbara')"


def test_new_rows_build_what_reads_them_when_no_lag_is_tolerated(shop: Shop) -> None:
    shop.build()
    shop.sql(NEW_ORDER)
    assert shop.build().built == {"order_totals", "customer_totals"}
    shop.sql(NEW_CUSTOMER)
    assert shop.build().built == {"customer_totals", "customer_names"}
    assert shop.build().built == set()


@pytest.mark.parametrize(
    "change",
    [
        "update raw.orders set amount = 11 where id = 1",
        "delete from raw.orders where id = 4",
        "create table raw.copy as table raw.orders; drop table raw.orders cascade; alter table raw.copy rename to orders",
    ],
    ids=["rows updated", "newest rows deleted", "table made anew"],
)
def test_source_data_that_changed_in_another_way_builds_what_reads_it(shop: Shop, change: str) -> None:
    shop.sql(NEW_ORDER)
    shop.build()
    shop.sql(change)
    assert shop.build().built == {"order_totals", "customer_totals"}
    assert shop.build().built == set()


def test_an_empty_source_proves_nothing_so_its_reader_is_built_every_time(shop: Shop) -> None:
    shop.write("models/order_count.sql", "select count(*) as orders from {{ source('raw', 'orders') }}")
    shop.build("-s", "order_count")
    shop.sql("truncate raw.orders")
    for _ in range(2):
        assert shop.build("-s", "order_count").built == {"order_count"}
    shop.sql(NEW_ORDER)
    assert shop.build("-s", "order_count").built == {"order_count"}
    assert shop.build("-s", "order_count").built == set()


def test_a_rebuilt_upstream_builds_a_child_that_was_not_selected_then(shop: Shop) -> None:
    shop.build()
    shop.sql(NEW_ORDER)
    assert shop.dbt("build", "-s", "order_totals").built == {"order_totals"}
    assert shop.build().built == {"customer_totals"}


def test_new_rows_wait_until_the_default_lag_tolerance_has_passed(
    open_shop: OpenShop, start_server: StartServer
) -> None:
    server = start_server(controllable_clock=True)
    shop = open_shop(server)
    shop.use_default_lag_tolerance()
    shop.build()
    before = shop.table("customer_totals")
    shop.sql(NEW_ORDER)
    for minutes in (0, 30):
        server.advance_clock(seconds=minutes * 60)
        assert shop.dbt("build").decisions == {
            "stg_orders": "not asked",
            "order_totals": "no-op within tolerance",
            "customer_totals": "no-op",
            "customer_names": "no-op",
        }
        assert shop.table("customer_totals") == before
    server.advance_clock(seconds=16 * 60)
    assert shop.build().built == {"order_totals", "customer_totals"}
    assert shop.build().built == set()


def test_a_model_may_have_a_lag_tolerance_of_its_own(open_shop: OpenShop, start_server: StartServer) -> None:
    server = start_server(controllable_clock=True)
    shop = open_shop(server)
    shop.edit("models/customer_names.sql", "select", "{{ config(state={'lag_tolerance': '2h'}) }}select")
    shop.build()
    shop.sql(NEW_CUSTOMER)
    server.advance_clock(seconds=3600)
    assert shop.dbt("build").decisions["customer_names"] == "no-op within tolerance"
    server.advance_clock(seconds=3601)
    assert shop.build().built == {"customer_names"}


def test_a_tolerated_skip_does_not_make_the_data_any_younger(open_shop: OpenShop, start_server: StartServer) -> None:
    server = start_server(controllable_clock=True)
    shop = open_shop(server)
    shop.use_default_lag_tolerance()
    shop.build()
    for order in (4, 5):
        shop.sql("insert into raw.orders values (%s, 3, 40, now())", order)
        server.advance_clock(seconds=20 * 60)
        assert shop.dbt("build").decisions["order_totals"] == "no-op within tolerance"
    server.advance_clock(seconds=6 * 60)
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_change_in_one_parent_is_enough_unless_all_are_waited_for(shop: Shop) -> None:
    joined = """
        {{ config(POLICY) }}
        select customers.name, orders.amount
        from {{ source("raw", "customers") }} as customers
        join {{ source("raw", "orders") }} as orders on orders.customer_id = customers.id
    """
    policies = {
        "from_any": "state={'require_fresh_data_from': 'any'}",
        "from_all": "state={'require_fresh_data_from': 'all'}",
        "from_all_as_dbt_spells_it": "freshness={'build_after': {'count': 1, 'period': 'day', 'updates_on': 'all'}}",
    }
    for model, policy in policies.items():
        shop.write(f"models/{model}.sql", joined.replace("POLICY", policy))
    joins = ("-s", *policies)
    shop.build(*joins)
    shop.sql(NEW_ORDER)
    assert shop.dbt("build", *joins).decisions == {
        "from_any": "execute",
        "from_all": "no-op",
        "from_all_as_dbt_spells_it": "no-op",
    }
    assert len(shop.table("from_any")) == 4
    assert len(shop.table("from_all")) == 3
    shop.sql(NEW_CUSTOMER)
    assert shop.build(*joins).built == set(policies)
    assert shop.build(*joins).built == set()


def test_a_source_is_as_new_as_its_loaded_at_field_says(shop: Shop) -> None:
    shop.write(
        "models/sources.yml",
        """
        sources:
          - name: raw
            tables:
              - name: orders
                config: {loaded_at_field: ordered_at}
              - name: customers
    """,
    )
    shop.write("models/order_count.sql", "select count(*) as orders from {{ source('raw', 'orders') }}")
    shop.build("-s", "order_count")
    shop.sql("insert into raw.orders values (0, 1, 5, '2025-12-31 10:00:00+00')")
    assert shop.dbt("build", "-s", "order_count").decisions == {"order_count": "no-op"}
    assert shop.table("order_count") == [(3,)]
    shop.sql(NEW_ORDER)
    assert shop.build("-s", "order_count").built == {"order_count"}
    assert shop.build("-s", "order_count").built == set()


def test_rows_that_arrive_during_a_build_are_seen_by_the_next_one(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "group by", f"where {PASSING} group by")
    with ClosedGate(shop.database) as gate:
        running = shop.start("build", "-s", "order_totals")
        gate.wait_for_arrival()
        shop.sql(NEW_ORDER)
        gate.open()
        assert running.wait().decisions == {"order_totals": "execute"}
    assert shop.build().built == {"order_totals", "customer_totals"}
    assert shop.build().built == set()
