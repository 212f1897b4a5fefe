"""Tables of production, copied into development before they are built upon there."""

from __future__ import annotations

import pytest
from tests.e2e.build import Build
from tests.e2e.shop import DEVELOPMENT, TARGET, TWIN, Shop

ORDER_LOG = """
    {{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="id",
              indexes=[{"columns": ["id"], "unique": true}]) }}
    select id, customer_id, amount from {{ source("raw", "orders") }}
    {% if is_incremental() %}
    where id > (select max(id) from {{ this }})
    {% endif %}
"""
ORDER_HISTORY = """
    snapshots:
      - name: order_history
        relation: source('raw', 'orders')
        config: {unique_key: id, strategy: check, check_cols: [amount]}
"""
BOTH = {"order_log", "order_history"}
ONLY = ("-s", *sorted(BOTH))


@pytest.fixture
def warm(shop: Shop) -> Shop:
    """A shop whose production has an incremental model and a snapshot, each run twice."""
    shop.write("models/order_log.sql", ORDER_LOG)
    shop.write("snapshots/order_history.yml", ORDER_HISTORY)
    for _ in range(2):
        shop.build(*ONLY)
    return shop


def develop(shop: Shop, *arguments: str) -> Build:
    """`dbt build` into development."""
    build = shop.dbt("build", *(arguments or ONLY), target=DEVELOPMENT)
    build.assert_succeeded()
    return build


def assert_equal(shop: Shop, one: str, other: str) -> None:
    """Two schemas hold the same rows of both."""
    contents, others = shop.contents(one), shop.contents(other)
    assert {name: contents[name] for name in BOTH} == {name: others[name] for name in BOTH}


def indexes(shop: Shop, schema: str) -> list[str]:
    """What a schema's indexes index, and how."""
    query = "select tablename || split_part(indexdef, ' USING ', 2) from pg_indexes where schemaname = %s order by 1"
    return [definition for (definition,) in shop.sql(query, schema)]


def test_an_empty_development_gets_copies_with_their_indexes_and_builds_nothing(warm: Shop) -> None:
    assert set(develop(warm).decisions.values()) == {"clone"}
    assert_equal(warm, DEVELOPMENT, TARGET)
    assert len(indexes(warm, TARGET)) == 1
    assert indexes(warm, DEVELOPMENT) == indexes(warm, TARGET)
    assert set(develop(warm).decisions.values()) == {"no-op"}


def test_new_rows_are_added_to_the_copy(warm: Shop) -> None:
    warm.sql("insert into raw.orders values (4, 3, 40, now()); update raw.orders set amount = 11 where id = 1")
    assert develop(warm).built == BOTH
    warm.build(*ONLY)
    assert_equal(warm, DEVELOPMENT, TARGET)
    assert_equal(warm, DEVELOPMENT, TWIN)
    assert develop(warm).built == set()


def test_an_edited_incremental_model_is_run_upon_the_copy(warm: Shop) -> None:
    warm.edit("models/order_log.sql", "where id >", "where id >=")
    assert develop(warm).decisions == {"order_log": "execute", "order_history": "clone"}
    assert_equal(warm, DEVELOPMENT, TARGET)
    assert develop(warm).built == set()


def test_what_somebody_else_wrote_to_production_is_copied_and_proves_nothing(warm: Shop) -> None:
    warm.sql("update prod.order_log set amount = 99 where id = 1")
    build = develop(warm)
    assert build.decisions == {"order_log": "execute", "order_history": "clone"}
    assert "its source had been modified outside of recorded builds" in build.reasons["order_log"]
    assert_equal(warm, DEVELOPMENT, TARGET)
    assert develop(warm).built == set()


def test_a_table_on_no_record_is_copied_and_built_upon(warm: Shop) -> None:
    warm.sql("alter table prod.order_log rename to old_log")
    warm.sql("create table prod.order_log as select * from prod.old_log where id = 1")
    assert "order_log" in develop(warm).built
    assert warm.table("order_log", schema=DEVELOPMENT) == warm.table("old_log")


def test_a_copy_of_its_own_in_every_run_if_so_configured(warm: Shop) -> None:
    warm.environment["RUN_CACHE_CLONE_INCREMENTAL_IN_DEV"] = "always"
    develop(warm)
    warm.sql("delete from dev.order_log")
    assert set(develop(warm).decisions.values()) == {"clone"}
    assert_equal(warm, DEVELOPMENT, TARGET)


def test_a_table_that_a_view_stands_on_is_filled_anew_by_a_copy(warm: Shop) -> None:
    warm.environment["RUN_CACHE_CLONE_INCREMENTAL_IN_DEV"] = "always"
    develop(warm)
    warm.sql("create view dev.reader as select amount from dev.order_history")
    warm.sql("update raw.orders set amount = 11 where id = 1")
    warm.build(*ONLY)
    assert develop(warm, *ONLY).decisions["order_history"] == "clone"
    assert_equal(warm, DEVELOPMENT, TARGET)
    assert (11,) in warm.table("reader", schema=DEVELOPMENT)


@pytest.mark.parametrize("where", ["the environment", "the project"])
def test_nothing_is_copied_where_none_is_wanted(warm: Shop, where: str) -> None:
    if where == "the environment":
        warm.environment["RUN_CACHE_CLONE_INCREMENTAL_IN_DEV"] = "never"
    else:
        warm.edit("models/order_log.sql", 'unique_key="id",', 'unique_key="id", state={"pre_clone": "never"},')
    warm.sql("update prod.order_log set amount = 99 where id = 1")
    build = develop(warm, "-s", "order_log")
    assert build.reasons["order_log"] == "model was executed because its table does not exist"
    assert warm.table("order_log", schema=DEVELOPMENT) != warm.table("order_log")


def test_nothing_is_copied_where_clones_are_not_allowed(warm: Shop) -> None:
    warm.environment["RUN_CACHE_ALLOW_CLONES"] = "false"
    assert develop(warm).built == BOTH


def test_a_grant_is_applied_to_the_copy_by_a_build(warm: Shop) -> None:
    warm.sql("do $$ begin create role reporter; exception when duplicate_object then null; end $$")
    warm.edit("models/order_log.sql", 'unique_key="id",', 'unique_key="id", grants={"select": ["reporter"]},')
    warm.build(*ONLY)
    assert "order_log" in develop(warm).built
    assert warm.sql("select has_table_privilege('reporter', 'dev.order_log', 'select')") == [(True,)]


def test_what_reads_the_copy_reads_what_production_would_read(warm: Shop) -> None:
    warm.write(
        "models/log_size.sql", """{{ config(materialized="table") }} select count(*) from {{ ref("order_log") }}"""
    )
    everything = ("-s", "order_log", "log_size")
    warm.build(*everything)
    build = develop(warm, *everything)
    assert build.decisions["order_log"] == "clone"
    assert warm.table("log_size", schema=DEVELOPMENT) == warm.table("log_size")
    assert develop(warm, *everything).built == set()
