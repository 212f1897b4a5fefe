"""`compare_unrendered_code`: a template that stands still is enough, and so is SQL that stands still."""

from __future__ import annotations

import pytest
from tests.e2e.shop import Shop

ONLY = ("-s", "stamped")
STAMPED = """\
select id, '{{ invocation_id }}' as run
from {{ source("raw", "customers") }}
"""


@pytest.fixture
def stamped(shop: Shop) -> Shop:
    """A shop with a model that renders otherwise at every run."""
    shop.write("models/stamped.sql", STAMPED)
    return shop


def compare_templates(shop: Shop) -> None:
    shop.environment["RUN_CACHE_COMPARE_UNRENDERED_CODE"] = "true"


def test_a_model_that_renders_otherwise_is_built_every_time(stamped: Shop) -> None:
    for _ in range(2):
        assert stamped.dbt("build", *ONLY).built == {"stamped"}


def test_an_unchanged_template_is_enough_where_it_is_compared(stamped: Shop) -> None:
    compare_templates(stamped)
    assert stamped.dbt("build", *ONLY).built == {"stamped"}
    assert stamped.dbt("build", *ONLY).built == set()


def test_one_model_may_compare_templates_alone(stamped: Shop) -> None:
    stamped.write("models/stamped.sql", "{{ config(state={'compare_unrendered_code': true}) }}" + STAMPED)
    assert stamped.dbt("build", *ONLY).built == {"stamped"}
    assert stamped.dbt("build", *ONLY).built == set()


def test_a_changed_template_that_renders_the_same_is_enough(shop: Shop) -> None:
    compare_templates(shop)
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "{{ 'sum' }}(amount)")
    assert shop.build().built == set()


def test_a_changed_template_that_renders_otherwise_is_built(stamped: Shop) -> None:
    compare_templates(stamped)
    stamped.dbt("build", *ONLY)
    stamped.edit("models/stamped.sql", "select id", "select id + 1 as id")
    assert stamped.dbt("build", *ONLY).built == {"stamped"}


def test_an_unchanged_template_hides_neither_changed_data_nor_a_changed_view_nor_a_changed_variable(shop: Shop) -> None:
    compare_templates(shop)
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * {{ var('factor', 1) }}")
    shop.build()
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert shop.build().built == {"order_totals", "customer_totals"}
    shop.edit("models/stg_orders.sql", "amount from", "amount + 1 as amount from")
    assert shop.build().built == {"order_totals", "customer_totals"}
    assert shop.build("--vars", "factor: 2").built == {"order_totals", "customer_totals"}
    assert shop.build("--vars", "factor: 2").built == set()


def test_an_unchanged_template_does_not_hide_a_changed_macro(shop: Shop) -> None:
    compare_templates(shop)
    shop.write("macros/gross.sql", "{% macro gross(column) %}{{ column }} * 1.19{% endmacro %}")
    shop.edit("models/order_totals.sql", "sum(amount)", "sum({{ gross('amount') }})")
    shop.build()
    shop.write("macros/gross.sql", "{% macro gross(column) %}{{ column }} * 1.20{% endmacro %}")
    assert shop.build().built == {"order_totals", "customer_totals"}
