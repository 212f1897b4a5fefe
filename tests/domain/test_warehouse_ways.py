"""Ways of single warehouses that the parser does not know of, or knows otherwise; the cases are data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.domain.coding import made
from tests.domain.parents import child_of, edited, is_unchanged, parent

from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build

CASES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "cases" / "warehouse_ways.json").read_text(encoding="utf-8")
)


def each(group: str) -> list[Any]:
    return [pytest.param(case, id=f"{case['dialect']}: {case.get('name', case.get('sql'))}") for case in CASES[group]]


@pytest.mark.parametrize("case", each("different"))
def test_what_the_warehouse_reads_otherwise_is_told_apart(case: dict[str, Any]) -> None:
    one, other = made(case["one"], case["dialect"]), made(case["other"], case["dialect"])
    assert one.digest != other.digest


@pytest.mark.parametrize("case", each("relations"))
def test_the_relation_is_the_one_that_the_warehouse_reads(case: dict[str, Any]) -> None:
    assert [slot.relation for slot in made(case["sql"], case["dialect"]).slots] == case["relations"]


@pytest.mark.parametrize("case", each("volatility"))
def test_what_changes_with_time_is_known_in_every_spelling(case: dict[str, Any]) -> None:
    assert made(case["sql"], case["dialect"]).volatility.value == case["expected"]


@pytest.mark.parametrize("case", each("columns"))
def test_the_account_of_a_parents_columns_reads_every_item(case: dict[str, Any]) -> None:
    assert is_unchanged(case["before"], case["after"], case["child"], case["dialect"]) is case["unchanged"]


@pytest.mark.parametrize(
    "condition",
    [
        "d <@ '[today,tomorrow)'::daterange",
        "at >= 'yesterday 00:00:00 UTC'::timestamptz",
        "at >= e'today'",
        "d >= 'today'",
    ],
)
def test_a_parent_that_depends_on_the_day_is_not_what_it_was_though_nothing_else_changed(condition: str) -> None:
    """Default options (volatile SQL tolerated): the parent is rebuilt another day, on the same data, with the same query."""
    sql = f"select id, amount as total from s.orders where {condition}"
    case = child_of(parent(sql), edited(sql), compare_selected_columns=False)
    assert case.submission.tolerate_nondeterminism
    assert isinstance(decide(case), Build)
