"""A data test whose query and data are what they were has its last result, good or bad."""

from __future__ import annotations

import pytest
from tests.e2e.shop import Shop

NOT_NULL = "not_null_order_totals_customer_id"
TOO_MUCH = "no_total_above_limit"
TESTS = ("-s", "order_totals,resource_type:model", "resource_type:test")


@pytest.fixture
def tested(shop: Shop) -> Shop:
    """A shop with a generic test that passes and a singular one that can be made to fail."""
    shop.write(
        "models/tests.yml",
        """
        models:
          - name: order_totals
            columns:
              - {name: customer_id, data_tests: [not_null]}
    """,
    )
    shop.write(f"tests/{TOO_MUCH}.sql", "select * from {{ ref('order_totals') }} where total > 35")
    shop.dbt("run", "-s", "stg_orders").assert_succeeded()
    shop.vanilla("run", "-s", "stg_orders").assert_succeeded()
    assert shop.build(*TESTS).decisions == {"order_totals": "execute", NOT_NULL: "execute", TOO_MUCH: "execute"}
    return shop


def test_passed_tests_are_not_run_again(tested: Shop) -> None:
    build = tested.build(*TESTS)
    assert build.decisions == {"order_totals": "no-op", NOT_NULL: "no-op", TOO_MUCH: "no-op"}
    assert build.statuses == {"order_totals": "success", NOT_NULL: "pass", TOO_MUCH: "pass"}


def test_tests_that_ran_with_a_build_are_not_run_again_on_their_own(tested: Shop) -> None:
    build = tested.dbt("test")
    assert build.decisions == {NOT_NULL: "no-op", TOO_MUCH: "no-op"}
    tested.sql("insert into prod.order_totals values (null, 40, 1)")
    build = tested.dbt("test")
    assert build.statuses == {NOT_NULL: "fail", TOO_MUCH: "fail"}


def test_a_failed_test_stays_failed_without_being_run(tested: Shop) -> None:
    tested.edit(f"tests/{TOO_MUCH}.sql", "35", "25")
    for decision in ("execute", "no-op", "no-op"):
        build = tested.build(*TESTS)
        assert build.decisions[TOO_MUCH] == decision
        assert build.statuses[TOO_MUCH] == "fail"
        assert build.results[TOO_MUCH].failures == 2
        assert build.exit_code == 1


def test_tests_run_again_when_their_data_changed(tested: Shop) -> None:
    tested.sql("insert into raw.orders values (4, 3, 40, now())")
    build = tested.build(*TESTS)
    assert build.decisions == {"order_totals": "execute", NOT_NULL: "execute", TOO_MUCH: "execute"}
    assert build.statuses[TOO_MUCH] == "fail"
    assert tested.build(*TESTS).built == set()


def test_no_lag_is_tolerated_for_tests(tested: Shop) -> None:
    tested.use_default_lag_tolerance()
    tested.write("tests/no_large_order.sql", "select * from {{ source('raw', 'orders') }} where amount > 35")
    assert tested.build("-s", "no_large_order").statuses == {"no_large_order": "pass"}
    tested.sql("insert into raw.orders values (4, 3, 40, now())")
    assert tested.build("-s", "no_large_order").statuses == {"no_large_order": "fail"}


def test_a_changed_severity_runs_a_test_again(tested: Shop) -> None:
    tested.edit(f"tests/{TOO_MUCH}.sql", "35", "25")
    assert tested.build(*TESTS).statuses[TOO_MUCH] == "fail"
    tested.edit(f"tests/{TOO_MUCH}.sql", "select", "{{ config(severity='warn') }} select")
    for decision in ("execute", "no-op"):
        build = tested.build(*TESTS)
        assert build.decisions[TOO_MUCH] == decision
        assert build.statuses[TOO_MUCH] == "warn"
        assert build.exit_code == 0


@pytest.mark.parametrize("config", ["where='total > 28'", "limit=1", "fail_calc='sum(total)::int'", "error_if='>1'"])
def test_a_test_that_counts_otherwise_is_run_again(tested: Shop, config: str) -> None:
    tested.edit(f"tests/{TOO_MUCH}.sql", "35", "25")
    tested.build(*TESTS)
    tested.edit(f"tests/{TOO_MUCH}.sql", "select", f"{{{{ config({config}) }}}} select")
    assert tested.build(*TESTS).built == {TOO_MUCH}
    assert tested.build(*TESTS).built == set()


def test_tests_may_be_left_out(tested: Shop) -> None:
    tested.environment["RUN_CACHE_ENABLE_DATA_TESTS"] = "false"
    build = tested.build(*TESTS)
    assert build.decisions == {"order_totals": "no-op", NOT_NULL: "not asked", TOO_MUCH: "not asked"}


def test_stored_failures_are_written_anew_every_time(tested: Shop) -> None:
    tested.write(
        f"tests/{TOO_MUCH}.sql",
        "{{ config(store_failures=true) }} select * from {{ ref('order_totals') }} where total > 25",
    )
    for _ in range(2):
        build = tested.build(*TESTS)
        assert build.statuses[TOO_MUCH] == "fail"
        assert len(tested.table(TOO_MUCH, schema="prod_dbt_test__audit")) == 2
    tested.sql(f"truncate prod_dbt_test__audit.{TOO_MUCH}")
    assert tested.build(*TESTS).results[TOO_MUCH].failures == 2
