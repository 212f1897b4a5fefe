"""What a run's artifacts and the warehouse's times prove of a build, and what they don't."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.domain.building import MART, ORDERS, SUBMISSION

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.importing.proof import (
    CLOCK_MARGIN_MS,
    Surroundings,
    surroundings,
    why_not_importable,
    why_not_proven,
    why_other_code,
)
from dbt_state_oss.application.importing.run import Manifest, NodeRun, PlainRun
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.cli.manifest.artifacts import read_run
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, SeedValues, ViewDefinition
from dbt_state_oss.errors import InvalidRequest

ID = "model.shop.mart"
BEGAN = 1_795_352_200_000
STARTED, ENDED = BEGAN + 50, BEGAN + 500
RAN = NodeRun("success", BEGAN, STARTED, ENDED, "select 1")
LONG_AGO = BEGAN - CLOCK_MARGIN_MS - 1
VIEW = Relation('"shop"."prod"."stg_orders"')
ALONE = Surroundings({}, frozenset(), nothing_was_deleted=True)


def code(sql: str = "select 1", *views: Relation, dialect: str = "postgres") -> Code:
    return Code(
        dialect_named(dialect), sql, "shop", "public", MART, tuple(ViewDefinition(one, "", "", "") for one in views)
    )


def built(epoch: int | None = ENDED - 10, orders: int | None = LONG_AGO, **changes: Any) -> Recorded:
    submission = replace(SUBMISSION, **{"code": code(), "inputs": {ORDERS: orders}, **changes})
    return Recorded(submission, Outcome(epoch))


def why(recorded: Recorded, around: Surroundings = ALONE, views: Mapping[Relation, int | None] | None = None) -> str:
    return why_not_proven(recorded, RAN, views or {}, around) or "proven"


def test_a_table_that_the_run_wrote_from_what_was_older_is_proven() -> None:
    assert why(built()) == "proven"


@pytest.mark.parametrize("epoch", [None, STARTED - 1, ENDED + 1, BEGAN])
def test_a_table_that_was_written_at_another_time_is_not(epoch: int | None) -> None:
    assert "was not written by the run, or has been written since" in why(built(epoch))


@pytest.mark.parametrize("epoch", [STARTED, ENDED])
def test_the_window_counts_with_its_ends(epoch: int) -> None:
    assert why(built(epoch)) == "proven"


def test_other_sql_is_not_what_was_run() -> None:
    assert "compiles to something else" in why(built(code=code("select 1 ")))
    untold = replace(RAN, sql=None)
    assert "do not contain the SQL" in (why_not_proven(built(), untold, {}, ALONE) or "")


@pytest.mark.parametrize("epoch", [LONG_AGO + 1, BEGAN - 1, BEGAN, ENDED, ENDED + 10_000])
def test_an_input_that_may_have_moved_since_the_node_began_is_no_proof(epoch: int) -> None:
    """Within the margin, clocks may tell the order wrongly."""
    assert f"{ORDERS} was updated during the run" in why(built(orders=epoch))


def test_an_input_that_is_not_known_is_no_proof() -> None:
    assert "is unknown" in why(built(orders=None))


def test_a_table_of_the_same_run_needs_no_clock_but_its_own() -> None:
    before = NodeRun("success", BEGAN - 300, BEGAN - 200, BEGAN - 1, "")
    around = replace(ALONE, built={ORDERS: before}, nothing_was_deleted=False)
    assert why(built(orders=BEGAN - 100), around) == "proven"
    assert why(built(orders=BEGAN - 201), around) != "proven"
    still_running = replace(before, ended=BEGAN + 1)
    assert why(built(orders=BEGAN - 100), replace(around, built={ORDERS: still_running})) != "proven"


def test_where_deletions_leave_no_trace_somebody_has_to_vouch() -> None:
    around = replace(ALONE, nothing_was_deleted=False)
    assert "would leave no trace" in why(built(), around)
    assert why(built(code=code(dialect="snowflake")), around) == "proven"


def test_a_source_that_is_dated_by_its_rows_is_no_proof() -> None:
    assert "comes from loaded_at_field" in why(built(), replace(ALONE, dated_by_content=frozenset({ORDERS})))


@pytest.mark.parametrize(
    ("defined", "proven"), [(LONG_AGO, True), (None, False), (BEGAN - 1, False), (ENDED + 10_000, False)]
)
def test_a_view_on_the_way_has_to_be_older_too(defined: int | None, proven: bool) -> None:
    assert (why(built(code=code("select 1", VIEW)), views={VIEW: defined}) == "proven") == proven
    assert why(built(code=code("select 1", VIEW))) != "proven"


def test_a_view_of_the_same_run_stands_by_its_own_window() -> None:
    before = NodeRun("success", BEGAN - 300, BEGAN - 200, BEGAN - 1, "")
    around = replace(ALONE, built={VIEW: before})
    assert why(built(code=code("select 1", VIEW)), around, {VIEW: BEGAN - 100}) == "proven"
    assert why(built(code=code("select 1", VIEW)), around, {VIEW: BEGAN + 100}) != "proven"


def test_a_seed_is_proven_by_its_window_alone() -> None:
    seed = built(code=SeedValues(dialect_named("postgres"), "h1"), inputs={})
    assert why_not_proven(seed, replace(RAN, sql=None), {}, ALONE) is None
    assert why_not_proven(replace(seed, outcome=Outcome(ENDED + 1)), RAN, {}, ALONE) is not None


def node(**changes: Any) -> dict[str, Any]:
    told = {"resource_type": "model", "language": "sql", "config": {"materialized": "table"}, "raw_code": "select 1"}
    return {**told, "relation_name": MART, "depends_on": {"macros": ["macro.shop.outer"]}, **changes}


def manifest(told: dict[str, Any] | None = None, *, inner: str = "1") -> Manifest:
    outer = {"macro_sql": "inner()", "depends_on": {"macros": ["macro.shop.inner"]}}
    circle = {"macro_sql": inner, "depends_on": {"macros": ["macro.shop.outer"]}}
    macros = {"macro.shop.outer": outer, "macro.shop.inner": circle}
    return Manifest("i1", "1.11.0", {ID: told or node()}, {}, macros)


def ran(status: str = "success", told: dict[str, Any] | None = None) -> PlainRun:
    return PlainRun(manifest(told), {ID: replace(RAN, status=status)}, {})


@pytest.mark.parametrize(
    ("told", "because"),
    [
        ({"resource_type": "test"}, "type test are not imported"),
        ({"language": "python"}, "Python"),
        ({"config": {"materialized": "incremental"}}, "whether the run was a full build"),
        ({"config": {"materialized": "view"}}, "materialized as view"),
        ({"config": {"materialized": "of_their_own"}}, "materialized as of_their_own"),
        (
            {"resource_type": "seed", "config": {"materialized": "seed"}, "checksum": {"name": "path"}},
            "does not record the checksum",
        ),
    ],
)
def test_of_some_nodes_nothing_can_be_proven(told: dict[str, Any], because: str) -> None:
    assert because in (why_not_importable(ran(told=node(**told)), ID) or "")


def test_only_what_succeeded_is_asked_about() -> None:
    assert why_not_importable(ran(), ID) is None
    for status in ("error", "skipped", "partial success"):
        assert status in (why_not_importable(ran(status), ID) or "")


def test_definitions_are_compared_with_all_macros_below_them() -> None:
    assert why_other_code(ran(), manifest(node(created_at=5, compiled_code="x")), ID) is None
    for other in (
        manifest(inner="2"),
        manifest(node(raw_code="select 2")),
        manifest(node(config={"materialized": "table", "post-hook": ["x"]})),
        replace(manifest(), nodes={}),
    ):
        assert "has changed since the run" in (why_other_code(ran(), other, ID) or "")


def test_what_the_run_built_and_what_is_dated_by_rows_goes_by_canonical_names() -> None:
    run = ran()
    source = {"relation_name": '"shop"."raw"."orders"', "loaded_at_field": "at"}
    dated = replace(
        run, manifest=replace(run.manifest, sources={"s": source, "t": {**source, "loaded_at_field": None}})
    )
    around = surroundings(dated, [dialect_named("postgres")], nothing_was_deleted=False)
    assert around.built == {MART: RAN}
    assert around.dated_by_content == {ORDERS}
    assert not surroundings(ran("error"), [dialect_named("postgres")], nothing_was_deleted=False).built


def artifacts(directory: Path, *, invocation: str = "i1", which: str = "build") -> Path:
    timing = [
        {"name": "compile", "started_at": "2026-11-20T00:00:00.000400Z", "completed_at": "2026-11-20T00:00:01Z"},
        {"name": "execute", "started_at": "2026-11-20T00:00:01.5Z", "completed_at": "2026-11-20T00:00:02Z"},
    ]
    result = {"unique_id": ID, "status": "success", "timing": timing, "compiled_code": "select 1"}
    unbuilt = {"unique_id": "model.shop.other", "status": "skipped", "timing": []}
    results = {"metadata": {"invocation_id": "i1"}, "args": {"which": which}, "results": [result, unbuilt]}
    told = {
        "metadata": {"invocation_id": invocation, "dbt_version": "1.11.0"}, "nodes": {}, "sources": {}, "macros": {}
    }  # fmt: skip
    (directory / "run_results.json").write_text(json.dumps(results))
    (directory / "manifest.json").write_text(json.dumps(told))
    return directory


def test_a_run_is_read_with_its_times(tmp_path: Path) -> None:
    results = read_run(artifacts(tmp_path)).results
    midnight, ran = 1_795_132_800_000, results[ID]
    assert ran.began == pytest.approx(midnight + 0.4, rel=0, abs=0.01)
    assert (ran.started, ran.ended, ran.sql) == (midnight + 1500, midnight + 2000, "select 1")
    assert not results["model.shop.other"].wrote(midnight)


@pytest.mark.parametrize(
    ("spoil", "because"),
    [
        (lambda directory: artifacts(directory, invocation="i2"), "not of the same dbt command"),
        (lambda directory: artifacts(directory, which="compile"), "was dbt compile"),
        (lambda directory: (directory / "manifest.json").unlink(), "cannot be read"),
        (lambda directory: (directory / "run_results.json").write_text("{"), "is not valid JSON"),
        (lambda directory: (directory / "run_results.json").write_text("[]"), "is not a run_results.json"),
        (lambda directory: (directory / "manifest.json").write_text("{}"), "is not a manifest.json"),
    ],
    ids=["two commands", "no build", "missing", "no json", "another file", "another object"],
)
def test_artifacts_that_are_not_of_one_run_are_refused(tmp_path: Path, spoil: Any, because: str) -> None:
    artifacts(tmp_path)
    spoil(tmp_path)
    with pytest.raises(InvalidRequest, match=because):
        read_run(tmp_path)
