"""Hooks run upon a copy, too, which holds their work already: what may have a hook is built, unless its hooks are trusted."""

from __future__ import annotations

import pytest
from tests.e2e.build import Build
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.packages import install_evaluator
from tests.e2e.shop import DEVELOPMENT, TARGET, TWIN, Shop

STEP = "update {{ this }} set n = n + 1"
SILENT_STEP = "{% do run_query('update ' ~ this ~ ' set n = n + 1') %}"
"""The client sees no statement that names the table, and so does not tell the server that the table was written to."""


def counted(shop: Shop, hook: str = STEP) -> Shop:
    """The shop with two models alone: `counter`, whose hook adds to its own table, and `reader`."""
    for model in ("customer_names", "customer_totals", "order_totals", "stg_orders"):
        shop.remove(f"models/{model}.sql")
    config = f'{{{{ config(post_hook="{hook}") }}}} ' if hook else ""
    shop.write("models/counter.sql", config + "select count(*) as n from {{ source('raw', 'orders') }}")
    shop.write("models/reader.sql", "select n from {{ ref('counter') }}")
    return shop


def develop(shop: Shop) -> Build:
    build = shop.dbt("build", target=DEVELOPMENT)
    build.assert_succeeded()
    return build


def assert_right(shop: Shop) -> None:
    """Development holds what production and plain dbt hold."""
    assert shop.contents(DEVELOPMENT) == shop.contents(TARGET) == shop.contents(TWIN)


@pytest.mark.parametrize("hook", [STEP, SILENT_STEP], ids=["named in the statement", "written while it is rendered"])
def test_what_a_hook_writes_to_is_built_in_development(shop: Shop, hook: str) -> None:
    counted(shop, hook)
    shop.build()
    build = develop(shop)
    assert build.decisions == {"counter": "execute", "reader": "execute"}
    assert_right(shop)
    assert set(develop(shop).decisions.values()) == {"no-op"}


def test_a_hook_that_is_given_for_a_whole_folder_counts(shop: Shop) -> None:
    counted(shop, "")
    shop.edit("dbt_project.yml", "+materialized: table", f'+materialized: table\n    +post-hook: "{STEP}"')
    shop.edit("models/reader.sql", "select n", "{{ config(enabled=false) }} select n")
    shop.build()
    assert develop(shop).decisions == {"counter": "execute"}
    assert_right(shop)


def test_what_provably_has_no_hook_is_cloned(shop: Shop) -> None:
    counted(shop, "")
    shop.write(
        "models/models.yml",
        """
        models:
          - name: reader
            description: what it reads
            config: {tags: [daily], contract: {enforced: true}, on_schema_change: fail, state: {lag_tolerance: 0s}}
            columns: [{name: n, data_type: bigint, data_tests: [unique]}]
        """,
    )
    shop.build()
    build = develop(shop)
    assert (build.decisions["counter"], build.decisions["reader"]) == ("clone", "clone")
    assert_right(shop)


@pytest.fixture
def trusting(open_shop: OpenShop, start_server: StartServer) -> Shop:
    """A shop whose server takes every hook for one that leaves a copy alone."""
    return open_shop(start_server(settings={"DBTSTATE_TRUST_HOOKS": "*"}))


def test_trusted_hooks_run_upon_copies(trusting: Shop) -> None:
    trusting.sql("create schema audit; create table audit.runs (at timestamptz default now())")
    counted(trusting, "insert into audit.runs default values")
    trusting.build()
    assert set(develop(trusting).decisions.values()) == {"clone"}
    assert_right(trusting)
    assert set(develop(trusting).decisions.values()) == {"no-op"}


@pytest.mark.parametrize("hook", [STEP, SILENT_STEP], ids=["named in the statement", "written while it is rendered"])
def test_a_trusted_hook_that_writes_to_a_copy_is_trusted_no_more(trusting: Shop, hook: str) -> None:
    """The copy is wrong once; the next run builds it, and no later one clones it, whatever has moved meanwhile."""
    counted(trusting, hook)
    trusting.build()
    assert develop(trusting).decisions["counter"] == "clone"
    assert trusting.table("counter", schema=DEVELOPMENT) != trusting.table("counter")

    assert develop(trusting).built == {"counter", "reader"}
    assert_right(trusting)
    for amount in (40, 50):
        trusting.sql("insert into raw.orders values (%s, 3, 40, now())", amount)
        trusting.build()
        assert develop(trusting).decisions["counter"] == "execute"
        assert_right(trusting)


def test_a_node_may_be_named_whose_hooks_are_trusted(open_shop: OpenShop, start_server: StartServer) -> None:
    settings = {"DBTSTATE_TRUST_HOOKS": "model.shop.read*", "DBTSTATE_NEVER_REUSE": "*.prod.counter"}
    shop = counted(open_shop(start_server(settings=settings)), "select 1")
    shop.edit(
        "models/reader.sql", "select n", "{{ config(post_hook='select 1', materialized='table') }} select 1 as n --"
    )
    shop.build()
    assert shop.build().decisions == {"counter": "execute", "reader": "no-op"}
    assert develop(shop).decisions == {"counter": "execute", "reader": "clone"}


def test_nothing_is_always_built_where_the_owner_says_so(open_shop: OpenShop, start_server: StartServer) -> None:
    """The hook of this package writes nothing that changes, so its tables are reused like any other."""
    shop = open_shop(start_server(settings={"DBTSTATE_NEVER_REUSE": ""}))
    install_evaluator(shop)
    shop.write(
        "dbt_packages/dbt_project_evaluator/models/stg_nodes.sql",
        "{{ config(post_hook='select 1') }} select cast('one' as text) as unique_id",
    )
    shop.build()
    assert shop.build().built == set()
