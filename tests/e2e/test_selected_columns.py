"""With `compare_selected_columns` what changes in columns that nobody reads builds nobody; whatever else changes does."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import OpenShop
from tests.e2e.server import StateServer
from tests.e2e.shop import Shop

OPTION = {"RUN_CACHE_COMPARE_SELECTED_COLUMNS": "true"}
ORDER_TOTALS = "models/order_totals.sql"
NEW_COLUMN = ("count(*) as orders", "count(*) as orders, max(amount) as largest")


@pytest.fixture
def shop(open_shop: OpenShop, server: StateServer) -> Shop:
    """A shop that compares selected columns; `customer_totals` names the columns that it reads of `order_totals`."""
    shop = open_shop(server)
    shop.environment |= OPTION
    return shop


def test_a_new_column_builds_nobody_who_names_other_columns(shop: Shop) -> None:
    shop.build()
    shop.edit(ORDER_TOTALS, *NEW_COLUMN)
    assert shop.build().built == {"order_totals"}
    assert shop.build().built == set()
