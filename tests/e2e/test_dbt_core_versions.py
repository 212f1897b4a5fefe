"""The newest Python client in every dbt-core that it supports, on every Python that these run on: a short scenario."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import ProcessOf
from tests.e2e.generations import REQUIREMENTS
from tests.e2e.shop import Shop
from tests.installing import found_python, python_with

MODELS = {"order_totals", "customer_totals"}

TESTED = [("1.8", "3.10"), ("1.9", "3.11"), ("1.10", "3.12"), ("1.11", "3.13"), ("1.12", "3.10"), ("1.12", "3.13")]
"""dbt-core and Python. The other scenarios run on 1.11 and the Python of the suite."""


@pytest.mark.parametrize(("dbt_core", "python"), TESTED)
def test_a_project_is_built_once_and_then_only_what_changed(
    shop: Shop, process_of: ProcessOf, dbt_core: str, python: str
) -> None:
    base = found_python(python)
    if base is None:
        pytest.skip(f"there is no Python {python} on this machine")
    shop.client = process_of(python_with(REQUIREMENTS / f"dbt-core-{dbt_core}.txt", base))
    shop.write("tests/none_negative.sql", 'select * from {{ ref("order_totals") }} where total < 0')
    assert shop.build().built == {*MODELS, "customer_names", "none_negative"}
    assert shop.build().built == set()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) + 1")
    assert shop.build().built == {*MODELS, "none_negative"}
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert shop.build().built == {*MODELS, "none_negative"}
