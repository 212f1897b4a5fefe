"""Models whose query returns no rows and whose table a hook fills, as published packages write them (rule L14)."""

from __future__ import annotations

import pytest
from tests.e2e.shop import DEVELOPMENT, TARGET, Shop

QUERIES = {
    "where false": "select cast(null as integer) as id where false",
    "limit 0": "select cast(null as integer) as id limit 0",
    "a common table": "with nothing as (select 1 as one) select cast(null as integer) as id from nothing where 1 = 0",
}


def with_an_empty_model(shop: Shop, query: str, materialized: str = "table") -> None:
    """A model that a hook fills from a table of which the client does not know, and a model that reads it."""
    shop.sql("create schema graph; create table graph.things (id integer); insert into graph.things values (1)")
    hook = "insert into {{ this }} select id from graph.things"
    shop.write("models/things.sql", f'{{{{ config(materialized="{materialized}", post_hook="{hook}") }}}}\n{query}\n')
    shop.write("models/thing_count.sql", 'select count(*) as things from {{ ref("things") }}')


ONLY = ("-s", "things", "thing_count")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_table_that_a_hook_fills_is_filled_anew_by_every_run(shop: Shop, query: str) -> None:
    with_an_empty_model(shop, query)
    shop.build(*ONLY)
    shop.sql("insert into graph.things values (2)")
    build = shop.build(*ONLY)
    assert build.built == {"things", "thing_count"}
    assert "its query returns no rows, so it is always built: a hook may fill its table" in build.reasons["things"]
    assert shop.table("thing_count") == [(2,)]


def test_it_is_never_copied_into_development(shop: Shop) -> None:
    with_an_empty_model(shop, QUERIES["where false"])
    shop.build(*ONLY)
    for _ in range(2):
        build = shop.dbt("build", *ONLY, target=DEVELOPMENT)
        build.assert_succeeded()
        assert "things" in build.built
        assert shop.contents(DEVELOPMENT) == shop.contents(TARGET)
