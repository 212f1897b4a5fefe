"""Judges whether a table provably holds what a run of plain dbt built, and what dbt would build from the project now.

Pure. It compares two sources: the record that the client makes of the node now, and the artifacts that dbt wrote about the
run. The `why_…` functions return the reason why something is not proven, or None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dbt_state_oss.application.importing.run import Manifest, NodeRun, PlainRun
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.submission import Code
from dbt_state_oss.errors import InvalidRequest

CLOCK_MARGIN_MS = 2000
"""How far the clocks of dbt's host and of the warehouse may differ. A write less than this before the beginning of a node
counts as a write after it."""

_MOST_OFFSET_MS = 1000

_PROVABLE = {"model": "table", "seed": "seed", "snapshot": "snapshot"}


@dataclass(frozen=True, slots=True)
class Collected:
    """The record that the client makes of a node now."""

    recorded: Recorded
    views: Mapping[Relation, Epoch | None]
    """When each view that the node reads got its definition, in Unix milliseconds; None if unknown."""


@dataclass(slots=True)
class Collection:
    """Everything that was collected from a project."""

    manifest: Manifest
    """The project as it is now."""
    offset_ms: int | None = None
    """How far the warehouse's clock is ahead of this machine's; None if the client did not compare them."""
    nodes: dict[str, Collected] = field(default_factory=dict)
    """By unique id, each node after its dependencies."""
    faults: dict[str, str] = field(default_factory=dict)
    """Why the client made no record, by unique id."""


@dataclass(slots=True)
class Judged:
    """The proven builds in the order in which they must be recorded, and the reasons why the others are left out."""

    proven: dict[str, Recorded] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The other facts that are needed to judge a record."""

    built: Mapping[Relation, NodeRun]
    """The tables and views that the run built, by relation."""
    dated_by_content: frozenset[Relation]
    """Sources whose epoch comes from their rows (`loaded_at_field`), not from their last modification."""
    nothing_was_deleted: bool
    """The user confirms that no rows were deleted from sources since the run."""


def judge(run: PlainRun, now: Collection, *, nothing_was_deleted: bool) -> Judged:
    """Return which builds of the run are proven by the project as it is now.

    `nothing_was_deleted`: the user confirms that no rows were deleted from sources since the run. Raises `InvalidRequest` if
    nothing can be proven: the run used another version of dbt, or the clocks differ.
    """
    if now.manifest.dbt_version != run.manifest.dbt_version:
        raise InvalidRequest(
            f"the run used dbt {run.manifest.dbt_version}, but this is dbt {now.manifest.dbt_version}; "
            "pass the Python interpreter of the run with --dbt-python"
        )
    if now.offset_ms is None or abs(now.offset_ms) > _MOST_OFFSET_MS:
        raise InvalidRequest(
            "the clocks of this machine and of the warehouse differ by more than a second, or could not be compared: "
            "when something was written proves nothing then; set this machine's clock"
        )
    judged = Judged()
    dialects = {one.recorded.submission.code.dialect for one in now.nodes.values()}
    around = surroundings(run, dialects, nothing_was_deleted=nothing_was_deleted)
    uncollected = [unique_id for unique_id in run.results if unique_id not in now.nodes]
    for unique_id in (*now.nodes, *uncollected):
        if unique_id not in run.results:
            continue
        collected = now.nodes.get(unique_id)
        why = why_not_importable(run, unique_id) or why_other_code(run, now.manifest, unique_id)
        if why is None and collected is None:
            why = now.faults.get(unique_id, "dbt could not compile it")
        if why is None and collected is not None:
            why = why_not_proven(collected.recorded, run.results[unique_id], collected.views, around)
            judged.proven |= {} if why else {unique_id: collected.recorded}
        if why is not None:
            judged.left_out[unique_id] = why
    return judged


def why_not_importable(run: PlainRun, unique_id: str) -> str | None:
    """Return why a node of the run cannot be imported at all, or None."""
    node = run.manifest.nodes.get(unique_id)
    if node is None:
        return "it is not in the run's manifest"
    if run.results[unique_id].status != "success":
        return f"it did not succeed: {run.results[unique_id].status}"
    kind, materialized = node.get("resource_type"), node.get("config", {}).get("materialized")
    if kind not in _PROVABLE:
        return f"nodes of type {kind} are not imported"
    if node.get("language", "sql") != "sql":
        return "the client never submits Python models"
    if materialized == "incremental":
        return "it is incremental, and the artifacts do not show whether the run was a full build"
    if materialized != _PROVABLE[kind]:
        return f"a model that is materialized as {materialized} is not imported"
    if kind == "seed" and node.get("checksum", {}).get("name") != "sha256":
        return "the seed is so large that dbt does not record the checksum of its file"
    return None


def why_other_code(run: PlainRun, now: Manifest, unique_id: str) -> str | None:
    """Return why the node's code is not the code that was run, or None."""
    if run.manifest.definition(unique_id) != now.definition(unique_id):
        return "its code, its configuration or a macro that it calls has changed since the run"
    return None


def why_not_proven(
    recorded: Recorded, ran: NodeRun, views: Mapping[Relation, Epoch | None], around: Surroundings
) -> str | None:
    """Return why the table or its inputs are not provably the same as in the run, or None."""
    code = recorded.submission.code
    if isinstance(code, Code) and ran.sql is None:
        return "the artifacts do not contain the SQL that was run"
    if isinstance(code, Code) and ran.sql != code.sql:
        return "its SQL now compiles to something else"
    if not ran.wrote(recorded.outcome.epoch):
        return "its table was not written by the run, or has been written since"
    return next(_input_changes(recorded, ran, views, around), None)


def _input_changes(
    recorded: Recorded, ran: NodeRun, views: Mapping[Relation, Epoch | None], around: Surroundings
) -> Iterator[str]:
    submission = recorded.submission
    for relation, epoch in sorted(submission.inputs.items()):
        if epoch is None:
            yield f"the update time of {relation} is unknown"
        elif _built_before(around.built.get(relation), epoch, ran):
            continue
        elif relation in around.dated_by_content:
            yield f"the epoch of {relation} comes from loaded_at_field, which does not show every write"
        elif epoch >= ran.began - CLOCK_MARGIN_MS:
            yield f"{relation} was updated during the run, just before it, or since"
        elif submission.code.dialect.empty_looks_missing and not around.nothing_was_deleted:
            yield f"rows deleted from {relation} since the run would leave no trace; pass --nothing-was-deleted if none were"
    read = submission.code.views if isinstance(submission.code, Code) else ()
    for view in sorted(one.relation for one in read):
        defined = views.get(view)
        if defined is None:
            yield f"the time at which the view {view} was defined is unknown"
        elif not _built_before(around.built.get(view), defined, ran) and defined >= ran.began - CLOCK_MARGIN_MS:
            yield f"the view {view} was redefined during the run, just before it, or since"


def _built_before(upstream: NodeRun | None, epoch: Epoch, ran: NodeRun) -> bool:
    """Return whether the same run built the input before it began this node, and the input is unchanged since then.

    The end of that build and the beginning of this node are times of one clock, so no margin is needed.
    """
    return upstream is not None and upstream.wrote(epoch) and upstream.ended <= ran.began


def surroundings(run: PlainRun, dialects: Iterable[Dialect], *, nothing_was_deleted: bool) -> Surroundings:
    """Return what the run built and which sources are dated by their rows, with names in the spelling of each dialect."""
    built: dict[Relation, NodeRun] = {}
    dated: set[Relation] = set()
    for dialect in dialects:
        for unique_id, ran in run.results.items():
            name = run.manifest.nodes.get(unique_id, {}).get("relation_name")
            if name and ran.status == "success":
                built[dialect.relation(name)] = ran
        for source in run.manifest.sources.values():
            if source.get("relation_name") and (source.get("loaded_at_field") or source.get("loaded_at_query")):
                dated.add(dialect.relation(source["relation_name"]))
    return Surroundings(built, frozenset(dated), nothing_was_deleted)
