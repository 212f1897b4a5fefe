"""What does not change the result of a build is not built again."""

from __future__ import annotations

from tests.e2e.shop import Shop


def test_an_unchanged_project_is_not_built_again(shop: Shop) -> None:
    first = shop.build()
    assert first.decisions == {
        "stg_orders": "not asked",
        "order_totals": "execute",
        "customer_totals": "execute",
    }
    second = shop.build()
    assert second.decisions == {
        "stg_orders": "not asked",
        "order_totals": "no-op",
        "customer_totals": "no-op",
    }
    assert [(name, int(total)) for _, name, total in shop.table("customer_totals")] == [
        ("Ada", 30),
        ("Grace", 30),
        ("Edsger", 0),
    ]
