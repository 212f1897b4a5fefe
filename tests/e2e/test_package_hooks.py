"""Packages whose hooks write what no query says: always as plain dbt would leave them."""

from __future__ import annotations

import pytest
from tests.e2e.packages import install_elementary, install_evaluator
from tests.e2e.shop import DEVELOPMENT, TARGET, TWIN, Shop

RUN_HOOKS = {"RUN_CACHE_RUN_HOOKS_ON_NO_OP": "true"}


@pytest.fixture
def small(shop: Shop) -> Shop:
    """A shop with a single model of its own."""
    for model in ("customer_totals", "order_totals", "stg_orders"):
        shop.remove(f"models/{model}.sql")
    return shop


@pytest.mark.parametrize("environment", [{}, RUN_HOOKS], ids=["hooks run with builds", "hooks run on reuse, too"])
def test_tables_that_a_hook_fills_from_the_graph_follow_it(small: Shop, environment: dict[str, str]) -> None:
    small.environment |= environment
    install_evaluator(small)
    for _ in range(3):
        small.build()
    small.write("models/one_more.sql", "select 1 as one")
    small.build()
    assert ("model.shop.one_more", 1) in small.table("fct_nodes")
    assert len(small.table("stg_nodes")) == 4
    assert "customer_names" not in small.build().built


def test_tables_that_a_hook_fills_are_not_cloned(small: Shop) -> None:
    install_evaluator(small)
    small.build()
    for _ in range(3):
        small.dbt("build", target=DEVELOPMENT).assert_succeeded()
        assert small.contents(DEVELOPMENT) == small.contents(TARGET) == small.contents(TWIN)


def test_tables_that_a_run_fills_at_its_end_follow_it(small: Shop) -> None:
    install_elementary(small)
    for _ in range(3):
        small.build()
    small.write("models/one_more.sql", "select 1 as one")
    build = small.build()
    assert ("model.shop.one_more",) in small.table("dbt_models")
    assert build.decisions["customer_names"] == "no-op"
    assert len(small.table("run_results")) == 4
