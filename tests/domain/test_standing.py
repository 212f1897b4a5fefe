"""How a target stands by its record alone: the rules' own answer to the question that would bring its last build once more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.domain.building import BUILT, CASE, CUSTOMERS, HOUR, MART, MINUTE, NOW, ORDERS, T0, asked, execution
from tests.domain.varying import SAME

from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Skip
from dbt_state_oss.domain.history import DataTestResults, Execution, History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.standing import Standing, standing_of
from dbt_state_oss.domain.submission import ExecutionType, TargetKey

TARGET = TargetKey("ns", MART)
LATEST = execution()


def standing(*executions: Execution, upstream: dict[Relation, History] | None = None) -> Standing:
    return standing_of(TARGET, History().merged(executions), upstream or {}, NOW)


def orders(epoch: int, **changes: object) -> History:
    built = execution(
        asked(CASE, key=TargetKey("ns", ORDERS), relation=ORDERS, inputs={}), id="ns.o.1", node_id="model.shop.orders"
    )
    return History((replace(built, epoch=epoch, **changes),))  # type: ignore[arg-type]


def test_what_dbt_would_be_told_to_skip_is_reusable() -> None:
    assert isinstance(decide(SAME), Skip)
    told = standing(LATEST)
    assert (told.reusable, told.because, told.evidence) == (True, "", ())


def test_inputs_that_nothing_on_record_builds_are_told() -> None:
    assert standing(LATEST).unrecorded_inputs == (CUSTOMERS, ORDERS)
    assert standing(LATEST, upstream={ORDERS: orders(T0)}).unrecorded_inputs == (CUSTOMERS,)


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"unproven": "it is a test"}, "its last build cannot justify a skip: it is a test"),
        ({"epoch": None}, "the epoch of its table after its last build is unknown"),
        ({"full_refresh": True}, "its last build was a full refresh, and an incremental run is a different build"),
    ],
)
def test_a_record_that_proves_nothing_says_why(changes: dict[str, object], because: str) -> None:
    told = standing(replace(LATEST, **changes))  # type: ignore[arg-type]
    assert (told.reusable, told.because) == (False, because)


def test_builds_that_may_be_mistaken_for_each_other_are_told() -> None:
    rival = execution(asked(CASE, inputs={}), id="ns.t.rival", decided_at=BUILT - 2 * MINUTE)
    assert "two different builds of it overlapped" in standing(LATEST, rival).because


@pytest.mark.parametrize(("epoch", "reusable"), [(T0, True), (T0 + 1, False), (T0 - HOUR, True)])
def test_an_input_that_was_rebuilt_since_builds(epoch: int, reusable: bool) -> None:
    """One whose record is older than what was read tells nothing of what became of it."""
    told = standing(LATEST, upstream={ORDERS: orders(epoch)})
    assert told.reusable == reusable
    assert reusable or str(ORDERS) in told.because
    assert reusable or any(str(ORDERS) in line.text for line in told.evidence)


def test_an_invalidated_input_is_told() -> None:
    told = standing(LATEST, upstream={ORDERS: History(forgotten_at=NOW)})
    assert [line.text for line in told.evidence] == [
        f"upstream {ORDERS} was invalidated; it is built next, and this target after it"
    ]


def test_on_a_stamped_clock_a_table_stands_below_its_stamp() -> None:
    snowflake = replace(LATEST, logic=replace(LATEST.logic, dialect="snowflake"))
    assert standing(snowflake, upstream={ORDERS: orders(T0 + 1)}).reusable


def test_a_data_test_stands_by_its_results() -> None:
    test = execution(
        asked(CASE, execution_type=ExecutionType.DBT_DATA_TEST, relation=None), epoch=None, node_id="test.shop.unique"
    )
    key = TargetKey("ns", f"test:test.shop.unique {MART}")
    failed = replace(test, results=DataTestResults(3, should_warn=False, should_error=True))
    assert standing_of(key, History((failed,)), {}, NOW).reusable
    assert "results of its last run" in standing_of(key, History((test,)), {}, NOW).because


def test_what_was_invalidated_says_so() -> None:
    told = standing_of(TARGET, History(forgotten_at=NOW - HOUR), {}, NOW)
    assert not told.reusable
    assert "it was invalidated" in told.because
    assert "invalidated" not in standing_of(TARGET, History(), {}, NOW).because
