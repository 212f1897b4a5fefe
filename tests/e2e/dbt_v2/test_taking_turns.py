"""The Python client and dbt v2 take turns on one project, one database and one server.

The Python client takes the database for PostgreSQL, so that each client has records of its own and finds the other's writes.
Where both report the same warehouse, `tests/application/test_mixed_clients.py` covers what they share.
"""

from __future__ import annotations

import pytest
from tests.e2e.dbt_v2.clients import why_not_here
from tests.e2e.dbt_v2.v2_shop import V2Shop

pytestmark = pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))

MODELS = {"order_totals", "customer_totals"}
TABLES = {*MODELS, "customer_names"}


def by_python(v2: V2Shop) -> set[str]:
    """What the Python client builds; the twin is plain dbt v2's."""
    build = v2.shop.dbt("build")
    build.assert_succeeded()
    v2.vanilla("build")
    v2.shop.assert_as_vanilla()
    return build.built


def test_each_client_finds_the_others_work_and_neither_skips_wrongly(v2: V2Shop) -> None:
    assert v2.build().built == {"stg_orders", *TABLES}
    assert by_python(v2) == TABLES
    assert by_python(v2) == set()
    v2.shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) + 1")
    assert v2.build().built >= TABLES
    assert v2.build().built == set()
    v2.shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert by_python(v2) == TABLES
    assert by_python(v2) == set()
    v2.shop.edit("models/order_totals.sql", "sum(amount) + 1", "sum(amount)")
    assert by_python(v2) == MODELS
    assert v2.build().built >= TABLES
    v2.shop.sql("update prod.customer_names set name = ''")
    assert "customer_names" in by_python(v2)
    assert "customer_names" in v2.build().built
