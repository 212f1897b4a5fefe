"""Seeds are loaded again when their rows or the way they are loaded change."""

from __future__ import annotations

import pytest
from tests.e2e.build import Build
from tests.e2e.shop import DEVELOPMENT, TWIN, Shop

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


def develop(shop: Shop, *, clean: bool = True) -> Build:
    """`dbt build` into development, and by plain dbt into the empty twin schema, held against each other."""
    build = shop.dbt("build", target=DEVELOPMENT, clean=clean)
    build.assert_succeeded()
    shop.vanilla("build")
    assert shop.contents(DEVELOPMENT) == shop.contents(TWIN)
    return build


@pytest.fixture
def once_empty(shop: Shop) -> Shop:
    """A shop whose seed was loaded while its file had no rows, which gave it integer columns, and again with fractions."""
    shop.remove("models/customer_names.sql")
    for model in ("customer_totals", "order_totals", "stg_orders"):
        shop.remove(f"models/{model}.sql")
    shop.write("seeds/rates.csv", "code,rate\n")
    shop.write("models/rate_list.sql", "select rate from {{ ref('rates') }}")
    shop.dbt("build").assert_succeeded()
    shop.write("seeds/rates.csv", "code,rate\n1,1.5\n2,2.25\n")
    shop.dbt("build").assert_succeeded()
    assert [int(rate) for (rate,) in shop.table("rate_list")] == [2, 2]
    return shop


def test_a_seed_that_was_empty_at_its_first_load_is_not_cloned(once_empty: Shop) -> None:
    once_empty.dbt("build").assert_succeeded()
    build = develop(once_empty, clean=False)
    assert build.built == {"rates", "rate_list"}
    assert [float(rate) for (rate,) in once_empty.table("rate_list", schema=DEVELOPMENT)] == [1.5, 2.25]
    assert develop(once_empty).built == set()


def test_a_seed_that_was_loaded_once_is_cloned_with_what_reads_it(seeded: Shop) -> None:
    build = develop(seeded)
    assert build.decisions == {"regions": "clone", "region_names": "clone"}
    assert set(develop(seeded).decisions.values()) == {"no-op"}


def test_a_seed_that_was_dropped_and_loaded_anew_is_cloned(seeded: Shop) -> None:
    seeded.write("seeds/regions.csv", MORE_REGIONS)
    seeded.sql("drop table prod.regions")
    seeded.build()
    assert develop(seeded).decisions == {"regions": "clone", "region_names": "clone"}
