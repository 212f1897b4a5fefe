"""Tables that are copied from production, because they provably hold what a build would make."""

from __future__ import annotations

import pytest
from tests.e2e.build import Build
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.gate import ClosedGate
from tests.e2e.shop import DEVELOPMENT, TARGET, TWIN, Shop

TABLES = {"order_totals", "customer_totals", "customer_names"}
ORDER_LOG = """
    {{ config(materialized="incremental", unique_key="id") }}
    select id, customer_id, amount from {{ source("raw", "orders") }}
    {% if is_incremental() %}
    where id > (select max(id) from {{ this }})
    {% endif %}
"""
HISTORY = """
    snapshots:
      - name: order_history
        relation: source('raw', 'orders')
        config: {unique_key: id, strategy: check, check_cols: [amount]}
"""


def develop(shop: Shop, *arguments: str, clean: bool = True) -> Build:
    """`dbt build` into development."""
    build = shop.dbt("build", *arguments, target=DEVELOPMENT, clean=clean)
    build.assert_succeeded()
    return build


def assert_equal(shop: Shop, one: str = DEVELOPMENT, other: str = TARGET) -> None:
    """Both schemas hold the same relations with the same rows."""
    assert shop.contents(one) == shop.contents(other)


@pytest.fixture
def trusting(open_shop: OpenShop, start_server: StartServer) -> Shop:
    """A shop whose server takes every hook for one that leaves a copy alone."""
    return open_shop(start_server(settings={"DBTSTATE_TRUST_HOOKS": "*"}))


def test_an_empty_development_becomes_copies_and_then_nothing_is_done(shop: Shop) -> None:
    shop.write("seeds/codes.csv", "code,name\n1,one\n2,two\n")
    shop.write("models/order_log.sql", ORDER_LOG)
    shop.write("models/log_size.sql", 'select count(*) as size from {{ ref("order_log") }}')
    shop.write("models/coded.sql", 'select * from {{ ref("codes") }} where code > 1')
    shop.write("snapshots/order_history.yml", HISTORY)
    shop.write("models/tests.yml", "models: [{name: customer_totals, columns: [{name: id, data_tests: [unique]}]}]")
    shop.build()
    shop.build()

    first = develop(shop)

    tables = {*TABLES, "codes", "order_log", "log_size", "coded", "order_history"}
    assert {name for name, decision in first.decisions.items() if decision == "clone"} == tables
    assert first.decisions["unique_customer_totals_id"] == "execute"
    assert "an equivalent model exists under another name so we cloned that one" in first.reasons["order_totals"]
    assert '"prod"."order_totals"' in first.reasons["order_totals"]
    assert_equal(shop)
    assert_equal(shop, DEVELOPMENT, TWIN)

    second = develop(shop)
    assert set(second.decisions.values()) == {"no-op", "not asked"}


def test_a_copy_follows_its_own_inputs_from_then_on(shop: Shop) -> None:
    shop.build()
    develop(shop)
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert develop(shop).built == {"order_totals", "customer_totals"}
    shop.build()
    assert_equal(shop)


def test_only_what_was_edited_and_what_depends_on_it_is_built(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) + 1")
    build = develop(shop)
    assert build.built == {"order_totals", "customer_totals"}
    assert build.decisions["customer_names"] == "clone"
    shop.build()
    assert_equal(shop)


def test_what_was_built_and_reverted_in_development_is_copied_again(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) + 1")
    develop(shop)
    shop.edit("models/order_totals.sql", "sum(amount) + 1", "sum(amount)")
    assert develop(shop).decisions == {
        "stg_orders": "not asked",
        "order_totals": "clone",
        "customer_totals": "clone",
        "customer_names": "no-op",
    }
    assert_equal(shop)


def test_production_that_is_behind_its_sources_is_not_copied(shop: Shop) -> None:
    shop.build()
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    build = develop(shop)
    assert build.built == {"order_totals", "customer_totals"}
    shop.build()
    assert_equal(shop)


def test_production_that_may_be_behind_for_a_while_is_copied_and_says_so(shop: Shop) -> None:
    shop.build()
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    shop.use_default_lag_tolerance()
    build = develop(shop, "-s", "order_totals", "stg_orders")
    assert build.results["order_totals"].message.startswith("CLONE (within tolerance)")
    assert shop.table("order_totals", schema=DEVELOPMENT) == shop.table("order_totals")
    shop.environment["RUN_CACHE_FRESHNESS_TOLERANCE"] = "0s"
    assert develop(shop, "-s", "order_totals").built == {"order_totals"}


def test_production_is_not_made_from_development(shop: Shop) -> None:
    develop(shop)
    assert shop.build().built == TABLES


def test_production_is_made_from_development_if_the_server_is_set_to_allow_it(
    open_shop: OpenShop, start_server: StartServer
) -> None:
    shop = open_shop(start_server(settings={"DBTSTATE_CLONES": "everywhere"}))
    develop(shop)
    build = shop.build()
    assert {name for name, decision in build.decisions.items() if decision == "clone"} == TABLES


def test_nothing_is_copied_where_the_server_is_set_so(open_shop: OpenShop, start_server: StartServer) -> None:
    shop = open_shop(start_server(settings={"DBTSTATE_CLONES": "nowhere"}))
    shop.build()
    assert develop(shop).built == TABLES


def test_nothing_is_copied_where_the_client_wants_no_clones(shop: Shop) -> None:
    shop.build()
    shop.environment["RUN_CACHE_ALLOW_CLONES"] = "false"
    assert develop(shop).built == TABLES


def test_a_source_that_was_written_to_after_the_decision_is_not_copied(trusting: Shop) -> None:
    """The hook waits between the server's answer and the client's look at the source."""
    trusting.edit(
        "models/order_totals.sql", "select", "{{ config(pre_hook='select pg_advisory_xact_lock_shared(1)') }} select"
    )
    trusting.dbt("build").assert_succeeded()
    with ClosedGate(trusting.database) as gate:
        running = trusting.start("build", "-s", "order_totals", target=DEVELOPMENT)
        gate.wait_for_arrival()
        trusting.sql("update prod.order_totals set total = 99 where customer_id = 1")
        gate.open()
        build = running.wait()
    build.assert_clean_log()
    assert "cloned" in build.reasons["order_totals"]
    assert build.decisions == {"order_totals": "execute"}
    assert [int(total) for _, total, _ in trusting.table("order_totals", schema=DEVELOPMENT)] == [30, 30]


def test_a_source_that_the_same_transaction_wrote_to_is_not_copied(trusting: Shop) -> None:
    """The client's look at the source does not see it: the statement that copies looks for itself."""
    hook = (
        "{{ 'update prod.order_totals set total = 99 where customer_id = 1' if target.name == 'dev' else 'select 1' }}"
    )
    trusting.edit("models/order_totals.sql", "select", f'{{{{ config(pre_hook="{hook}") }}}} select')
    trusting.dbt("build").assert_succeeded()
    build = develop(trusting, "-s", "order_totals", clean=False)
    (complaint,) = build.complaints
    assert "no longer what was recorded" in complaint
    assert build.decisions == {"order_totals": "execute"}
    assert [int(total) for _, total, _ in trusting.table("order_totals", schema=DEVELOPMENT)] == [30, 30]


def test_a_source_that_loses_its_newest_rows_after_the_decision_is_not_copied(trusting: Shop) -> None:
    """Its epoch falls, which the client takes for unchanged: the statement that copies looks for itself."""
    before = "{{ 'delete from prod.order_totals where customer_id = 7' if target.name == 'dev' else 'select 1' }}"
    after = "{sql: 'insert into {{ this }} values (7, 7, 7)', transaction: false}"
    trusting.write(
        "models/hooks.yml", f'models: [{{name: order_totals, config: {{pre_hook: "{before}", post_hook: [{after}]}}}}]'
    )
    trusting.dbt("build").assert_succeeded()
    assert len(trusting.table("order_totals")) == 3

    build = develop(trusting, "-s", "order_totals", clean=False)

    assert any("no longer what was recorded" in complaint for complaint in build.complaints)
    assert build.decisions == {"order_totals": "execute"}
    assert len(trusting.table("order_totals", schema=DEVELOPMENT)) == 3


def test_a_source_that_is_gone_is_not_offered_again(shop: Shop) -> None:
    shop.build()
    shop.sql("drop table prod.order_totals")
    only = ("-s", "stg_orders", "order_totals")
    first = develop(shop, *only)
    assert first.decisions["order_totals"] == "execute"
    assert "cloned" in first.reasons["order_totals"]
    shop.sql("drop table dev.order_totals")
    second = develop(shop, *only)
    assert "executed" in second.reasons["order_totals"]
    assert shop.table("order_totals", schema=DEVELOPMENT) != []


def test_what_somebody_else_wrote_to_production_is_not_copied(shop: Shop) -> None:
    shop.build()
    shop.sql("update prod.order_totals set total = 99")
    build = develop(shop)
    assert build.decisions["order_totals"] == "execute"
    shop.build()
    assert_equal(shop)


def test_a_table_that_needs_grants_is_built(shop: Shop) -> None:
    shop.sql("do $$ begin create role reporter; exception when duplicate_object then null; end $$")
    shop.edit("models/order_totals.sql", "select", "{{ config(grants={'select': ['reporter']}) }} select")
    shop.build()
    build = develop(shop)
    # What reads a table that development built itself is built: hooks may have done something else there.
    assert build.built == {"order_totals", "customer_totals"}
    assert build.decisions["customer_names"] == "clone"
    assert shop.sql("select has_table_privilege('reporter', 'dev.order_totals', 'select')") == [(True,)]


def test_a_copy_has_the_indexes_of_its_source(shop: Shop) -> None:
    config = "{{ config(indexes=[{'columns': ['customer_id'], 'unique': True}]) }}"
    shop.edit("models/order_totals.sql", "select", f"{config} select")
    shop.build()
    assert develop(shop, "-s", "stg_orders", "order_totals").decisions["order_totals"] == "clone"
    query = "select split_part(indexdef, ' USING ', 2) from pg_indexes where schemaname = %s"
    assert shop.sql(query, DEVELOPMENT) == shop.sql(query, TARGET) != []


def test_an_incremental_that_is_not_copied_beforehand_is_built(shop: Shop) -> None:
    """What it holds hangs on what it held before, so another's is no proof; nor is it what a full refresh asks for."""
    shop.write("models/order_log.sql", ORDER_LOG)
    only = ("-s", "order_log")
    shop.build(*only)
    shop.environment["RUN_CACHE_CLONE_INCREMENTAL_IN_DEV"] = "never"
    assert develop(shop, *only).built == {"order_log"}
    shop.build(*only, "--full-refresh")
    assert develop(shop, *only, "--full-refresh").built == {"order_log"}


def test_a_table_that_reads_itself_is_not_copied_and_its_content_has_no_name(shop: Shop) -> None:
    shop.write(
        "models/tally.sql",
        """
        select {% if load_relation(this) %}(select max(n) + 1 from {{ this }}){% else %}1{% endif %} as n
        from {{ ref("order_totals") }}
        """,
    )
    shop.write("models/reader.sql", 'select max(n) as n from {{ ref("tally") }}')
    shop.build()
    for _ in range(2):
        assert shop.build().built == {"tally", "reader"}
    assert shop.table("reader") == [(3,)]
    assert {"tally", "reader"} <= develop(shop).built


def test_a_view_in_the_place_of_the_copy_is_replaced(shop: Shop) -> None:
    shop.build()
    shop.sql("create schema dev")
    shop.sql("create view dev.order_totals as select 1 as one")
    build = develop(shop)
    assert build.decisions["order_totals"] == "clone"
    assert_equal(shop)


VIEW = '{{ config(materialized="view") }} select * from {{ ref("order_totals") }}'


def test_a_table_that_a_view_stands_on_is_filled_anew_by_a_copy(shop: Shop) -> None:
    shop.write("models/a_view.sql", VIEW)
    shop.build()
    develop(shop)
    for amount in (40, 50):
        shop.sql("insert into raw.orders values (%s, 3, 40, now())", amount)
        shop.build()
        build = develop(shop)
        assert (build.decisions["order_totals"], build.decisions["customer_totals"]) == ("clone", "clone")
        assert_equal(shop)
        assert shop.table("a_view", schema=DEVELOPMENT) == shop.table("order_totals")
        assert set(develop(shop).decisions.values()) == {"no-op", "not asked"}


def test_a_table_of_other_columns_that_a_view_stands_on_is_built_and_not_replaced_by_a_copy(shop: Shop) -> None:
    shop.write("models/a_view.sql", VIEW)
    shop.build()
    assert develop(shop).decisions["order_totals"] == "clone"
    shop.sql(
        f"alter table {DEVELOPMENT}.order_totals add column more int; update {DEVELOPMENT}.order_totals set total = 0"
    )

    build = develop(shop, clean=False)

    assert build.decisions["order_totals"] == "execute"
    assert "cannot drop table dev.order_totals because other objects depend on it" in "\n".join(build.complaints)
    assert_equal(shop)
    assert set(develop(shop).decisions.values()) == {"no-op", "not asked"}


def test_models_that_swap_their_queries_are_not_copied_from_each_other(shop: Shop) -> None:
    one, two = "select 1 as n from {{ source('raw', 'orders') }}", "select 2 as n from {{ source('raw', 'orders') }}"
    only = ("-s", "left", "right")
    for left, right in ((one, two), (two, one)):
        shop.write("models/left.sql", left)
        shop.write("models/right.sql", right)
        assert develop(shop, *only).built == {"left", "right"}
        shop.vanilla("build", *only)
        assert_equal(shop, DEVELOPMENT, TWIN)


def test_a_copy_made_while_production_was_being_built_proves_nothing(shop: Shop) -> None:
    shop.build()
    develop(shop)
    shop.sql("update raw.orders set amount = amount + 1")
    shop.build()
    develop(shop)
    assert_equal(shop)
    assert develop(shop).built == set()
