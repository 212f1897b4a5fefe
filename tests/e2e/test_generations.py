"""Every published generation of the client works against one server, and a project survives its upgrades."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import ClientOf, StartServer
from tests.e2e.generations import Generation
from tests.e2e.shop import Shop

MODELS = {"order_totals", "customer_totals"}
EVERYTHING = {"stg_orders", "regions", *MODELS, "customer_names", "order_log", "order_history", "not_null_regions_code"}


@pytest.fixture
def full(shop: Shop) -> Shop:
    """A shop with a node of every kind."""
    shop.write("seeds/regions.csv", "code,name\n1,North\n")
    shop.write("seeds/seeds.yml", "seeds: [{name: regions, columns: [{name: code, data_tests: [not_null]}]}]")
    shop.write(
        "models/order_log.sql",
        """
        {{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="id") }}
        select id, amount from {{ source("raw", "orders") }}
        {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
        """,
    )
    shop.write(
        "snapshots/order_history.yml",
        """
        snapshots:
          - name: order_history
            relation: source('raw', 'orders')
            config: {unique_key: id, strategy: check, check_cols: [amount]}
        """,
    )
    return shop


def never_skipped(generation: Generation) -> set[str]:
    """What is built at every run because its client reports no configuration of it (rule L13), and what reads that."""
    match generation:
        case Generation.RUN_CACHE_2_17:
            return EVERYTHING - {"stg_orders"}
        case Generation.DBT_STATE_2_30:
            return {"regions", "not_null_regions_code"}
        case _:
            return set()


@pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.value)
def test_each_generation_of_the_client_is_served(
    full: Shop, client_of: ClientOf, start_server: StartServer, generation: Generation
) -> None:
    """Where missing evidence is ignored, old clients skip too; snapshots aside, whose strategy only the hash shows (rule L12)."""
    if never_skipped(generation):
        full.server = start_server(settings={"DBTSTATE_MISSING_EVIDENCE": "ignore"})
    full.client = client_of(generation)
    always = {"order_history"} if generation is Generation.RUN_CACHE_2_17 else set()
    assert full.build().built == EVERYTHING - {"stg_orders"}
    full.build("-s", "order_log")
    assert full.build().built == always
    full.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    assert full.build().built == MODELS | always
    full.sql("insert into raw.orders values (4, 3, 40, now())")
    assert full.build().built == {*MODELS, "order_log", "order_history"}
    full.sql("update prod.customer_names set name = ''")
    assert full.build().built == {"customer_names"} | always


def test_an_upgraded_client_rebuilds_at_most_once_and_never_skips_wrongly(full: Shop, client_of: ClientOf) -> None:
    changed: set[str] = set()
    for order, generation in enumerate(Generation, start=4):
        full.client = client_of(generation)
        assert full.build().built >= changed, generation
        full.build("-s", "order_log")
        assert full.build().built == never_skipped(generation), generation
        full.sql("insert into raw.orders values (%s, 3, 40, now())", order)
        full.edit("models/customer_names.sql", "upper(name", "upper(name || '.'")
        changed = {*MODELS, "order_log", "order_history", "customer_names"}
