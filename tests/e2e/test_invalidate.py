"""A change that no evidence shows is brought in by forgetting what reads it, and that alone; held against a vanilla build."""

from __future__ import annotations

from tests.cli.commands import run
from tests.e2e.shop import Shop


def lose_an_older_order(shop: Shop) -> None:
    """The table's epoch is that of its youngest row, so that nothing tells."""
    shop.sql("delete from raw.orders where id = 1")


def invalidate(shop: Shop, table: str) -> None:
    pattern = f"{shop.database.name}.prod.{table}"
    assert run("state", "invalidate", pattern, "--yes", environment=shop.server.store).returncode == 0


def test_what_reads_a_forgotten_table_is_rebuilt_with_it(shop: Shop) -> None:
    shop.build()
    lose_an_older_order(shop)
    invalidate(shop, "order_totals")

    assert shop.build().built == {"order_totals", "customer_totals"}
    assert shop.build().built == set()


def test_the_content_from_before_is_not_found_again_by_a_later_build(shop: Shop) -> None:
    """What reads the forgotten table is left out at first; then that table is lost, and built again."""
    shop.build()
    lose_an_older_order(shop)
    invalidate(shop, "order_totals")
    shop.dbt("build", "-s", "order_totals")
    shop.sql("drop table prod.order_totals cascade")

    assert shop.build().built == {"order_totals", "customer_totals"}


def test_early_cut_off_works_again_after_it(shop: Shop) -> None:
    shop.build()
    invalidate(shop, "order_totals")
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    shop.dbt("build", "-s", "order_totals")
    shop.edit("models/order_totals.sql", "sum(amount) * 2", "sum(amount)")

    assert shop.build().built == {"order_totals"}
