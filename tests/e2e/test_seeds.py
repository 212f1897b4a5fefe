"""Seeds are loaded again when their rows or the way they are loaded change."""

from __future__ import annotations

import pytest
from tests.e2e.shop import Shop

REGIONS = "code,name\n1,North\n2,South\n"
MORE_REGIONS = REGIONS + "3,East\n"


@pytest.fixture
def seeded(shop: Shop) -> Shop:
    """A shop with a seed and a model that reads it, both built; nothing else is selected."""
    shop.write("seeds/regions.csv", REGIONS)
    shop.write("models/region_names.sql", "select upper(name) as name from {{ ref('regions') }}")
    shop.remove("models/customer_names.sql")
    for model in ("customer_totals", "order_totals", "stg_orders"):
        shop.remove(f"models/{model}.sql")
    assert shop.build().built == {"regions", "region_names"}
    return shop


def test_an_unchanged_seed_is_not_loaded_again(seeded: Shop) -> None:
    assert seeded.build().decisions == {"regions": "no-op", "region_names": "no-op"}


def test_a_changed_seed_is_loaded_and_so_it_is_when_the_change_is_taken_back(seeded: Shop) -> None:
    for rows in (MORE_REGIONS, REGIONS):
        seeded.write("seeds/regions.csv", rows)
        assert seeded.build().built == {"regions", "region_names"}
        assert seeded.build().built == set()


def test_changed_column_types_load_a_seed_again(seeded: Shop) -> None:
    seeded.write("seeds/seeds.yml", "seeds: [{name: regions, config: {column_types: {code: varchar(8)}}}]")
    assert seeded.build().built == {"regions", "region_names"}
    assert seeded.build().built == set()


def test_a_seed_that_somebody_else_changed_is_loaded_again(seeded: Shop) -> None:
    seeded.sql("update prod.regions set name = 'West'")
    assert "regions" in seeded.build().built


def test_a_dropped_seed_is_loaded_again(seeded: Shop) -> None:
    seeded.sql("drop table prod.regions")
    assert "regions" in seeded.build().built


def test_lag_tolerance_does_not_apply_to_a_changed_seed_or_hide_it_from_its_reader(seeded: Shop) -> None:
    seeded.use_default_lag_tolerance()
    seeded.write("seeds/regions.csv", MORE_REGIONS)
    assert seeded.build().built == {"regions", "region_names"}
