"""Which texts are equal and which differ, as data: the 24 measured pairs (rule L2), rule L5 and its kin, five dialects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.sql.fingerprint import FingerprintKind
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import Code

DIALECTS = {"postgres", "redshift", "snowflake", "bigquery", "databricks"}


class Case(TypedDict):
    name: str
    equal: bool
    dialects: list[str]
    one: str
    other: str


CASES: list[Case] = json.loads((Path(__file__).parent / "cases" / "fingerprints.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("case", "dialect"),
    [pytest.param(case, dialect, id=f"{dialect}: {case['name']}") for case in CASES for dialect in case["dialects"]],
)
def test_texts_are_equal_where_the_case_says_so(case: Case, dialect: str) -> None:
    warehouse = dialect_named(dialect)
    one = fingerprint(Code(warehouse, case["one"], "db", "public"))
    other = fingerprint(Code(warehouse, case["other"], "db", "public"))

    assert one.kind is other.kind is FingerprintKind.PARSED
    assert (one.digest == other.digest) is case["equal"]


def test_every_case_has_a_name_of_its_own_and_known_dialects() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)
    assert all(case["dialects"] and set(case["dialects"]) <= DIALECTS for case in CASES)
    assert all(case["one"] != case["other"] for case in CASES)


def test_all_24_measured_pairs_are_among_the_cases() -> None:
    measured = [case for case in CASES if case["name"].startswith("measured: ")]

    assert [case["equal"] for case in measured].count(True) == 12
    assert len(measured) == 24
