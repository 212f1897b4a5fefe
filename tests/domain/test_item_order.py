"""Whether an explanation finds out that a query holds the same items in another order."""

from __future__ import annotations

import pytest
from tests.domain.coding import made

from dbt_state_oss.domain.sql.item_order import same_in_another_order

REORDERED = {
    "columns": ("select a, b, 'x' as c from s.t", "select 'x' as c, b, a from s.t"),
    "columns of a common table": (
        "with c as (select a, b from s.t) select a from c",
        "with c as (select b, a from s.t) select a from c",
    ),
    "columns of a subquery": ("select a from (select a, b from s.t) as x", "select a from (select b, a from s.t) as x"),
    "branches of a union": (
        "select 1 as a union all select 2 as a union all select 3 as a",
        "select 3 as a union all select 1 as a union all select 2 as a",
    ),
    "branches of a union over tables": (
        "select a from s.t union all select a from s.u where b > 1",
        "select a from s.u where b > 1 union all select a from s.t",
    ),
    "branches within a common table": (
        "with c as (select 'm' as n union all select 'k' as n) select n from c",
        "with c as (select 'k' as n union all select 'm' as n) select n from c",
    ),
    "common tables": (
        "with c as (select a from s.t), d as (select b from s.u) select a, b from c join d on a = b",
        "with d as (select b from s.u), c as (select a from s.t) select a, b from c join d on a = b",
    ),
    "a list of values": ("select a from s.t where b in ('x', 'y')", "select a from s.t where b in ('y', 'x')"),
}
DIFFERENT = {
    "a literal": ("select a, 'x' as c from s.t", "select 'y' as c, a from s.t"),
    "another column": ("select a, b from s.t", "select b, a, c from s.t"),
    "the sides of a difference": (
        "select a from s.t except select a from s.u",
        "select a from s.u except select a from s.t",
    ),
    "an operator's sides": ("select a - b as c from s.t", "select b - a as c from s.t"),
    "the order of rows": ("select a from s.t order by a, b", "select a from s.t order by b, a"),
    "a kind of union": (
        "select 1 as a union all select 2 union select 3",
        "select 1 as a union select 3 union all select 2",
    ),
    "nothing but the spelling": ("select a::int as b from s.t", "select cast(a as integer) as b from s.t"),
}


@pytest.mark.parametrize(("one", "other"), REORDERED.values(), ids=REORDERED)
def test_the_same_items_in_another_order_are_known(one: str, other: str) -> None:
    assert same_in_another_order(made(one).parts, made(other).parts)
    assert not same_in_another_order(made(one).parts, made(one).parts)


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_in_more_is_not_taken_for_it(one: str, other: str) -> None:
    assert not same_in_another_order(made(one).parts, made(other).parts)


def test_nothing_is_said_of_a_record_without_these_parts() -> None:
    one, other = REORDERED["columns"]
    older = tuple(part for part in made(one).parts if " all items " not in part)
    assert not same_in_another_order(older, made(other).parts)
