"""Histories that a review found to end in wrong tables, with the real client; each is held against a vanilla build."""

from __future__ import annotations

import pytest
from tests.e2e.gate import ClosedGate
from tests.e2e.shop import Shop

WAITS_AT_THE_GATE = 'pre_hook="select pg_advisory_xact_lock_shared(1)"'
"""A statement of its own before that of the model, so that the model reads what is there when the gate has been opened."""


def test_a_parent_that_went_there_and_back_during_a_build_is_not_what_that_build_read(shop: Shop) -> None:
    """Submitted, then overtaken by a colleague's build of the parent, whose content it reads; then the parent goes back."""
    model = "select customer_id, total from {{ ref('order_totals') }}"
    shop.write("models/customer_totals.sql", f"{{{{ config(materialized='table', {WAITS_AT_THE_GATE}) }}}} {model}")
    shop.build("-s", "+order_totals")
    colleague = shop.colleague()
    colleague.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    with ClosedGate(shop.database) as gate:
        slow = shop.start("build", "-s", "customer_totals")
        gate.wait_for_arrival()
        assert "order_totals" in colleague.dbt("build", "-s", "order_totals").built
        gate.open()
        assert "customer_totals" in slow.wait().built

    assert {"order_totals", "customer_totals"} <= shop.build().built


def test_another_macro_in_a_hook_leaves_another_content(shop: Shop) -> None:
    shop.write("macros/mask.sql", "{% macro mask(table) %}update {{ table }} set total = 1{% endmacro %}")
    hooked = "{{ config(post_hook='{{ mask(this) }}') }} select customer_id"
    shop.edit("models/order_totals.sql", "select customer_id", hooked)
    shop.build()
    shop.edit("macros/mask.sql", "total = 1", "total = 2")
    shop.sql("drop table prod.order_totals cascade")

    assert {"order_totals", "customer_totals"} <= shop.build().built


def test_a_seed_gets_its_new_column_types_with_a_new_table(shop: Shop) -> None:
    shop.write("seeds/codes.csv", "code\n1\n2\n")
    shop.write(
        "models/code_types.sql",
        "{{ config(materialized='table') }} select pg_typeof(code)::text as kind from {{ ref('codes') }}",
    )
    nodes = ("-s", "codes", "code_types")
    shop.build(*nodes)
    shop.write("seeds/seeds.yml", "seeds: [{name: codes, config: {column_types: {code: text}}}]")
    shop.build(*nodes)
    for schema in ("prod", "vanilla"):
        shop.sql(f"drop table {schema}.codes cascade")

    assert shop.build(*nodes).built == {"codes", "code_types"}


def test_lag_tolerance_never_hides_a_hook_that_was_added_upstream(shop: Shop) -> None:
    shop.use_default_lag_tolerance()
    shop.build()
    hooked = "{{ config(post_hook='update {{ this }} set total = 0') }} select customer_id"
    shop.edit("models/order_totals.sql", "select customer_id", hooked)

    assert shop.build().built == {"order_totals", "customer_totals"}


@pytest.mark.parametrize(
    "writes",
    [
        "insert into {{ source('raw_log', 'log') }} values (1)",
        "with src as (select 1 as x) insert into {{ source('raw_log', 'log') }} (x) select x from src returning x",
    ],
    ids=["at once", "after a WITH of its own"],
)
def test_a_query_that_writes(shop: Shop, writes: str) -> None:
    shop.sql("create table raw.log (x integer)")
    shop.write("models/log.yml", "sources: [{name: raw_log, schema: raw, tables: [{name: log}]}]")
    query = f"with logged as ({writes}) select id from {{{{ source('raw', 'customers') }}}}"
    shop.write("models/logged.sql", "{{ config(materialized='table') }} " + query)
    for _ in range(2):
        assert shop.dbt("build", "-s", "logged").built == {"logged"}
    assert shop.sql("select count(*) from raw.log") == [(2,)]


def test_a_query_that_deletes_what_it_reads(shop: Shop) -> None:
    shop.sql("create table raw.queue (id integer, done boolean); insert into raw.queue values (1, true)")
    shop.sql("insert into raw.queue values (2, false)")
    shop.write("models/q.yml", "sources: [{name: raw_q, schema: raw, tables: [{name: queue}]}]")
    shop.write(
        "models/taken.sql",
        "{{ config(materialized='table') }} with gone as (delete from {{ source('raw_q', 'queue') }} where done) "
        "select id from {{ source('raw_q', 'queue') }}",
    )
    shop.dbt("build", "-s", "taken")
    shop.dbt("build", "-s", "taken")
    assert shop.sql("select id from prod.taken") == [(2,)], "plain dbt's second run finds one row"


def test_a_header_that_refreshes_a_materialized_view(shop: Shop) -> None:
    shop.sql("create materialized view raw.totals as select 1 as one, sum(amount) as total from raw.orders")
    shop.sql("create unique index totals_one on raw.totals (one)")
    shop.write("models/mv.yml", "sources: [{name: raw_mv, schema: raw, tables: [{name: totals}]}]")
    shop.write(
        "models/beside.sql",
        "{{ config(materialized='table') }}{% call set_sql_header(config) %}\n"
        "refresh materialized view concurrently raw.totals;\n{% endcall %}\n"
        "select total from {{ source('raw_mv', 'totals') }}",
    )
    shop.build("-s", "beside")
    shop.build("-s", "beside")
    shop.sql("update raw.orders set amount = amount * 2")
    assert shop.build("-s", "beside").built == {"beside"}


def test_a_literal_after_an_operator_is_no_comment(shop: Shop) -> None:
    deep = "(" * 120 + "1" + ")" * 120  # the client parses it, the server compares it as text
    parts = f"{{{{ config(materialized='table') }}}} select {deep} as j, "
    shop.write("models/found.sql", parts + "name @@$$Ada -- x$$ as c\nfrom {{ source('raw', 'customers') }}")
    shop.build("-s", "found")
    shop.write("models/found.sql", parts + "name @@$$Ada -- $$ as c\nfrom {{ source('raw', 'customers') }}")
    assert shop.build("-s", "found").built == {"found"}


def test_a_moment_in_many_words_is_a_moment(shop: Shop) -> None:
    """Two literals that both mean this very moment; only the shorter one is built again."""
    shop.environment["RUN_CACHE_TOLERATE_NONDETERMINISM"] = "false"
    head = "{{ config(materialized='table') }} select id, "
    shop.write("models/one.sql", head + "'now'::timestamp is not null as x from {{ source('raw', 'customers') }}")
    shop.write(
        "models/many.sql", head + "'[ -infinity, now ]'::tsrange::text as x from {{ source('raw', 'customers') }}"
    )
    shop.dbt("build", "-s", "one", "many")
    assert shop.dbt("build", "-s", "one", "many").built == {"one", "many"}


KEEP = """
    {% macro get_incremental_keep_sql(arg_dict) %}
    insert into {{ arg_dict["target_relation"] }} (id, amount)
    select id, amount from {{ arg_dict["temp_relation"] }}
    where id not in (select id from {{ arg_dict["target_relation"] }})
    {% endmacro %}
"""
LOG = """
    {{ config(materialized="incremental", incremental_strategy="keep", unique_key="id") }}
    select id, amount from {{ source("raw", "orders") }}
"""
ACCUMULATE = """
    {% materialization accumulate, default %}
      {% set target = this.incorporate(type='table') %}
      {% set existing = load_cached_relation(this) %}
      {{ run_hooks(pre_hooks) }}
      {% if existing is none or should_full_refresh() %}
        {% if existing is not none %}{% do adapter.drop_relation(existing) %}{% endif %}
        {% call statement('main') %}{{ create_table_as(False, target, sql) }}{% endcall %}
      {% else %}
        {% call statement('main') %}
          insert into {{ target }} select * from ({{ sql }}) q where id not in (select id from {{ target }})
        {% endcall %}
      {% endif %}
      {{ run_hooks(post_hooks) }}
      {% do adapter.commit() %}
      {{ return({'relations': [target]}) }}
    {% endmaterialization %}
"""


def assert_a_full_refresh_is_carried_out(shop: Shop) -> None:
    """The client sends the same request for it as for any other run of a custom materialization."""
    shop.build("-s", "order_log")
    shop.sql("update raw.orders set amount = amount * 2")
    shop.build("-s", "order_log")  # keeps the old amounts
    shop.dbt("build", "-s", "order_log", "--full-refresh")
    shop.vanilla("build", "-s", "order_log", "--full-refresh")
    shop.assert_as_vanilla()


def test_a_full_refresh_of_a_custom_strategy(shop: Shop) -> None:
    shop.write("macros/keep.sql", KEEP)
    shop.write("models/order_log.sql", LOG)
    assert_a_full_refresh_is_carried_out(shop)


def test_a_full_refresh_of_a_custom_strategy_that_is_compared_by_its_template(shop: Shop) -> None:
    shop.environment["RUN_CACHE_COMPARE_UNRENDERED_CODE"] = "true"
    shop.write("macros/keep.sql", KEEP)
    shop.write("models/order_log.sql", LOG.rstrip() + " {% if is_incremental() %} where id >= 0 {% endif %}\n")
    assert_a_full_refresh_is_carried_out(shop)


def test_a_full_refresh_of_a_custom_materialization(shop: Shop) -> None:
    shop.write("macros/accumulate.sql", ACCUMULATE)
    shop.write("models/order_log.sql", LOG.replace('"incremental", incremental_strategy="keep"', '"accumulate"'))
    assert_a_full_refresh_is_carried_out(shop)


def test_a_table_that_was_replaced_during_a_build_and_put_back_was_not_read_by_it(shop: Shop) -> None:
    model = "select customer_id, total from {{ ref('order_totals') }}"
    shop.write("models/customer_totals.sql", f"{{{{ config(materialized='table', {WAITS_AT_THE_GATE}) }}}} {model}")
    shop.build("-s", "+order_totals")
    colleague = shop.colleague()
    colleague.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    with ClosedGate(shop.database) as gate:
        slow = shop.start("build", "-s", "customer_totals")
        gate.wait_for_arrival()
        shop.sql("alter table prod.order_totals rename to order_totals_kept")
        assert "order_totals" in colleague.dbt("build", "-s", "order_totals").built
        gate.open()
        assert "customer_totals" in slow.wait().built
    shop.sql("drop table prod.order_totals")
    shop.sql("alter table prod.order_totals_kept rename to order_totals")
    shop.dbt("build")
    shop.vanilla("build")
    shop.assert_as_vanilla()


def test_rows_that_came_and_went_during_a_build_were_read_by_it(shop: Shop) -> None:
    log = """
        {{ config(materialized="incremental", incremental_strategy="append") }}
        select id, amount from {{ source("raw", "orders") }}
        {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
    """
    shop.write("models/order_log.sql", log)
    model = "select sum(amount) as total from {{ ref('order_log') }}"
    shop.write("models/log_total.sql", f"{{{{ config(materialized='table', {WAITS_AT_THE_GATE}) }}}} {model}")
    for _ in range(2):
        shop.build("-s", "order_log")
    colleague = shop.colleague()
    with ClosedGate(shop.database) as gate:
        slow = shop.start("build", "-s", "log_total")
        gate.wait_for_arrival()
        shop.sql("insert into raw.orders values (4, 3, 1000000, now())")
        assert "order_log" in colleague.dbt("build", "-s", "order_log").built
        gate.open()
        assert "log_total" in slow.wait().built
    for table in ("raw.orders", "prod.order_log"):
        shop.sql(f"delete from {table} where id = 4")
    shop.dbt("build", "-s", "log_total")
    shop.vanilla("build", "-s", "order_log", "log_total")
    assert shop.table("log_total") == shop.table("log_total", schema="vanilla")


def test_a_system_column_in_functional_notation(shop: Shop) -> None:
    head = "{{ config(materialized='table') }} select "
    shop.write("models/middle.sql", head + "id from {{ source('raw', 'customers') }}")
    shop.write("models/called.sql", head + "tableoid(o)::text as t from {{ ref('middle') }} as o")
    nodes = ("-s", "middle", "called")
    for _ in range(2):
        shop.dbt("build", *nodes)
    shop.sql("update prod.middle set id = id")
    assert shop.dbt("build", *nodes).built == {"middle", "called"}
