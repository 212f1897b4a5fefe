"""Rule F9 within whole decisions: when a parent's edit leaves its child alone, and what forbids it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.domain.building import CASE, HASHES
from tests.domain.parents import BEFORE, CHILD, EPOCH, PARENT, child_of, edited, parent

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.history import Execution, Input
from dbt_state_oss.domain.submission import ExecutionType

BUILT = parent(BEFORE)
SAMPLED = CHILD.replace("s.p", "(select * from s.p where id > 1) _dbt_et_filter_subq_p")
WINDOW = {
    "__microbatch_event_time_start": "2026-11-21T00:00:00+00:00",
    "__microbatch_event_time_end": "2026-11-23T00:00:00+00:00",
}
COUNTED = "select count(*) as failures from (select * from s.p where total is null) as dbt_internal_test"


def configured(**hashes: Any) -> Execution:
    """The parent's build after its edit, with other hashes of its configuration."""
    return edited(hashes=replace(HASHES, **hashes))


STAR = "select *, amount as total from s.orders"
STAR_AFTER = "select *, amount as total, amount * 2 as twice from s.orders"
SCHEMA = {"id": "integer", "amount": "numeric(10,2)", "kind": "text"}
HANDS_ON = parent(STAR, schema=SCHEMA)


STAYS: dict[str, Case] = {
    "nothing else": child_of(BUILT, edited()),
    "it is an incremental": child_of(BUILT, edited(), execution_type=ExecutionType.MERGE),
    "it is a data test": child_of(
        BUILT, edited(), sql=COUNTED, execution_type=ExecutionType.DBT_DATA_TEST, relation=None
    ),
    "the new column has a description": child_of(
        parent(BEFORE, extras={**CASE.extras, "__persisted_docs_hash": "d1"}),
        edited(extras={**CASE.extras, "__persisted_docs_hash": "d2"}),
    ),
    "its parent hands on what a source has": child_of(HANDS_ON, edited(STAR_AFTER, schema=SCHEMA)),
    "its parent hands it on through common tables": child_of(
        parent(
            f"with o as (select * from s.orders), p as (select * from o) {STAR.replace('s.orders', 'p')}", schema=SCHEMA
        ),
        edited(
            f"with o as (select * from s.orders), p as (select * from o) {STAR_AFTER.replace('s.orders', 'p')}",
            schema=SCHEMA,
        ),
    ),
    "the source has a new column that nobody names": child_of(
        HANDS_ON, edited(STAR, schema={**SCHEMA, "note": "text"})
    ),
    "its columns are told behind the parent's name": child_of(
        HANDS_ON, edited(STAR_AFTER, schema=SCHEMA), sql="select p.id, p.total, p.kind from s.p as p"
    ),
}

IS_BUILT: dict[str, tuple[Case, str]] = {
    "the option is off": (child_of(BUILT, edited(), compare_selected_columns=False), "changed logic"),
    "it reads every column": (child_of(BUILT, edited(), sql="select * from s.p"), "changed logic"),
    "it is a snapshot": (child_of(BUILT, edited(), execution_type=ExecutionType.SNAPSHOT), "changed logic"),
    "it is a microbatch, which dbt filters": (
        child_of(BUILT, edited(), execution_type=ExecutionType.MICROBATCH, extras=WINDOW),
        "changed logic",
    ),
    "it is built in a way of somebody's own": (
        child_of(BUILT, edited(), execution_type=ExecutionType.DBT_CUSTOM),
        "is custom",
    ),
    "it reads a sample": (child_of(BUILT, edited(), sql=SAMPLED), "changed logic"),
    "when the parent was written is not known": (child_of(BUILT, edited(), reports=None), "is unknown"),
    "somebody else wrote to the parent since": (
        child_of(BUILT, edited(), reports=EPOCH + 2),
        "outside of recorded builds",
    ),
    "a hook wrote to the parent as it was": (child_of(parent(BEFORE, data_identity=None), edited()), "changed logic"),
    "a hook wrote to the parent as it is": (child_of(BUILT, edited(data_identity=None)), "changed logic"),
    "the parent's content is that of a table which is not ours": (
        child_of(BUILT, edited(data_identity="x at 1")),
        "changed logic",
    ),
    "the parent's last build proves nothing": (child_of(BUILT, edited(unproven="it was copied")), "changed logic"),
    "the parent was built from a part of its inputs": (child_of(BUILT, edited(part_of_inputs=True)), "changed logic"),
    "the parent's configuration changed": (child_of(BUILT, configured(configs="c2")), "changed logic"),
    "the parent's macros changed": (child_of(BUILT, configured(macros="m2")), "changed logic"),
    "the parent's contract changed": (child_of(BUILT, configured(contract="k2")), "changed logic"),
    "the parent was built in another dbt target": (child_of(BUILT, edited(target_name="dev")), "changed logic"),
    "the parent may have moved while the child was built": (
        child_of(BUILT, edited(found_epoch=EPOCH - 1)),
        "changed logic",
    ),
    "an extra of the parent changed": (
        child_of(BUILT, edited(extras={**CASE.extras, "sql_header": "h"})),
        "changed logic",
    ),
    "what the parent reads moved": (child_of(BUILT, edited(inputs_at=2)), "changed logic"),
    "the parent became an incremental": (
        child_of(BUILT, edited(execution_type=ExecutionType.MERGE)),
        "changed logic",
    ),
    "what the parent hands on was never told": (child_of(parent(STAR), edited(STAR_AFTER)), "changed logic"),
    "what the parent hands on is not told any more": (child_of(HANDS_ON, edited(STAR_AFTER)), "changed logic"),
    "a column that the parent hands on has another type": (
        child_of(HANDS_ON, edited(STAR_AFTER, schema={**SCHEMA, "id": "text"})),
        "changed logic",
    ),
    "a column that the parent hands on is gone": (
        child_of(
            HANDS_ON,
            edited(STAR_AFTER, schema={"id": "integer", "amount": "numeric(10,2)"}),
            sql="select kind from s.p",
        ),
        "changed logic",
    ),
    "a new column of the source bears a name that is said": (
        child_of(parent(STAR, schema=SCHEMA), edited(STAR_AFTER, schema={**SCHEMA, "s": "text"})),
        "changed logic",
    ),
    "a new column bears the name of one that is handed on": (
        child_of(
            parent("select *, 1 as one from s.orders", schema=SCHEMA),
            edited("select *, 1 as one, 2 as id from s.orders", schema=SCHEMA),
        ),
        "changed logic",
    ),
    "a column that the parent names beside a star changed": (
        child_of(HANDS_ON, edited(STAR.replace("amount as", "amount + 1 as"), schema=SCHEMA)),
        "changed logic",
    ),
    "the parent hands on what another table has": (
        child_of(HANDS_ON, edited(STAR.replace("s.orders", "s.old_orders"), schema=SCHEMA)),
        "changed logic",
    ),
    "a row is read behind a dot of what is handed on": (
        child_of(HANDS_ON, edited(STAR_AFTER, schema=SCHEMA), sql="select p.to_jsonb as j from s.p as p"),
        "changed logic",
    ),
    "the parent's own epoch was read by two builds": (
        child_of(BUILT, edited(epoch=EPOCH), reports=EPOCH - 1),
        "outside of recorded builds",
    ),
}


@pytest.mark.parametrize("case", STAYS.values(), ids=STAYS)
def test_it_stays_when_its_parent_has_a_new_column_and(case: Case) -> None:
    decision = decide(case)

    assert isinstance(decision, Skip), decision.description
    assert not decision.stale


@pytest.mark.parametrize(("case", "because"), IS_BUILT.values(), ids=IS_BUILT)
def test_it_is_built_though_it_names_its_columns_when(case: Case, because: str) -> None:
    decision = decide(case)

    assert isinstance(decision, Build), decision.description
    assert because in decision.description


def test_a_table_that_the_query_is_not_seen_to_read_counts_as_a_whole() -> None:
    """The client reports it, so it may be read in a way that was not understood."""
    case = child_of(BUILT, edited(), sql="select 1 as one")

    assert case.history.latest is not None
    assert case.history.latest.inputs[PARENT] == Input(
        EPOCH, BUILT.lineage, BUILT.data_identity, last_build_at=BUILT.confirmed_at
    )
    assert isinstance(decide(case), Build)


def test_the_record_holds_what_is_needed_whether_or_not_it_was_asked_for() -> None:
    unasked = child_of(BUILT, edited(), compare_selected_columns=False)

    assert unasked.history.latest == child_of(BUILT, edited()).history.latest
