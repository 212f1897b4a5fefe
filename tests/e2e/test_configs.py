"""Which configuration counts, and which does not."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.server import StateServer
from tests.e2e.shop import Shop

ONLY = ("-s", "customer_names")


def configure(shop: Shop, config: str = "materialized='table'") -> None:
    """Write the model anew with `config` in its config block."""
    shop.write(
        "models/customer_names.sql",
        f"""
        {{{{ config({config}) }}}}
        select id, upper(name) as name from {{{{ source("raw", "customers") }}}}
        """,
    )


SHAPING = {
    "unlogged": "unlogged=true",
    "indexes": "indexes=[{'columns': ['id']}]",
    "grants": "grants={'select': ['pg_monitor']}",
    "sql_header": "sql_header='set local work_mem = 1024;'",
    "persisted docs": "persist_docs={'relation': true}",
}
"""Configuration that is part of the logic (rule L6)."""

OTHER = {
    "meta": "meta={'owner': 'Ada'}",
    "post-hook": "post_hook='select 1'",
}
"""Configuration that only the hash of all configuration sees (rule L6a)."""


@pytest.fixture(params=["configs", "ignore"])
def either_server(request: pytest.FixtureRequest, start_server: StartServer) -> StateServer:
    """A server with each of the two settings of rule L6a."""
    return start_server(settings={"DBTSTATE_BUILD_ON": request.param})


def test_config_that_shapes_the_table_builds_it_whatever_the_server_is_told(
    open_shop: OpenShop, either_server: StateServer
) -> None:
    shop = open_shop(either_server)
    configure(shop)
    shop.build(*ONLY)
    for name, config in SHAPING.items():
        configure(shop, config)
        assert shop.build(*ONLY).built == {"customer_names"}, name
        assert shop.build(*ONLY).built == set(), name


def test_a_changed_contract_builds_the_table(open_shop: OpenShop, either_server: StateServer) -> None:
    contract = """
        models:
          - name: order_sums
            config: {contract: {enforced: true}}
            columns:
              - {name: customer_id, data_type: integer}
              - {name: total, data_type: numeric}
    """
    shop = open_shop(either_server)
    shop.sql("update raw.orders set amount = 0.125")
    shop.write(
        "models/order_sums.sql",
        "select customer_id, sum(amount) as total from {{ source('raw', 'orders') }} group by customer_id",
    )
    sums = ("-s", "order_sums")
    shop.build(*sums)
    for change, text in {
        "contract": contract,
        "column type": contract.replace("data_type: numeric", "data_type: 'numeric(10, 2)'"),
        "column constraint": contract.replace("integer}", "integer, constraints: [{type: not_null}]}"),
        "table constraint": contract + "    constraints: [{type: unique, columns: [customer_id]}]\n",
    }.items():
        shop.write("models/contract.yml", text)
        assert shop.build(*sums).built == {"order_sums"}, change
        assert shop.build(*sums).built == set(), change


def test_a_changed_description_builds_only_where_it_is_kept_in_the_warehouse(shop: Shop) -> None:
    description = "models: [{name: customer_names, description: TEXT}]"
    shop.write("models/docs.yml", description.replace("TEXT", "Names."))
    shop.build(*ONLY)
    shop.write("models/docs.yml", description.replace("TEXT", "All names."))
    assert shop.build(*ONLY).built == set()
    configure(shop, "persist_docs={'relation': true}")
    assert shop.build(*ONLY).built == {"customer_names"}
    shop.write("models/docs.yml", description.replace("TEXT", "Every name."))
    assert shop.build(*ONLY).built == {"customer_names"}


@pytest.mark.parametrize(("setting", "built"), [("configs", {"customer_names"}), ("ignore", set())])
def test_other_config_builds_unless_the_server_is_told_to_ignore_it(
    open_shop: OpenShop, start_server: StartServer, setting: str, built: set[str]
) -> None:
    shop = open_shop(start_server(settings={"DBTSTATE_BUILD_ON": setting}))
    configure(shop)
    shop.build(*ONLY)
    for name, config in OTHER.items():
        configure(shop, config)
        assert shop.build(*ONLY).built == built, name
        assert shop.build(*ONLY).built == set(), name


def test_tags_and_groups_build_nothing(shop: Shop) -> None:
    shop.build(*ONLY)
    shop.write("models/groups.yml", "groups: [{name: sales, owner: {name: Ada}}]")
    configure(shop, "tags=['nightly'], group='sales'")
    assert shop.build(*ONLY).built == set()


def test_another_materialization_is_another_build(shop: Shop) -> None:
    shop.build(*ONLY)
    configure(shop, "materialized='view'")
    assert shop.build(*ONLY).decisions == {"customer_names": "not asked"}
    configure(shop)
    assert shop.build(*ONLY).built == {"customer_names"}
    configure(shop, "materialized='incremental'")
    assert shop.build(*ONLY).built == {"customer_names"}


def test_configuration_that_no_build_looks_at_builds_nothing(shop: Shop) -> None:
    """Where both configurations can be spelled out (rule C4); of `meta` nothing but a hash is known, so it builds."""
    configure(shop)
    shop.build(*ONLY)
    for config in ("state={'lag_tolerance': '0s'}", "state={'lag_tolerance': '0h'}", "access='public'", "tags=['x']"):
        configure(shop, f"materialized='table', {config}")
        assert shop.build(*ONLY).built == set(), config
    configure(shop, "materialized='table', post_hook='select 1'")
    assert shop.build(*ONLY).built == {"customer_names"}
    configure(shop, "materialized='table'")
    assert shop.build(*ONLY).built == {"customer_names"}
