"""A developer's target that reads from production what it does not build."""

from __future__ import annotations

from tests.e2e.shop import DEVELOPMENT, Shop


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
