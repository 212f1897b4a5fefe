"""The client's write-only mode: nothing is asked, everything is built and recorded."""

from __future__ import annotations

from tests.e2e.shop import Shop

WRITE_ONLY = {"RUN_CACHE_CACHE_MODE": "WRITE_ONLY"}
MODELS = {"order_totals", "customer_totals", "customer_names"}


def test_what_was_built_in_write_only_mode_is_reused_later(shop: Shop) -> None:
    shop.write("seeds/regions.csv", "code,name\n1,North\n")
    for _ in range(2):
        build = shop.build(environment=WRITE_ONLY)
        assert set(build.decisions.values()) == {"not asked"}
    assert shop.build().built == set()


def test_write_only_mode_forces_a_build_and_leaves_it_proven(shop: Shop) -> None:
    shop.build()
    shop.sql("update prod.order_totals set total = 0")
    shop.build("-s", "order_totals", environment=WRITE_ONLY)
    assert "order_totals" not in shop.build().built


def test_an_edit_after_a_write_only_build_is_built(shop: Shop) -> None:
    shop.build(environment=WRITE_ONLY)
    shop.edit("models/order_totals.sql", "sum(amount)", "max(amount)")
    assert shop.build().built == {"order_totals", "customer_totals"}
