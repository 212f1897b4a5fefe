"""What a build reads without a name that the client reports (rules F3 and L16): it is built each time."""

from __future__ import annotations

import pytest
from tests.e2e.shop import DEVELOPMENT, Shop

HEADER = """{{ config(materialized="table") }}
{% call set_sql_header(config) %}
select set_config('my.total', (select sum(amount)::text from raw.orders), true);
{% endcall %}
select id, current_setting('my.total')::numeric as total from {{ source('raw', 'customers') }}
"""
PREDICATES = """{{ config(
    materialized="incremental", unique_key="id", incremental_strategy="delete+insert",
    incremental_predicates=["id > (select c.id from raw.cutoff as c)"]
) }}
select id, name from {{ source('raw', 'customers') }}
"""


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.sql("create table raw.cutoff (id integer); insert into raw.cutoff values (0)")
    return shop


@pytest.mark.parametrize(
    ("model", "change"),
    [(HEADER, "update raw.orders set amount = amount * 2"), (PREDICATES, "update raw.cutoff set id = 2")],
    ids=["a header", "predicates"],
)
def test_sql_beside_the_query_may_read_a_table(shop: Shop, model: str, change: str) -> None:
    shop.write("models/beside.sql", model)
    shop.build("-s", "beside")
    shop.sql("insert into raw.customers values (9, 'Ina')")
    shop.build("-s", "beside")
    shop.sql(change)
    again = shop.build("-s", "beside")
    assert again.built == {"beside"}
    assert "may read tables" in again.reasons["beside"]


def test_a_table_without_its_schema_is_what_the_session_says(shop: Shop) -> None:
    shop.sql("create table public.events as select 0 as id; create table raw.events as select 1 as id")
    shop.sql(f'alter database "{shop.database.name}" set search_path = raw, public')
    shop.write("models/listed.sql", "select id from events")
    shop.build("-s", "listed")
    shop.sql("insert into raw.events values (2)")
    again = shop.build("-s", "listed")
    assert again.built == {"listed"}
    assert "events (named without its schema)" in again.reasons["listed"]
    copied = shop.dbt("build", "-s", "listed", target=DEVELOPMENT)
    assert copied.built == {"listed"}
