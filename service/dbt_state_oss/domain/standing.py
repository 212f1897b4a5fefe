"""Whether a target would be built by its record alone, if its code is unchanged.

This is shown to the owner; no decision depends on it. It applies the rules to the target as it was last built, with its inputs
as their own records show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build
from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.explanation import ExplainLine, Marker, moment_text
from dbt_state_oss.domain.history import Execution, History, Input
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.submission import Code, Node, Submission, TargetKey


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the record would justify a skip, and why not."""

    reusable: bool
    because: str = ""
    """Why it would be built; empty if it is reusable."""
    evidence: tuple[ExplainLine, ...] = ()
    unrecorded_inputs: tuple[Relation, ...] = ()
    """Inputs without a record: only a submission shows when they were last updated."""


def standing_of(target: TargetKey, history: History, upstream: Mapping[Relation, History], now: int) -> Standing:
    """The result, as far as `upstream`, the histories of what the latest execution read, is known."""
    latest = history.latest
    if latest is None:
        forgotten = history.forgotten_at
        told = "" if forgotten is None else f": it was invalidated at {moment_text(forgotten, now)}"
        return Standing(False, f"no build of it is recorded{told}")
    unrecorded = tuple(sorted(name for name in latest.inputs if upstream.get(name, History()) == History()))
    invalidated = tuple(
        ExplainLine(f"upstream {name} was invalidated; it is built next, and this target after it", Marker.INFO)
        for name in sorted(latest.inputs)
        if upstream.get(name, History()).is_forgotten
    )
    case = _asked_again(target, history, latest, upstream, now)
    if latest.full_refresh:
        return Standing(
            False,
            "its last build was a full refresh, and an incremental run is a different build",
            (),
            unrecorded,
        )
    if case.submission.relation is not None and latest.epoch is None:
        return Standing(False, "the epoch of its table after its last build is unknown", (), unrecorded)
    decision = decide(case)
    if not isinstance(decision, Build):
        return Standing(True, "", invalidated, unrecorded)
    failed = [line for section in decision.explanation for line in section.children if line.marker is Marker.FAIL]
    return Standing(
        False, decision.because, tuple(line for one in failed for line in one.children) + invalidated, unrecorded
    )


def _asked_again(
    target: TargetKey, history: History, latest: Execution, upstream: Mapping[Relation, History], now: int
) -> Case:
    """The submission that would repeat the latest execution."""
    logic = latest.logic
    dialect = dialect_named(logic.dialect)
    relation = target.relation if latest.results is None else None
    submission = Submission(
        key=target,
        relation=relation,
        execution_type=logic.execution_type,
        code=Code(dialect, "", "", "", relation),
        extras=logic.extras,
        own_epoch=latest.epoch,
        inputs={
            name: _epoch_now(known, upstream.get(name, History()), dialect.clock)
            for name, known in latest.inputs.items()
        },
        node=Node(latest.node_id, resource_type=latest.resource_type, hashes=latest.hashes),
    )
    return Case(submission, history, logic.fingerprint, latest.raw_digest, logic.extras, now, upstream=upstream)


def _epoch_now(known: Input, history: History, clock: EpochClock) -> Epoch | None:
    """The state of an input by its own record, or as it was read if that record shows nothing newer."""
    latest = history.latest
    if latest is None or latest.epoch is None or known.epoch is None or history.falls_to(known.epoch, clock) is latest:
        return known.epoch
    return max(known.epoch, latest.epoch)
