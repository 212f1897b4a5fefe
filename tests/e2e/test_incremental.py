"""Incremental models: their content depends on their history."""

from __future__ import annotations

import pytest
from tests.e2e.shop import Shop

ORDER_LOG = """
    {{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="id") }}
    select id, customer_id, amount from {{ source("raw", "orders") }}
    {% if is_incremental() %}
    where id > (select max(id) from {{ this }})
    {% endif %}
"""
ONLY = ("-s", "order_log")
COMPARE_TEMPLATES = {"RUN_CACHE_COMPARE_UNRENDERED_CODE": "true"}


@pytest.fixture
def logged(shop: Shop) -> Shop:
    """A shop with an incremental model, not built yet."""
    shop.write("models/order_log.sql", ORDER_LOG)
    return shop


def settle(shop: Shop) -> None:
    """The first build and the first incremental one, whose text is another."""
    for _ in range(2):
        assert shop.build(*ONLY).built == {"order_log"}


def test_the_first_incremental_run_is_another_query_than_the_first_build(logged: Shop) -> None:
    settle(logged)
    assert logged.build(*ONLY).built == set()


def test_new_rows_are_added_once(logged: Shop) -> None:
    settle(logged)
    logged.sql("insert into raw.orders values (4, 3, 40, now())")
    assert logged.build(*ONLY).built == {"order_log"}
    assert logged.build(*ONLY).built == set()
    assert [row[0] for row in logged.table("order_log")] == [1, 2, 3, 4]


def test_a_run_that_adds_no_row_counts_as_done(logged: Shop) -> None:
    settle(logged)
    logged.sql("insert into raw.orders values (0, 3, 40, now())")
    assert logged.build(*ONLY).built == {"order_log"}
    assert logged.build(*ONLY).built == set()


@pytest.mark.parametrize("comparing", [{}, COMPARE_TEMPLATES], ids=["rendered code", "unrendered code"])
def test_a_full_refresh_is_honoured_every_time(logged: Shop, comparing: dict[str, str]) -> None:
    logged.environment.update(comparing)
    logged.build(*ONLY)
    logged.build(*ONLY)
    for _ in range(2):
        assert logged.build(*ONLY, "--full-refresh").built == {"order_log"}


def test_a_full_refresh_brings_back_what_the_incremental_runs_missed(logged: Shop) -> None:
    settle(logged)
    logged.sql("insert into raw.orders values (0, 3, 40, now())")
    logged.build(*ONLY)
    assert len(logged.table("order_log")) == 3
    assert logged.build(*ONLY, "--full-refresh").built == {"order_log"}
    assert len(logged.table("order_log")) == 4
    settled = [logged.build(*ONLY).built for _ in range(2)]
    assert settled == [{"order_log"}, set()]


def test_the_first_incremental_run_is_saved_where_templates_are_compared(logged: Shop) -> None:
    logged.environment.update(COMPARE_TEMPLATES)
    assert logged.build(*ONLY).built == {"order_log"}
    assert logged.build(*ONLY).built == set()
    logged.sql("insert into raw.orders values (4, 3, 40, now())")
    assert logged.build(*ONLY).built == {"order_log"}
    assert logged.build(*ONLY).built == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('incremental_strategy="delete+insert"', 'incremental_strategy="append"'),
        ('unique_key="id"', 'unique_key=["id", "customer_id"]'),
        ('unique_key="id"', 'unique_key="id", on_schema_change="append_new_columns"'),
        ("where id >", "where id + 1 >"),
    ],
    ids=["strategy", "unique_key", "on_schema_change", "query"],
)
def test_another_way_of_adding_rows_is_another_build(logged: Shop, old: str, new: str) -> None:
    settle(logged)
    logged.edit("models/order_log.sql", old, new)
    assert logged.build(*ONLY).built == {"order_log"}
    assert logged.build(*ONLY).built == set()


def test_a_microbatch_model_is_built_once_for_a_window(shop: Shop) -> None:
    shop.write(
        "models/sources.yml",
        """
        sources:
          - name: raw
            tables:
              - name: orders
                config: {event_time: ordered_at}
              - name: customers
    """,
    )
    shop.write(
        "models/order_log.sql",
        """
        {{ config(materialized="incremental", incremental_strategy="microbatch", unique_key="id",
                  event_time="ordered_at", batch_size="day", begin="2026-01-01") }}
        select id, amount, ordered_at from {{ source("raw", "orders") }}
    """,
    )
    first = (*ONLY, "--event-time-start", "2026-01-01", "--event-time-end", "2026-01-03")
    second = (*ONLY, "--event-time-start", "2026-01-03", "--event-time-end", "2026-01-04")
    assert shop.build(*first).built == {"order_log"}
    assert shop.build(*first).built == set()
    assert shop.build(*second).built == {"order_log"}
    assert shop.build(*second).built == set()
    assert [row[0] for row in shop.table("order_log")] == [1, 2, 3]


WINDOW = ("-s", "upstream", "order_log", "--event-time-start", "2026-01-01", "--event-time-end", "2026-01-03")


@pytest.fixture
def filtered(shop: Shop) -> Shop:
    """A shop with a microbatch of orders that were all loaded in its window, but not all ordered in it."""
    shop.sql("alter table raw.orders add column loaded_at timestamptz not null default '2026-01-01 12:00+00'")
    shop.write(
        "models/order_log.sql",
        """
        {{ config(materialized="incremental", incremental_strategy="microbatch", unique_key="id",
                  event_time="ordered_at", batch_size="day", begin="2026-01-01") }}
        select id, amount, ordered_at from {{ ref("upstream") }}
    """,
    )
    return shop


def write_upstream(shop: Shop, *, materialized: str, event_time: str | None, moment: str = "ordered_at") -> None:
    """What the microbatch reads; dbt filters it by its `event_time`, if it has one."""
    told = f', event_time="{event_time}"' if event_time else ""
    shop.write(
        "models/upstream.sql",
        f"""
        {{{{ config(materialized="{materialized}"{told}) }}}}
        select id, amount, ordered_at, loaded_at, {moment} as moment from {{{{ source("raw", "orders") }}}}
    """,
    )


def refresh_like_plain_dbt(shop: Shop) -> list[int]:
    """Refresh the microbatch fully, as plain dbt does it; the orders that it holds."""
    shop.build(*WINDOW, "--full-refresh")
    shop.vanilla("build", *WINDOW, "--full-refresh")
    assert shop.table("order_log") == shop.table("order_log", schema="vanilla")
    return [row[0] for row in shop.table("order_log")]


def test_a_full_refresh_of_a_microbatch_sees_the_event_time_of_a_view(filtered: Shop) -> None:
    """It is configured at the view, and in no request of the microbatch."""
    write_upstream(filtered, materialized="view", event_time=None)
    assert refresh_like_plain_dbt(filtered) == [1, 2, 3]
    write_upstream(filtered, materialized="view", event_time="ordered_at")
    assert refresh_like_plain_dbt(filtered) == [1, 2]


def test_a_microbatch_reads_a_column_that_its_query_does_not_name(filtered: Shop) -> None:
    filtered.environment["RUN_CACHE_COMPARE_SELECTED_COLUMNS"] = "true"
    write_upstream(filtered, materialized="table", event_time="moment")
    assert refresh_like_plain_dbt(filtered) == [1, 2]
    write_upstream(filtered, materialized="table", event_time="moment", moment="loaded_at")
    assert refresh_like_plain_dbt(filtered) == [1, 2, 3]


IN_BATCHES = """
    {{ config(materialized="incremental", incremental_strategy="microbatch", unique_key="id",
              event_time="ordered_at", batch_size="day", begin="2026-01-01") }}
    select id, amount, ordered_at from {{ source("raw", "orders") }}
    {% if model.batch %}
    where ordered_at >= '{{ model.batch.event_time_start }}' and ordered_at < '{{ model.batch.event_time_end }}'
      and amount > 10
    {% endif %}
"""


@pytest.mark.parametrize(
    ("old", "new", "ids"),
    [
        ("and amount > 10", "and amount > 0", [1, 2]),
        ('source("raw", "orders") }}', 'source("raw", "orders").render() }}', [2]),
    ],
    ids=["code of a batch", "no filter by event time"],
)
def test_code_of_a_microbatch_that_is_compiled_only_for_a_batch_is_seen(
    shop: Shop, old: str, new: str, ids: list[int]
) -> None:
    """The client compiles a microbatch without a batch, so its request holds the same query as before (rule L12a)."""
    window = (*ONLY, "--event-time-start", "2026-01-01", "--event-time-end", "2026-01-03")
    shop.write("models/order_log.sql", IN_BATCHES)
    assert shop.build(*window).built == {"order_log"}
    assert shop.build(*window).built == set()
    shop.edit("models/order_log.sql", old, new)
    assert shop.build(*window).built == {"order_log"}
    shop.vanilla("build", *window)
    assert [row[0] for row in shop.table("order_log")] == ids
    assert shop.build(*window).built == set()
