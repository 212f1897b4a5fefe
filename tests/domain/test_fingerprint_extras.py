"""Semantic extras compare as JSON where they are JSON, as text otherwise (rule L6)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_state_oss.domain.extras import canonical_extras


def digest(value: str) -> str:
    return canonical_extras({"key": value})["key"]


@pytest.mark.parametrize(
    ("one", "other"),
    [('{"a": 1, "b": [true]}', '{"b":[true],"a":1}'), ('"é"', '"\\u00e9"'), (" [1, 2] ", "[1,2]")],
)
def test_json_of_one_value_is_equal(one: str, other: str) -> None:
    assert digest(one) == digest(other)


def test_values_that_differ_are_told_apart() -> None:
    values = [
        *(
            "",
            "null",
            "true",
            "1",
            "1.0",
            "1e0",
            '"1"',
            "[1]",
            "[[1]]",
            "[]",
            "[[]]",
            "{}",
            "[{}]",
            '"true"',
            "x",
            '"x"',
        ),
        *(
            "[1,2]",
            "[2,1]",
            "[12]",
            '["1,2"]',
            '{"a":1}',
            '["a",1]',
            '{"a":{"b":1}}',
            '{"a":1,"b":1}',
            "NaN",
            "Infinity",
        ),
        *("x ", "2024-01-01T00:00:00", "{", "9" * 400, "9" * 399 + "8", "0.1", "0.10000000000000000001", "\ud800"),
    ]

    assert len({digest(value) for value in values}) == len(values)


def test_keys_stay_and_digests_are_short() -> None:
    found = canonical_extras({"grants": '{"select": ["x"]}', "unique_key": '"id"'})

    assert found.keys() == {"grants", "unique_key"}
    assert {len(value) for value in found.values()} == {32}


@pytest.mark.parametrize("value", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 50_000, "9" * 100_000])
def test_deep_broken_or_huge_json_is_taken(value: str) -> None:
    assert len(digest(value)) == 32


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(value=JSON)
def test_the_way_in_which_json_is_written_never_matters(value: object) -> None:
    one = json.dumps(value, sort_keys=True, indent=2)

    assert digest(one) == digest(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


@settings(deadline=None)
@given(value=JSON, other=JSON)
def test_equal_digests_are_equal_values(value: object, other: object) -> None:
    one, two = json.dumps(value, sort_keys=True), json.dumps(other, sort_keys=True)

    assert (digest(one) == digest(two)) is (one == two)


@settings(deadline=None)
@given(value=st.text(st.characters()))
def test_no_text_is_refused(value: str) -> None:
    assert digest(value) == digest(value)
