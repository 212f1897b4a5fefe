"""Hooks: their effects are never lost unnoticed, and on reuse they run when they are asked to."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.shop import Shop

ONLY = ("-s", "customer_names")
TOUCH = "update {{ this }} set name = name || '!'"
LOG = "insert into audit.runs default values"


def with_hook(shop: Shop, hook: str | None) -> None:
    """Write the model anew with `hook` after it."""
    config = f'config(materialized="table", post_hook="{hook}")' if hook else 'config(materialized="table")'
    shop.write(
        "models/customer_names.sql",
        f"""
        {{{{ {config} }}}}
        select id, upper(name) as name from {{{{ source("raw", "customers") }}}}
        """,
    )


def runs_logged(shop: Shop) -> int:
    return len(shop.sql("select * from audit.runs"))


@pytest.fixture
def audited(shop: Shop) -> Shop:
    """A shop with a table that hooks write to."""
    shop.sql("create schema audit; create table audit.runs (at timestamptz default now())")
    return shop


def test_a_hook_that_is_added_changed_or_removed_builds_its_model(audited: Shop) -> None:
    with_hook(audited, None)
    audited.build(*ONLY)
    for hook in (LOG, TOUCH, None):
        with_hook(audited, hook)
        assert audited.build(*ONLY).built == {"customer_names"}, hook


def test_hooks_do_not_run_on_reuse(audited: Shop) -> None:
    with_hook(audited, LOG)
    for _ in range(3):
        audited.dbt("build", *ONLY).assert_succeeded()
    assert runs_logged(audited) == 1


def test_hooks_run_on_reuse_where_they_are_asked_to(audited: Shop) -> None:
    audited.environment["RUN_CACHE_RUN_HOOKS_ON_NO_OP"] = "true"
    with_hook(audited, LOG)
    assert audited.dbt("build", *ONLY).decisions == {"customer_names": "execute"}
    for _ in range(2):
        assert audited.dbt("build", *ONLY).decisions == {"customer_names": "no-op"}
    assert runs_logged(audited) == 3


def test_a_hook_that_writes_to_the_reused_table_is_no_foreign_write(shop: Shop) -> None:
    shop.environment["RUN_CACHE_RUN_HOOKS_ON_NO_OP"] = "true"
    with_hook(shop, TOUCH)
    assert shop.dbt("build", *ONLY).decisions == {"customer_names": "execute"}
    for marks in (2, 3):
        assert shop.dbt("build", *ONLY).decisions == {"customer_names": "no-op"}
        assert {name.count("!") for _, name in shop.table("customer_names")} == {marks}
    shop.sql("update prod.customer_names set name = 'x'")
    assert shop.dbt("build", *ONLY).decisions == {"customer_names": "execute"}


def test_a_hook_on_a_reused_seed_is_no_foreign_write(shop: Shop) -> None:
    shop.environment["RUN_CACHE_RUN_HOOKS_ON_NO_OP"] = "true"
    shop.write("seeds/regions.csv", "code,name\n1,North\n")
    shop.write(
        "seeds/seeds.yml",
        """seeds: [{name: regions, config: {post_hook: "update {{ this }} set name = name || '!'"}}]""",
    )
    assert shop.dbt("build", "-s", "regions").decisions == {"regions": "execute"}
    for _ in range(2):
        assert shop.dbt("build", "-s", "regions").decisions == {"regions": "no-op"}


def test_a_table_that_was_written_before_its_hook_failed_is_built_again(shop: Shop) -> None:
    with_hook(shop, None)
    shop.build(*ONLY)
    shop.write(
        "models/customer_names.sql",
        """
        {{ config(post_hook={"sql": "select 1 / 0", "transaction": false}) }}
        select id, lower(name) as name from {{ source("raw", "customers") }}
        """,
    )
    assert shop.build(*ONLY).decisions == {"customer_names": "failed"}
    assert ("ada",) in shop.sql("select name from prod.customer_names")
    with_hook(shop, None)
    assert shop.build(*ONLY).built == {"customer_names"}


def test_a_changed_hook_may_be_ignored(open_shop: OpenShop, start_server: StartServer) -> None:
    shop = open_shop(start_server(settings={"DBTSTATE_BUILD_ON": "ignore"}))
    with_hook(shop, None)
    shop.build(*ONLY)
    with_hook(shop, "select 1")
    assert shop.build(*ONLY).built == set()
