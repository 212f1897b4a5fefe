"""With `compare_selected_columns` what changes in columns that nobody reads builds nobody; whatever else changes does."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import OpenShop
from tests.e2e.server import StateServer
from tests.e2e.shop import Shop

ORDER_TOTALS = "models/order_totals.sql"
STAGING = "models/stg_orders.sql"
NEW_COLUMN = ("count(*) as orders", "count(*) as orders, max(amount) as largest")


@pytest.fixture
def shop(open_shop: OpenShop, server: StateServer) -> Shop:
    """A shop with the option on; `customer_totals` names the columns that it reads of `order_totals`."""
    shop = open_shop(server)
    shop.environment["RUN_CACHE_COMPARE_SELECTED_COLUMNS"] = "true"
    return shop


def test_a_new_column_builds_nobody_who_names_other_columns(shop: Shop) -> None:
    shop.write("models/best_customers.sql", "select * from {{ ref('customer_totals') }} where total > 0")
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    assert shop.build().built == {"order_totals"}
    assert shop.build().built == set()
    shop.edit(ORDER_TOTALS, "max(amount)", "min(amount)")
    assert shop.build().built == {"order_totals"}
    shop.edit(ORDER_TOTALS, ", min(amount) as largest", "")
    assert shop.build().built == {"order_totals"}


def test_without_the_option_a_new_column_builds_every_reader(shop: Shop) -> None:
    del shop.environment["RUN_CACHE_COMPARE_SELECTED_COLUMNS"]
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_the_option_pays_at_once_when_it_is_switched_on(shop: Shop) -> None:
    option = shop.environment.pop("RUN_CACHE_COMPARE_SELECTED_COLUMNS")
    shop.build()
    shop.environment["RUN_CACHE_COMPARE_SELECTED_COLUMNS"] = option
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    assert shop.build().built == {"order_totals"}


def test_a_new_column_builds_whoever_hands_every_column_on(shop: Shop) -> None:
    shop.write("models/all_totals.sql", "select * from {{ ref('order_totals') }} where total > 0")
    shop.write("models/imported.sql", "with t as (select * from {{ ref('order_totals') }}) select total from t")
    shop.write("models/rows_as_json.sql", "select row_to_json(t)::text as j from {{ ref('order_totals') }} as t")
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    assert shop.build().built == {"order_totals", "all_totals", "rows_as_json"}


def test_what_a_reader_names_builds_it_when_it_changes(shop: Shop) -> None:
    shop.build()
    shop.edit(ORDER_TOTALS, "sum(amount) as total", "sum(amount) + 1 as total, 1 as one")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_other_rows_build_every_reader(shop: Shop) -> None:
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    shop.edit(ORDER_TOTALS, "group by", "where amount > 15 group by")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_new_column_that_makes_rows_builds_every_reader(shop: Shop) -> None:
    shop.build()
    shop.edit(ORDER_TOTALS, "count(*) as orders", "count(*) as orders, generate_series(1, 2) as n")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_new_column_whose_name_the_reader_says_builds_it(shop: Shop) -> None:
    shop.build()
    shop.edit(ORDER_TOTALS, "count(*) as orders", "count(*) as orders, 'x' as name")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_fresh_data_beside_a_new_column_builds_every_reader(shop: Shop) -> None:
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    shop.sql("insert into raw.orders values (8, 1, 40, now())")
    assert shop.build().built == {"order_totals", "customer_totals"}
    shop.sql("insert into raw.customers values (9, 'Barbara')")
    assert shop.build().built == {"customer_totals", "customer_names"}


def test_a_view_s_new_column_builds_no_reader_that_does_not_name_it(shop: Shop) -> None:
    shop.build()
    shop.edit(STAGING, "amount from", "amount, ordered_at from")
    assert shop.build().built == set()
    shop.edit(ORDER_TOTALS, "count(*) as orders", "count(*) as orders, max(ordered_at) as last_ordered_at")
    assert shop.build().built == {"order_totals"}
    shop.edit(STAGING, "amount, ordered_at", "amount * 2 as amount, ordered_at")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_new_column_through_a_view_and_its_reader_at_once(shop: Shop) -> None:
    shop.build()
    shop.edit(STAGING, "amount from", "amount, ordered_at from")
    shop.edit(ORDER_TOTALS, "count(*) as orders", "count(*) as orders, max(ordered_at) as last_ordered_at")
    assert shop.build().built == {"order_totals"}


def test_a_view_s_filter_builds_its_readers(shop: Shop) -> None:
    shop.build()
    shop.edit(
        STAGING, 'from {{ source("raw", "orders") }}', ', ordered_at from {{ source("raw", "orders") }} where id > 1'
    )
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_star_over_a_source_is_resolved_by_what_the_client_tells(shop: Shop) -> None:
    shop.write("models/orders_wide.sql", "select *, amount * 2 as twice from {{ source('raw', 'orders') }}")
    shop.write("models/order_ids.sql", "select o.id, o.twice from {{ ref('orders_wide') }} as o")
    shop.build()
    shop.edit("models/orders_wide.sql", "as twice", "as twice, amount * 3 as thrice")
    assert shop.build().built == {"orders_wide"}
    shop.sql("alter table raw.orders add column twice numeric default 7")
    shop.edit("models/orders_wide.sql", "amount * 2 as twice, amount * 3 as thrice", "amount * 3 as thrice")
    assert shop.build().built == {"orders_wide", "order_ids"}


def test_an_incremental_reader_and_tests_stay_too(shop: Shop) -> None:
    shop.write(
        "models/kept_totals.sql",
        """
        {{ config(materialized="incremental", unique_key="customer_id") }}
        select customer_id, total from {{ ref("order_totals") }}
        {% if is_incremental() %} where total > 0 {% endif %}
    """,
    )
    shop.write(
        "models/tests.yml",
        """
        models:
          - name: order_totals
            columns: [{name: total, data_tests: [not_null]}, {name: customer_id, data_tests: [unique]}]
    """,
    )
    shop.write("tests/totals_are_positive.sql", "select * from {{ ref('order_totals') }} where total < 0")
    shop.build()
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    build = shop.build()
    assert build.built == {"order_totals"}
    assert "no-op" in {build.decisions[name] for name in build.decisions if "not_null" in name}


def test_a_snapshot_of_named_columns_is_taken_anew(shop: Shop) -> None:
    shop.write(
        "snapshots/totals.sql",
        """
        {% snapshot totals_kept %}
        {{ config(target_schema=target.schema, unique_key="customer_id", strategy="check", check_cols="all") }}
        select customer_id, total from {{ ref("order_totals") }}
        {% endsnapshot %}
    """,
    )
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    assert shop.build().built == {"order_totals", "totals_kept"}


def test_a_parent_s_hook_or_contract_that_changed_builds_its_readers(shop: Shop) -> None:
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    text = (shop.directory / ORDER_TOTALS).read_text()
    shop.write(ORDER_TOTALS, '{{ config(post_hook="update {{ this }} set total = total + 1") }}\n' + text)
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_one_node_may_have_the_option_alone(shop: Shop) -> None:
    del shop.environment["RUN_CACHE_COMPARE_SELECTED_COLUMNS"]
    shop.write("models/other_totals.sql", "select customer_id, total from {{ ref('order_totals') }}")
    customer_totals = (shop.directory / "models/customer_totals.sql").read_text()
    option = "{{ config(state={'compare_selected_columns': true}) }}\n"
    shop.write("models/customer_totals.sql", option + customer_totals)
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    assert shop.build().built == {"order_totals", "other_totals"}
