"""A developer's target that reads from production what it does not build."""

from __future__ import annotations

import pytest
from tests.e2e.shop import DEVELOPMENT, Shop

ONLY_CUSTOMER_TOTALS = ("build", "-s", "customer_totals")


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """A shop without clones: a table that is copied from production reads nothing."""
    shop.environment["RUN_CACHE_ALLOW_CLONES"] = "false"
    return shop


def test_a_model_built_for_development_reads_from_production_and_is_reused(shop: Shop) -> None:
    shop.build()
    shop.edit("models/customer_totals.sql", "coalesce(totals.total, 0)", "coalesce(totals.total, -1)")
    only = ("build", "-s", "customer_totals")
    assert shop.dbt(*only, target=DEVELOPMENT).decisions == {"customer_totals": "execute"}
    assert {int(total) for _, _, total in shop.table("customer_totals", schema=DEVELOPMENT)} == {30, -1}
    assert shop.dbt(*only, target=DEVELOPMENT).decisions == {"customer_totals": "no-op"}


def test_what_happens_in_development_leaves_production_alone(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    assert shop.dbt("build", target=DEVELOPMENT).built == {"order_totals", "customer_totals", "customer_names"}
    shop.edit("models/order_totals.sql", "sum(amount) * 2", "sum(amount)")
    assert shop.build().built == set()


def test_production_rebuilt_builds_what_reads_it_in_development(shop: Shop) -> None:
    shop.build()
    only = ("build", "-s", "customer_totals")
    shop.dbt(*only, target=DEVELOPMENT)
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    shop.build()
    assert shop.dbt(*only, target=DEVELOPMENT).decisions == {"customer_totals": "execute"}
    assert shop.table("customer_totals", schema=DEVELOPMENT) == shop.table("customer_totals")


def schema_from(variable: str) -> str:
    """A project's own naming of schemas: in production a configured schema is taken as it is, if a variable says so."""
    return f"""
        {{% macro generate_schema_name(custom_schema_name, node) -%}}
            {{{{ custom_schema_name if custom_schema_name and env_var('{variable}', '') else target.schema }}}}
        {{%- endmacro %}}
    """


def test_a_custom_schema_that_only_production_uses_is_read_where_production_built_it(shop: Shop) -> None:
    shop.write("macros/names.sql", schema_from("SHOP_SCHEMAS"))
    shop.edit("models/order_totals.sql", "select", "{{ config(schema='finance') }} select")
    shop.dbt("build", environment={"SHOP_SCHEMAS": "yes"}).assert_succeeded()

    build = shop.dbt(*ONLY_CUSTOMER_TOTALS, target=DEVELOPMENT)

    assert build.decisions == {"customer_totals": "execute"}
    assert shop.table("customer_totals", schema=DEVELOPMENT) == shop.table("customer_totals")
    assert shop.dbt(*ONLY_CUSTOMER_TOTALS, target=DEVELOPMENT).decisions == {"customer_totals": "no-op"}


def test_an_alias_changed_in_development_does_not_change_where_production_is_read(shop: Shop) -> None:
    shop.edit("models/order_totals.sql", "select", "{{ config(alias='totals_1') }} select")
    shop.dbt("build").assert_succeeded()
    shop.edit("models/order_totals.sql", "totals_1", "totals_2")

    assert shop.dbt(*ONLY_CUSTOMER_TOTALS, target=DEVELOPMENT).decisions == {"customer_totals": "execute"}
    assert shop.table("customer_totals", schema=DEVELOPMENT) == shop.table("customer_totals")


def test_a_seed_and_a_snapshot_are_read_where_production_has_them(shop: Shop) -> None:
    shop.write("macros/names.sql", schema_from("SHOP_SCHEMAS"))
    shop.write("seeds/codes.csv", "code\n1\n")
    shop.write("seeds/seeds.yml", "seeds: [{name: codes, config: {schema: reference}}]")
    shop.write(
        "snapshots/orders_history.sql",
        """
        {% snapshot orders_history %}
        {{ config(schema="history", strategy="check", unique_key="id", check_cols=["amount"]) }}
        select * from {{ source("raw", "orders") }}
        {% endsnapshot %}
        """,
    )
    shop.write("models/coded.sql", "select code, id from {{ ref('codes') }}, {{ ref('orders_history') }}")
    shop.dbt("build", environment={"SHOP_SCHEMAS": "yes"}).assert_succeeded()

    assert shop.dbt("build", "-s", "coded", target=DEVELOPMENT).decisions == {"coded": "execute"}
    assert shop.table("coded", schema=DEVELOPMENT) == shop.table("coded") != []


@pytest.mark.parametrize("line", ["", 'dbt-cloud: {defer-env-id: "1"}'], ids=["absent", "without project-id"])
def test_a_developer_without_a_project_id_finds_production_by_the_projects_name(shop: Shop, line: str) -> None:
    shop.edit("dbt_project.yml", "name: shop", f"name: {shop.database.name}")  # no other scenario has this name
    shop.edit("dbt_project.yml", "  shop:", f"  {shop.database.name}:")
    shop.edit("models/order_totals.sql", "select", "{{ config(alias='totals_1') }} select")
    shop.dbt("build").assert_succeeded()
    shop.edit("models/order_totals.sql", "totals_1", "totals_2")
    shop.edit("dbt_project.yml", f'dbt-cloud:\n  project-id: "{shop.database.name}"', line)

    assert shop.dbt(*ONLY_CUSTOMER_TOTALS, target=DEVELOPMENT, clean=False).decisions == {"customer_totals": "execute"}


def test_a_view_is_read_where_dbt_would_put_it(shop: Shop) -> None:
    shop.dbt("build").assert_succeeded()
    shop.edit("models/order_totals.sql", "count(*)", "count(*) + 1")
    assert shop.dbt("build", "-s", "order_totals", target=DEVELOPMENT).decisions == {"order_totals": "execute"}


def test_an_alias_whose_build_failed_is_not_taken_for_a_table(shop: Shop) -> None:
    shop.dbt("build").assert_succeeded()
    shop.edit("models/order_totals.sql", "select", "{{ config(alias='totals_2') }} select 1 / 0, ")
    assert shop.dbt("build", "-s", "order_totals").decisions == {"order_totals": "failed"}
    shop.edit("models/order_totals.sql", "{{ config(alias='totals_2') }} select 1 / 0, ", "select")
    assert shop.dbt(*ONLY_CUSTOMER_TOTALS, target=DEVELOPMENT).decisions == {"customer_totals": "execute"}
