"""Rule F9: a parent is edited; may a child that did not change stay as it is? Cases as data, five warehouses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest
from tests.domain.parents import is_unchanged

DIALECTS = {"postgres", "redshift", "snowflake", "bigquery", "databricks"}


class Case(TypedDict):
    name: str
    unchanged: bool
    dialects: list[str]
    before: str
    after: str
    child: str
    views: NotRequired[dict[str, str]]


CASES: list[Case] = json.loads((Path(__file__).parent / "cases" / "columns.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("case", "dialect"),
    [pytest.param(case, dialect, id=f"{dialect}: {case['name']}") for case in CASES for dialect in case["dialects"]],
)
def test_what_is_read_is_unchanged_where_the_case_says_so(case: Case, dialect: str) -> None:
    unchanged = is_unchanged(case["before"], case["after"], case["child"], dialect, views=case.get("views"))

    assert unchanged is case["unchanged"]


def test_every_case_has_a_name_of_its_own_and_known_dialects() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)
    assert all(case["dialects"] and set(case["dialects"]) <= DIALECTS for case in CASES)
