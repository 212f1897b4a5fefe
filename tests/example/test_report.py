"""What the demo says about a build, and what it takes for a fault."""

from __future__ import annotations

import pytest
from example_project.playground import Build, Decision, NodeResult
from example_project.report import build_table, faults, totals

SOURCE, TABLE, TEST, ALONE = "source.shop.raw.s", "model.shop.t", "test.shop.c.123", "seed.shop.alone"
REUSE, BUILD = Decision(True, "it is still right", 1500), Decision(False, "it is out of date", 700)


def build_of(*results: NodeResult) -> Build:
    children = {SOURCE: [TABLE], TABLE: [TEST], TEST: [], ALONE: []}
    parents = {SOURCE: [], TABLE: [SOURCE], TEST: [TABLE], ALONE: []}
    return Build(results, 2.0, parents, children)


def reused(unique_id: str, decision: Decision | None = REUSE) -> NodeResult:
    return NodeResult(unique_id, is_view=False, reused=True, decision=decision)


def built(unique_id: str, decision: Decision | None = BUILD) -> NodeResult:
    return NodeResult(unique_id, is_view=False, reused=False, decision=decision)


def test_a_change_that_builds_what_depends_on_it_and_nothing_else_has_no_fault() -> None:
    assert list(faults(build_of(built(TABLE), built(TEST), reused(ALONE)), [SOURCE])) == []


@pytest.mark.parametrize(
    ("result", "changed", "fault"),
    [
        pytest.param(reused(TEST), [SOURCE], "test c: was reused, but depends on what has changed", id="false reuse"),
        pytest.param(
            reused(ALONE), None, "seed alone: was reused, but depends on what has changed", id="not known yet"
        ),
        pytest.param(built(ALONE), [SOURCE], "seed alone: was built, but depends on nothing", id="needless build"),
        pytest.param(built(TABLE, None), [SOURCE], "model t: the server was not asked", id="not asked"),
        pytest.param(built(ALONE, REUSE), [], "seed alone: dbt did not do what", id="answer not followed"),
    ],
)
def test_each_way_to_break_the_promise_is_a_fault(result: NodeResult, changed: list[str] | None, fault: str) -> None:
    (found,) = faults(build_of(result), changed)
    assert found.startswith(fault)


def test_a_view_is_never_a_fault_for_it_is_not_asked_about() -> None:
    view = NodeResult(TABLE, is_view=True, reused=False, decision=None)
    assert list(faults(build_of(view), [])) == []


def test_the_totals_count_the_time_that_reused_nodes_once_took() -> None:
    view = NodeResult("model.shop.v", is_view=True, reused=False, decision=None)
    assert totals(build_of(built(TABLE), reused(TEST), reused(ALONE), view)) == ("1", "2", "1", "2.0 s", "3.00 s")


def test_the_table_goes_downstream_and_ends_with_the_tests() -> None:
    ephemeral, later = "model.shop.e", "model.shop.later"
    parents = {TABLE: [SOURCE], TEST: [TABLE], ephemeral: [TABLE], later: [ephemeral]}
    build = Build((built(TEST), built(later), built(TABLE), reused(ALONE)), 2.0, parents, children={})
    rows = [row.split(" │ ") for row in build_table(build).splitlines()[2:]]
    assert [(node.strip(), verdict.strip(), reason) for node, verdict, reason in rows] == [
        ("seed alone", "NO-OP", REUSE.description),
        ("model t", "built", BUILD.description),
        ("model later", "built", BUILD.description),
        ("test c", "built", BUILD.description),
    ]
