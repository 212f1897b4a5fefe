"""The Rust client of dbt v2, on Redshift as far as it can tell: every step is held against dbt v2 without state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.e2e.dbt_v2.clients import DbtV2, why_not_here
from tests.e2e.dbt_v2.v2_shop import V2Shop
from tests.e2e.shop import DEVELOPMENT

pytestmark = pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))

MODELS = {"order_totals", "customer_totals"}
EVERYTHING = {"stg_orders", *MODELS, "customer_names"}
INCREMENTAL = """
    {{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="id") }}
    select id, amount from {{ source("raw", "orders") }}
    {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
"""
SNAPSHOT = """
    snapshots:
      - name: order_history
        relation: source('raw', 'orders')
        config: {unique_key: id, strategy: check, check_cols: [amount]}
"""


def test_a_project_is_built_once_and_then_only_what_changed(v2: V2Shop) -> None:
    assert v2.build().built == EVERYTHING
    assert v2.build().built == set()
    v2.shop.edit("models/order_totals.sql", "select customer_id", "-- per customer\nselect customer_id")
    assert v2.build().built == set()
    v2.shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) + 1")
    assert v2.build().built == MODELS
    v2.shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert v2.build().built == MODELS
    v2.shop.sql("update prod.customer_names set name = ''")
    assert v2.build().built == {"customer_names"}
    v2.shop.edit("models/stg_orders.sql", "amount from", "amount * 2 as amount from")
    assert v2.build().built == {"stg_orders", *MODELS}
    assert v2.build().built == set()


def test_by_default_everything_is_built_since_no_configuration_is_reported(strict_v2: V2Shop) -> None:
    strict_v2.shop.write("tests/none_negative.sql", 'select * from {{ ref("order_totals") }} where total < 0')
    strict_v2.build()
    again = strict_v2.build()
    assert again.built == {*EVERYTHING, "none_negative"}
    assert "configuration was not reported" in again.reasons["customer_names"]


def test_results_of_data_tests_are_returned_until_the_data_changes(v2: V2Shop) -> None:
    v2.shop.write("tests/none_large.sql", 'select * from {{ ref("order_totals") }} where total > 25')
    v2.shop.write("tests/none_negative.sql", 'select * from {{ ref("order_totals") }} where total < 0')
    first = v2.build("--exclude", "customer_totals")
    assert first.bad == {"none_large"}
    again = v2.build("--exclude", "customer_totals")
    assert (again.built, again.bad) == (set(), {"none_large"})
    v2.shop.sql("insert into raw.orders values (4, 3, -40, now())")
    changed = v2.build("--exclude", "customer_totals")
    assert changed.built == {"order_totals", "none_large", "none_negative"}
    assert changed.bad == {"none_large", "none_negative"}


def test_an_incremental_model_runs_when_there_are_new_rows(v2: V2Shop) -> None:
    v2.shop.write("models/order_log.sql", INCREMENTAL)
    chosen = ("-s", "order_log")
    assert v2.build(*chosen).built == {"order_log"}
    assert v2.build(*chosen).built == {"order_log"}  # its SQL is another one from its second run on
    assert v2.build(*chosen).built == set()
    v2.shop.sql("insert into raw.orders values (4, 3, 40, now())")
    assert v2.build(*chosen).built == {"order_log"}
    v2.shop.sql("delete from prod.order_log where id = 2")
    v2.shop.sql("insert into prod.order_log values (9, 9)")
    rewritten = v2.dbt("build", *chosen)
    assert rewritten.built == {"order_log"}
    assert "was modified outside of recorded builds" in rewritten.reasons["order_log"]


def test_a_snapshot_is_always_taken_since_no_strategy_is_reported(v2: V2Shop) -> None:
    v2.shop.write("snapshots/order_history.yml", SNAPSHOT)
    chosen = ("-s", "order_history")
    v2.build(*chosen)
    v2.shop.sql("update raw.orders set amount = 99 where id = 1")
    v2.build(*chosen)
    assert v2.build(*chosen).built == {"order_history"}


def test_a_microbatch_is_always_run_since_no_window_is_reported(v2: V2Shop) -> None:
    begin = datetime.now(UTC) - timedelta(days=2)
    v2.shop.write(
        "models/order_days.sql",
        f"""
        {{{{ config(materialized="incremental", incremental_strategy="microbatch", event_time="ordered_at",
            batch_size="day", begin="{begin:%Y-%m-%d}", unique_key="id") }}}}
        select id, amount, ordered_at from {{{{ source("raw", "orders") }}}}
        """,
    )
    v2.shop.edit("models/sources.yml", "- name: orders", "- name: orders\n        config: {event_time: ordered_at}")
    v2.shop.sql("insert into raw.orders values (4, 3, 40, now() - interval '1 day'), (5, 3, 50, now())")
    chosen = ("-s", "order_days")
    v2.build(*chosen)
    again = v2.build(*chosen)
    assert again.built == {"order_days"}
    assert v2.shop.sql("select count(*) from prod.order_days") == [(2,)]


def test_development_begins_with_a_copy_of_productions_incremental_model(v2: V2Shop) -> None:
    v2.shop.write("models/order_log.sql", INCREMENTAL)
    if v2.release is not DbtV2.CORE_2_0_0A4:  # which creates the table of a snapshot that it has just copied, and fails
        v2.shop.write("snapshots/order_history.yml", SNAPSHOT)
    for _ in range(2):
        v2.build()
    copied = v2.dbt("build", target=DEVELOPMENT)
    assert copied.exit_code == 0, copied.output
    assert copied.pre_clones >= {"order_log"}
    assert copied.decisions["order_log"] == "skip"
    production, development = (v2.shop.contents(schema) for schema in ("prod", DEVELOPMENT))
    assert development == production
