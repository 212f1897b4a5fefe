"""Rules L4a and F9 through views: a view is edited; may who reads it stay as it is, and who reads the reader?"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from tests.domain.building import CASE, SUBMISSION, built_before
from tests.domain.coding import code, made
from tests.domain.parents import content_read, parent

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Skip
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import ExecutionType

BEFORE = " SELECT orders.id,\n    orders.amount\n   FROM raw.orders;"
AFTER = " SELECT orders.id,\n    orders.amount,\n    orders.kind\n   FROM raw.orders;"
READER = "select id, sum(amount) as total from db.public.v group by 1"


class Edit(NamedTuple):
    """A view `v`, the same edited, and a query that reads it."""

    before: str
    after: str
    reader: str = READER


STAYS = {
    "a new column that nobody names": Edit(BEFORE, AFTER),
    "a new column in a statement that makes the view": Edit(
        "create view db.public.v as select id, amount from raw.orders",
        "create view db.public.v as select id, amount, kind from raw.orders",
    ),
    "a column in another order": Edit(BEFORE, " SELECT orders.amount,\n    orders.id\n   FROM raw.orders;"),
    "a column that nobody names means something else": Edit(
        AFTER, AFTER.replace("orders.kind", "upper(orders.kind) AS kind")
    ),
    "the reader imports the view by a star": Edit(
        BEFORE, AFTER, "with v as (select * from db.public.v) select v.id, v.amount from v"
    ),
}

IS_BUILT = {
    "a new column that the reader names": Edit(
        BEFORE, AFTER, "select id, amount, c.kind from db.public.v join raw.c using (id)"
    ),
    "a column that the reader names means something else": Edit(
        BEFORE, AFTER.replace("orders.amount", "orders.amount * 2 AS amount")
    ),
    "a filter": Edit(BEFORE, AFTER.replace("raw.orders;", "raw.orders WHERE orders.amount > 1;")),
    "another table": Edit(BEFORE, AFTER.replace("raw.orders;", "raw.old_orders orders;")),
    "distinct rows": Edit(BEFORE.replace("SELECT", "SELECT DISTINCT"), AFTER.replace("SELECT", "SELECT DISTINCT")),
    "rows that a limit picks": Edit(BEFORE.replace(";", " LIMIT 3;"), AFTER.replace(";", " LIMIT 3;")),
    "united rows": Edit(
        "select id, amount from raw.a union all select id, amount from raw.b",
        "select id, amount, kind from raw.a union all select id, amount, kind from raw.b",
    ),
    "a column that makes rows": Edit(BEFORE, AFTER.replace("orders.kind", "unnest(orders.kinds) AS kind")),
    "a column that makes one row of many": Edit(
        "select 1 as id, 2 as amount from raw.orders", "select 1 as id, 2 as amount, count(*) as n from raw.orders"
    ),
    "a view that hands a table's columns on": Edit("select * from raw.orders", "select *, 1 as one from raw.orders"),
    "the reader hands every column on": Edit(BEFORE, AFTER, "select * from db.public.v"),
    "the reader reads rows whole": Edit(BEFORE, AFTER, "select row_to_json(v) as j from db.public.v"),
    "the reader reads rows whole behind a dot": Edit(BEFORE, AFTER, "select v.to_jsonb as j from db.public.v"),
    "the reader joins by whatever names agree": Edit(BEFORE, AFTER, "select id from db.public.v natural join raw.c"),
    "the reader changed too": Edit(BEFORE, AFTER, "select {0} from db.public.v"),
}


def reader(edit: Edit) -> Case:
    """The view's reader, built before the edit, after it."""
    then, now = (
        code(edit.reader.format(column), target="db.s.r", views={"db.public.v": view})
        for column, view in (("id", edit.before), ("amount", edit.after))
    )
    is_now = fingerprint(now)
    submission = replace(
        SUBMISSION, inputs={leaf: 1 for slot in is_now.slots for leaf in slot.leaves}, compare_selected_columns=True
    )
    case = replace(CASE, submission=replace(submission, code=then), fingerprint=fingerprint(then))
    return replace(built_before(case), submission=replace(submission, code=now), fingerprint=is_now)


@pytest.mark.parametrize("edit", STAYS.values(), ids=STAYS)
def test_a_reader_stays_though_the_view_has(edit: Edit) -> None:
    decision = decide(reader(edit))

    assert isinstance(decision, Skip), decision.description


@pytest.mark.parametrize("edit", IS_BUILT.values(), ids=IS_BUILT)
def test_a_reader_is_built_where_the_view_has(edit: Edit) -> None:
    assert "its query has changed" in decide(reader(edit)).description


@pytest.mark.parametrize("execution_type", [ExecutionType.SNAPSHOT, ExecutionType.MICROBATCH, ExecutionType.DBT_CUSTOM])
def test_who_may_read_more_than_its_query_is_built(execution_type: ExecutionType) -> None:
    case = reader(STAYS["a new column that nobody names"])
    latest = case.history.executions[0]
    typed = replace(latest, logic=replace(latest.logic, execution_type=execution_type))
    case = replace(
        case,
        submission=replace(case.submission, execution_type=execution_type),
        history=replace(case.history, executions=(typed,)),
    )

    assert "its query has changed" in decide(case).description


def test_without_the_option_a_new_column_of_a_view_builds_its_readers() -> None:
    case = reader(STAYS["a new column that nobody names"])

    decision = decide(replace(case, submission=replace(case.submission, compare_selected_columns=False)))

    assert "the definition of a view that it reads" in decision.description


@pytest.mark.parametrize("edit", STAYS.values(), ids=STAYS)
def test_who_reads_the_rebuilt_reader_stays_though_the_view_has(edit: Edit) -> None:
    assert _read_of_parent(edit.before, edit) == _read_of_parent(edit.after, edit) is not None


def test_a_new_column_goes_through_a_view_and_its_reader_past_who_does_not_name_it() -> None:
    before = content_read(
        parent("select id, amount from db.public.v", views={"db.public.v": BEFORE}), "select id from s.p"
    )
    after = content_read(
        parent("select id, amount, kind from db.public.v", views={"db.public.v": AFTER}), "select id from s.p"
    )

    assert before == after is not None


def _read_of_parent(view: str, edit: Edit) -> str | None:
    return content_read(parent(edit.reader, views={"db.public.v": view}), "select id from s.p")


@pytest.mark.parametrize("edit", IS_BUILT.values(), ids=IS_BUILT)
def test_who_reads_the_rebuilt_reader_is_built_where_the_view_has(edit: Edit) -> None:
    before, after = (
        parent(edit.reader.format(column), views={"db.public.v": view})
        for column, view in (("id", edit.before), ("amount", edit.after))
    )
    child = "select id, amount, total, kind, n, j from s.p"

    assert content_read(before, child) != content_read(after, child) or content_read(before, child) is None


def test_a_view_of_a_view_is_told_apart_by_its_columns_too() -> None:
    outer = "select id, amount from db.public.v"
    digests = {
        made("select id from db.public.w", views={"db.public.w": outer, "db.public.v": view}).selection_digest
        for view in (BEFORE, AFTER)
    }
    changed = made(
        "select id from db.public.w",
        views={"db.public.w": outer, "db.public.v": BEFORE.replace("orders.id", "orders.id + 1 AS id")},
    )

    assert len(digests) == 1
    assert None not in digests
    assert changed.selection_digest not in digests
