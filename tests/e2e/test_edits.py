"""A changed meaning builds that model and what depends on it, and nothing else."""

from __future__ import annotations

from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.shop import Shop


def test_a_changed_model_is_built_with_what_depends_on_it_and_nothing_else(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    assert shop.build().built == {"order_totals", "customer_totals"}
    shop.edit("models/customer_totals.sql", "coalesce(totals.total, 0)", "coalesce(totals.total, -1)")
    assert shop.build().built == {"customer_totals"}
    assert shop.build().built == set()


def test_going_back_to_an_older_text_builds_again(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "max(amount)")
    assert "order_totals" in shop.build().built
    shop.edit("models/order_totals.sql", "max(amount)", "sum(amount)")
    assert "order_totals" in shop.build().built
    assert shop.build().built == set()


def test_a_changed_view_builds_the_tables_that_read_it(shop: Shop) -> None:
    shop.build()
    shop.edit("models/stg_orders.sql", "select id", "select amount > 15 as large, id")
    assert shop.build().built == {"order_totals", "customer_totals"}
    shop.write(
        "models/stg_orders.sql",
        """
        {{ config(materialized="view") }}
        select id, customer_id, amount from {{ source("raw", "orders") }} where amount > 15
    """,
    )
    assert shop.build().built == {"order_totals", "customer_totals"}
    assert shop.build().built == set()


def test_a_view_under_a_view_counts(shop: Shop) -> None:
    shop.write(
        "models/large_orders.sql",
        """
        {{ config(materialized="view") }}
        select * from {{ ref("stg_orders") }} where amount > 15
    """,
    )
    shop.edit("models/order_totals.sql", "stg_orders", "large_orders")
    shop.build()
    assert shop.build().built == set()
    shop.edit(
        "models/stg_orders.sql", "select id, customer_id, amount", "select id, customer_id, amount + 10 as amount"
    )
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_an_ephemeral_model_counts_as_part_of_its_readers(shop: Shop) -> None:
    shop.edit("models/stg_orders.sql", 'materialized="view"', 'materialized="ephemeral"')
    shop.build()
    shop.edit("models/stg_orders.sql", "select id", "-- one row an order\nselect id")
    assert shop.build().built == set()
    shop.edit("models/stg_orders.sql", "amount from", "amount + 1 as amount from")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_model_that_reads_another_relation_by_the_same_query_is_built(shop: Shop) -> None:
    shop.write(
        "models/order_maxima.sql",
        """
        select customer_id, max(amount) as total, count(*) as orders
        from {{ ref("stg_orders") }} group by customer_id
    """,
    )
    shop.build()
    shop.edit("models/customer_totals.sql", "order_totals", "order_maxima")
    assert shop.build().built == {"customer_totals"}
    shop.use_default_lag_tolerance()
    shop.edit("models/customer_totals.sql", "order_maxima", "order_totals")
    assert shop.build().built == {"customer_totals"}


def test_two_sources_that_change_places_in_a_query_are_another_query_which_no_tolerance_hides(shop: Shop) -> None:
    shop.use_default_lag_tolerance()
    difference = """
        select these.id from {{ source('raw', 'LEFT') }} as these
        except select those.id from {{ source('raw', 'RIGHT') }} as those
    """
    shop.sql("insert into raw.customers values (9, 'Barbara'); insert into raw.orders values (8, 1, 1, now())")
    for left, right in (("orders", "customers"), ("customers", "orders")):
        shop.write("models/difference.sql", difference.replace("LEFT", left).replace("RIGHT", right))
        assert shop.build("-s", "difference").built == {"difference"}


def test_a_build_without_rows_does_not_pass_for_the_real_one(shop: Shop) -> None:
    shop.write("models/order_count.sql", "select count(*) as orders from {{ source('raw', 'orders') }}")
    only = ("-s", "order_count")
    shop.build(*only)
    assert shop.build(*only, "--empty").built == {"order_count"}
    assert shop.table("order_count") == [(0,)]
    assert shop.build(*only).built == {"order_count"}


def test_lag_tolerance_never_hides_changed_logic_upstream(shop: Shop) -> None:
    shop.write("models/best_customers.sql", "select * from {{ ref('customer_totals') }} where total > 0")
    shop.use_default_lag_tolerance()
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    assert shop.build().built == {"order_totals", "customer_totals", "best_customers"}


def test_lag_tolerance_never_hides_changed_logic_two_levels_down(shop: Shop) -> None:
    shop.write("models/best_customers.sql", "select * from {{ ref('customer_totals') }} where total > 0")
    shop.use_default_lag_tolerance()
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    for changed in ("order_totals", "customer_totals", "best_customers"):
        assert shop.build("-s", changed).built == {changed}
    assert shop.build().built == set()


def test_lag_tolerance_never_hides_a_changed_view(shop: Shop) -> None:
    shop.use_default_lag_tolerance()
    shop.build()
    shop.edit("models/stg_orders.sql", "amount from", "amount * 2 as amount from")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_macro_that_renders_other_sql_builds_its_callers(shop: Shop) -> None:
    shop.write("macros/gross.sql", "{% macro gross(column) %}{{ column }} * 1.19{% endmacro %}")
    shop.edit("models/order_totals.sql", "sum(amount)", "sum({{ gross('amount') }})")
    shop.build()
    shop.write("macros/gross.sql", "{% macro gross(column) %}{# VAT #}{{ column }} * 1.19{% endmacro %}")
    assert shop.build().built == set()
    shop.write("macros/gross.sql", "{% macro gross(column) %}{{ column }} * 1.20{% endmacro %}")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_server_may_be_told_to_build_on_every_change_of_a_macro(
    open_shop: OpenShop, start_server: StartServer
) -> None:
    shop = open_shop(start_server(settings={"DBTSTATE_BUILD_ON": "configs+macros"}))
    shop.write("macros/gross.sql", "{% macro gross(column) %}{{ column }} * 1.19{% endmacro %}")
    shop.edit("models/order_totals.sql", "sum(amount)", "sum({{ gross('amount') }})")
    shop.build()
    assert shop.build().built == set()
    shop.write("macros/gross.sql", "{% macro gross(column) %}{# VAT #}{{ column }} * 1.19{% endmacro %}")
    assert "order_totals" in shop.build().built


def test_a_model_that_failed_is_built_once_it_is_mended(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount / 0)")
    broken = shop.build("-s", "order_totals+")
    assert broken.decisions == {"order_totals": "failed", "customer_totals": "skipped"}
    shop.edit("models/order_totals.sql", "sum(amount / 0)", "sum(amount / 2)")
    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_failure_that_is_taken_back_leaves_everything_as_it_was(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount / 0)")
    assert shop.build("-s", "order_totals").decisions == {"order_totals": "failed"}
    shop.edit("models/order_totals.sql", "sum(amount / 0)", "sum(amount)")
    assert shop.build().built == set()
