"""Histories that a review found to end in wrong tables, with the real client; each is held against a vanilla build."""

from __future__ import annotations

from tests.e2e.gate import ClosedGate
from tests.e2e.shop import Shop

WAITS_AT_THE_GATE = 'pre_hook="select pg_advisory_xact_lock_shared(1)"'
"""A statement of its own before that of the model, so that the model reads what is there when the gate has been opened."""


def test_a_parent_that_went_there_and_back_during_a_build_is_not_what_that_build_read(shop: Shop) -> None:
    """Submitted, then overtaken by a colleague's build of the parent, whose content it reads; then the parent goes back."""
    model = "select customer_id, total from {{ ref('order_totals') }}"
    shop.write("models/customer_totals.sql", f"{{{{ config(materialized='table', {WAITS_AT_THE_GATE}) }}}} {model}")
    shop.build("-s", "+order_totals")
    colleague = shop.colleague()
    colleague.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    with ClosedGate(shop.database) as gate:
        slow = shop.start("build", "-s", "customer_totals")
        gate.wait_for_arrival()
        assert "order_totals" in colleague.dbt("build", "-s", "order_totals").built
        gate.open()
        assert "customer_totals" in slow.wait().built

    assert {"order_totals", "customer_totals"} <= shop.build().built


def test_another_macro_in_a_hook_leaves_another_content(shop: Shop) -> None:
    shop.write("macros/mask.sql", "{% macro mask(table) %}update {{ table }} set total = 1{% endmacro %}")
    hooked = "{{ config(post_hook='{{ mask(this) }}') }} select customer_id"
    shop.edit("models/order_totals.sql", "select customer_id", hooked)
    shop.build()
    shop.edit("macros/mask.sql", "total = 1", "total = 2")
    shop.sql("drop table prod.order_totals cascade")

    assert {"order_totals", "customer_totals"} <= shop.build().built


def test_a_seed_gets_its_new_column_types_with_a_new_table(shop: Shop) -> None:
    shop.write("seeds/codes.csv", "code\n1\n2\n")
    shop.write(
        "models/code_types.sql",
        "{{ config(materialized='table') }} select pg_typeof(code)::text as kind from {{ ref('codes') }}",
    )
    nodes = ("-s", "codes", "code_types")
    shop.build(*nodes)
    shop.write("seeds/seeds.yml", "seeds: [{name: codes, config: {column_types: {code: text}}}]")
    shop.build(*nodes)
    for schema in ("prod", "vanilla"):
        shop.sql(f"drop table {schema}.codes cascade")

    assert shop.build(*nodes).built == {"codes", "code_types"}


def test_lag_tolerance_never_hides_a_hook_that_was_added_upstream(shop: Shop) -> None:
    shop.use_default_lag_tolerance()
    shop.build()
    hooked = "{{ config(post_hook='update {{ this }} set total = 0') }} select customer_id"
    shop.edit("models/order_totals.sql", "select customer_id", hooked)

    assert shop.build().built == {"order_totals", "customer_totals"}
