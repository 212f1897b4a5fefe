"""What was rebuilt to equal content does not rebuild what reads it (rule F2); every step is held against a vanilla build."""

from __future__ import annotations

import pytest
from tests.e2e.shop import Shop

DAMAGES = [
    "update prod.order_totals set total = -1",
    "truncate prod.order_totals",
    "drop table prod.order_totals cascade",
    "insert into prod.order_totals values (77, 1, 1)",
]


@pytest.mark.parametrize("damage", DAMAGES, ids=["altered", "truncated", "dropped", "added to"])
def test_a_table_that_is_mended_rebuilds_what_is_downstream_once(shop: Shop, damage: str) -> None:
    """When somebody else wrote to it, a reader's build may have been under way; what that left has no name then."""
    shop.write("models/grand_total.sql", "select sum(total) as total from {{ ref('customer_totals') }}")
    shop.build()
    shop.sql(damage)

    assert shop.build().built == {"order_totals", "customer_totals", "grand_total"}
    assert shop.build().built == set()


@pytest.mark.parametrize("damage", DAMAGES, ids=["altered", "truncated", "dropped", "added to"])
def test_a_table_that_is_mended_builds_nothing_else_if_a_run_had_seen_it_whole(shop: Shop, damage: str) -> None:
    """The second run finds the inputs as the first one's builds recorded them, so the builds read just that."""
    shop.build()
    assert shop.build().built == set()
    shop.sql(damage)

    assert shop.build().built == {"order_totals"}
    assert shop.build().built == set()


def test_a_model_that_went_there_and_back_builds_nothing_at_any_depth(shop: Shop) -> None:
    shop.write("models/grand_total.sql", "select sum(total) as total from {{ ref('customer_totals') }}")
    shop.build()
    for old, new in (("sum(amount)", "sum(amount) * 2"), ("sum(amount) * 2", "sum(amount)")):
        shop.edit("models/order_totals.sql", old, new)
        shop.dbt("build", "-s", "order_totals")

    assert shop.build().built == set()


def test_what_was_built_from_the_damage_is_rebuilt_with_it(shop: Shop) -> None:
    shop.build()
    shop.sql("update prod.order_totals set total = -1")
    shop.dbt("build", "-s", "customer_totals")

    assert shop.build().built == {"order_totals", "customer_totals"}


def test_a_model_that_went_there_and_back_finds_its_child_as_it_left_it(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    shop.dbt("build", "-s", "order_totals")
    shop.edit("models/order_totals.sql", "sum(amount) * 2", "sum(amount)")

    assert shop.build().built == {"order_totals"}


def test_new_rows_are_no_equal_content(shop: Shop) -> None:
    shop.build()
    shop.sql("insert into raw.orders values (99, 1, 5, now())")

    assert shop.build().built == {"order_totals", "customer_totals"}


def test_volatile_sql_leaves_content_without_a_name(shop: Shop) -> None:
    shop.edit("models/order_totals.sql", "count(*) as orders", "count(*) + 0 * extract(day from now())::int as orders")
    shop.build()
    shop.sql("update prod.order_totals set total = -1")

    assert shop.build().built == {"order_totals", "customer_totals"}
