"""Lineages: equal only where the logic upstream is known to be the same (rule F5)."""

from __future__ import annotations

from dataclasses import replace

from tests.domain.building import CASE, CUSTOMERS, HASHES, ORDERS, T0, execution

from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, History, Input
from dbt_state_oss.domain.lineage import lineage_of, same_lineage, with_lineage_of_found_rows
from dbt_state_oss.domain.submission import ExecutionType


def test_what_was_built_from_content_on_no_record_has_no_lineage_either() -> None:
    """Two builds of a parent, by other logic each, are never confirmed; what was built upon them must not look the same."""
    inputs = {ORDERS: Input(T0, UNKNOWN_LINEAGE), CUSTOMERS: Input(T0, None)}

    lineage = lineage_of(CASE.logic, HASHES, inputs)

    assert not same_lineage(lineage, lineage)


def test_a_build_in_place_does_not_take_over_the_lineage_of_a_build_that_it_doubts() -> None:
    """The doubted build's inputs may have moved while it read them, so the rows that it left are of unknown logic."""
    in_place = replace(CASE, submission=replace(CASE.submission, execution_type=ExecutionType.MERGE))
    before = execution(in_place, id="ns.t.before", lineage="l1")
    after = execution(in_place, id="ns.t.after", lineage="l1", found_epoch=before.epoch)
    history = History((before,))

    assert with_lineage_of_found_rows(after, history).lineage == "l1"
    doubting = with_lineage_of_found_rows(replace(after, voids=before.id), history)
    again = with_lineage_of_found_rows(replace(after, id="ns.t.again", voids=before.id), history)
    assert len({"l1", doubting.lineage, again.lineage}) == 3
