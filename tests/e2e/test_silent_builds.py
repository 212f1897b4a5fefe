"""Silent builds: an incremental or a snapshot runs without writing a row, so its epoch does not move, but its table changed.

On PostgreSQL a table's epoch is the youngest commit among its live rows. `ALTER TABLE` and a `DELETE` leave it where it is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.e2e.shop import Shop

LOG = """
    {{{{ config(materialized="incremental", incremental_strategy="append"{options}) }}}}
    select {columns} from {{{{ source("raw", "orders") }}}}
    {{% if is_incremental() %}}
    where id > (select max(id) from {{{{ this }}}})
    {{% endif %}}
"""
ADD_COLUMNS = ', on_schema_change="append_new_columns"'
DELETING = ', post_hook="delete from {{ this }} where id = 1"'
DELETING_BY_TABLE = ', post_hook="delete from {{ this }} where id in (select id from raw.withdrawn)"'
SNAPSHOT = """
    snapshots:
      - name: order_history
        relation: source('raw', 'orders')
        config: {unique_key: id, strategy: check, check_cols: [amount]}
"""


def log(columns: str = "id, customer_id", options: str = "") -> str:
    return LOG.format(columns=columns, options=options)


def add_a_column(shop: Shop) -> None:
    shop.write("models/order_log.sql", log("id, customer_id, amount", ADD_COLUMNS))


def add_a_hook(shop: Shop) -> None:
    shop.write("models/order_log.sql", log(options=ADD_COLUMNS + DELETING))


@pytest.fixture
def logged(shop: Shop) -> Shop:
    """A shop with an incremental, readers of it, and nothing left to build."""
    for name in ("customer_names", "customer_totals", "order_totals", "stg_orders"):
        shop.remove(f"models/{name}.sql")
    shop.sql("create table raw.withdrawn (id integer)")
    shop.write("models/order_log.sql", log(options=ADD_COLUMNS))
    shop.write("models/everything.sql", "select * from {{ ref('order_log') }}")
    shop.write("models/counted.sql", "select count(*) as n from {{ ref('order_log') }}")
    return shop


def settle(shop: Shop) -> None:
    for _ in range(3):
        last = shop.build()
    assert last.built == set()


@pytest.mark.parametrize("change", [add_a_column, add_a_hook], ids=["a column", "a hook that deletes"])
def test_readers_of_an_incremental_that_wrote_no_row_are_built(logged: Shop, change: Callable[[Shop], None]) -> None:
    settle(logged)
    change(logged)

    assert logged.build().built == {"order_log", "everything", "counted"}
    assert logged.build().built == set()


def test_readers_are_built_in_a_later_run_too(logged: Shop) -> None:
    settle(logged)
    add_a_column(logged)
    assert logged.dbt("build", "-s", "order_log").built == {"order_log"}

    assert logged.build().built == {"everything", "counted"}


def test_a_reader_through_a_view_is_built(logged: Shop) -> None:
    logged.write("models/seen.sql", "{{ config(materialized='view') }} select * from {{ ref('order_log') }}")
    logged.write("models/everything.sql", "select * from {{ ref('seen') }}")
    settle(logged)
    add_a_hook(logged)

    assert logged.build().built == {"order_log", "everything", "counted"}


def test_a_data_test_runs_again(logged: Shop) -> None:
    logged.write(
        "tests/there_is_an_order_1.sql", "select 1 as n where (select min(id) from {{ ref('order_log') }}) > 1"
    )
    settle(logged)
    add_a_hook(logged)

    build = logged.build()

    assert build.statuses["there_is_an_order_1"] == "fail"


def test_a_reader_within_its_lag_tolerance_does_not_wait(logged: Shop) -> None:
    """Rule F5: changed logic upstream never waits."""
    settle(logged)
    logged.use_default_lag_tolerance()
    add_a_column(logged)

    assert logged.dbt("build").built == {"order_log", "everything", "counted"}
    logged.vanilla("build")
    logged.assert_as_vanilla()


def test_a_stale_reader_is_not_cloned(logged: Shop) -> None:
    settle(logged)
    add_a_hook(logged)
    logged.dbt("build", "-s", "order_log")

    build = logged.dbt("build", "-s", "counted", target="dev")

    assert build.decisions == {"counted": "execute"}
    assert logged.table("counted", schema="dev") == [(2,)]


def test_a_build_that_is_only_recorded_counts(logged: Shop) -> None:
    settle(logged)
    add_a_column(logged)
    logged.dbt("build", "-s", "order_log", environment={"RUN_CACHE_CACHE_MODE": "WRITE_ONLY"})

    assert logged.build().built >= {"everything", "counted"}


def test_an_unchanged_hook_may_delete_by_another_table(logged: Shop) -> None:
    """The source moves, no row passes the filter, and the hook deletes what somebody withdrew."""
    logged.write("models/order_log.sql", log(options=DELETING_BY_TABLE))
    settle(logged)
    logged.sql("insert into raw.withdrawn values (2)")
    logged.sql("update raw.orders set amount = amount + 1 where id = 1")

    assert logged.build().built == {"order_log", "everything", "counted"}


def test_a_header_may_delete_by_another_table(logged: Shop) -> None:
    """`sql_header` runs before the query of each run, and is no hook."""
    header = """{% call set_sql_header(config) %}
        {% if is_incremental() %} delete from {{ this }} where id in (select id from raw.withdrawn); {% endif %}
    {% endcall %}"""
    logged.write("models/order_log.sql", log() + header)
    settle(logged)
    logged.sql("insert into raw.withdrawn values (2)")
    logged.sql("update raw.orders set amount = amount + 1 where id = 1")

    assert logged.build().built == {"order_log", "everything", "counted"}


def test_an_incremental_without_hooks_that_adds_no_row_builds_nothing_else(logged: Shop) -> None:
    logged.write("models/order_log.sql", log())
    settle(logged)
    logged.sql("update raw.orders set amount = amount + 1 where id = 1")

    assert logged.build().built == {"order_log"}
    assert logged.build().built == set()


def test_the_second_run_of_an_incremental_builds_no_reader(logged: Shop) -> None:
    """Its text differs from the first run's by what `is_incremental()` adds."""
    logged.write("models/order_log.sql", log())
    logged.build()

    assert logged.build().built == {"order_log"}


def test_a_snapshot_that_takes_over_a_new_column_builds_its_readers(shop: Shop) -> None:
    shop.write("snapshots/order_history.yml", SNAPSHOT)
    shop.write("models/everything.sql", "select * from {{ ref('order_history') }}")
    selection = ("-s", "order_history", "everything")
    for _ in range(2):
        shop.build(*selection)
    shop.sql("alter table raw.orders add column note text")
    shop.sql("update raw.orders set note = 'gift' where id = 1")

    build = shop.dbt("build", *selection)
    shop.vanilla("build", *selection)

    assert build.built == {"order_history", "everything"}
    columns = "select column_name from information_schema.columns where table_schema = %s and table_name = 'everything'"
    assert ("note",) in shop.sql(columns, "prod")


def test_an_incremental_that_was_a_table_before_builds_its_readers(logged: Shop) -> None:
    """Its readers were built while it was a table."""
    logged.write("models/order_log.sql", "select id, customer_id from {{ source('raw', 'orders') }}")
    settle(logged)
    add_a_column(logged)

    assert logged.build().built == {"order_log", "everything", "counted"}
