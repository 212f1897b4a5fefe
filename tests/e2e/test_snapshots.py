"""Snapshots keep history that no rebuild brings back: they run whenever anything about them may have changed."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.shop import Shop

CHECKING = """
    snapshots:
      - name: order_history
        relation: source('raw', 'orders')
        config: {unique_key: id, strategy: check, check_cols: [amount]}
"""
ONLY = ("-s", "order_history")


@pytest.fixture
def recorded(shop: Shop) -> Shop:
    """A shop with a snapshot that has run."""
    return with_snapshot(shop)


def with_snapshot(shop: Shop) -> Shop:
    shop.write("snapshots/order_history.yml", CHECKING)
    assert shop.build(*ONLY).built == {"order_history"}
    return shop


def versions(shop: Shop) -> int:
    ((count,),) = shop.sql("select count(*) from prod.order_history")
    assert isinstance(count, int)
    return count


def test_an_unchanged_snapshot_does_not_run_again(recorded: Shop) -> None:
    assert recorded.build(*ONLY).decisions == {"order_history": "no-op"}


def test_changed_rows_are_recorded_once(recorded: Shop) -> None:
    recorded.sql("update raw.orders set amount = 11 where id = 1")
    assert recorded.build(*ONLY).built == {"order_history"}
    assert recorded.build(*ONLY).built == set()
    assert versions(recorded) == 4


def test_a_change_outside_the_checked_columns_is_looked_at_once(recorded: Shop) -> None:
    recorded.sql("update raw.orders set customer_id = 3 where id = 1")
    assert recorded.build(*ONLY).built == {"order_history"}
    assert recorded.build(*ONLY).built == set()
    assert versions(recorded) == 3


CHANGES = {
    "check_cols": ("check_cols: [amount]", "check_cols: [amount, customer_id]"),
    "strategy": ("strategy: check, check_cols: [amount]", "strategy: timestamp, updated_at: ordered_at"),
    "hard_deletes": ("strategy: check", "strategy: check, hard_deletes: invalidate"),
}


@pytest.mark.parametrize("setting", ["configs", "ignore"])
def test_a_changed_way_of_taking_a_snapshot_runs_it_whatever_the_server_is_told(
    open_shop: OpenShop, start_server: StartServer, setting: str
) -> None:
    shop = with_snapshot(open_shop(start_server(settings={"DBTSTATE_BUILD_ON": setting})))
    for change, (old, new) in CHANGES.items():
        shop.write("snapshots/order_history.yml", CHECKING)
        shop.edit("snapshots/order_history.yml", old, new)
        assert shop.build(*ONLY).built == {"order_history"}, change
        assert shop.build(*ONLY).built == set(), change


def test_a_snapshot_under_full_refresh_keeps_its_history(recorded: Shop) -> None:
    recorded.sql("update raw.orders set amount = 11 where id = 1")
    assert recorded.build(*ONLY, "--full-refresh").built == {"order_history"}
    assert versions(recorded) == 4
    recorded.sql("update raw.orders set amount = 12 where id = 1")
    assert recorded.build(*ONLY, "--full-refresh").built == {"order_history"}
    assert versions(recorded) == 5


def test_a_snapshot_that_somebody_else_changed_runs_again(recorded: Shop) -> None:
    recorded.sql("update prod.order_history set amount = 99 where id = 1")
    recorded.sql("update vanilla.order_history set amount = 99 where id = 1")
    assert recorded.build(*ONLY).built == {"order_history"}
    assert versions(recorded) == 4


def test_a_full_refresh_of_an_unchanged_snapshot_runs_nothing_then_or_later(recorded: Shop) -> None:
    """dbt takes a snapshot the same way under --full-refresh."""
    assert recorded.build(*ONLY, "--full-refresh").decisions == {"order_history": "no-op"}
    recorded.sql("update raw.orders set amount = 11 where id = 1")
    assert recorded.build(*ONLY, "--full-refresh").built == {"order_history"}
    assert recorded.build(*ONLY).decisions == {"order_history": "no-op"}
