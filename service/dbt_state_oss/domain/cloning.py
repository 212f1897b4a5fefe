"""Clone instead of a build: whether another table provably holds what the build would make, and which one is copied (rules C1
to C3).

The rules of a skip judge each candidate, with its history in the place of the target's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.clone import chain_depth, left_behind
from dbt_state_oss.domain.clone_ddl import clone_statements
from dbt_state_oss.domain.data_identity import identity_at, proven_identity
from dbt_state_oss.domain.decide import subject
from dbt_state_oss.domain.decision import Build, Clone, RejectionReason
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.draft import draft_execution
from dbt_state_oss.domain.explanation import ExplainLine, Marker, Section, ago_text
from dbt_state_oss.domain.history import CloneOrigin, Execution, History
from dbt_state_oss.domain.hook_free import has_no_hooks
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.rules import (
    RULES,
    Finding,
    Rule,
    an_execution_is_recorded,
    execution_type_is_known,
    hidden_code_is_unchanged,
    logic_is_unchanged,
    own_table_exists,
    query_does_not_read_its_target,
    query_returns_rows,
    results_are_complete,
    reuse_is_allowed,
    same_logic,
    stored_failures_can_be_skipped,
    table_is_unmodified,
    view_reads_the_same_columns,
)
from dbt_state_oss.domain.silent import inherited_inputs
from dbt_state_oss.domain.submission import ExecutionType

_CLONEABLE = frozenset({ExecutionType.FULL, ExecutionType.VALUES})
"""Builds whose content follows from logic and inputs alone. All others depend on the previous content of the table."""

_NEVER = frozenset({"snapshot", "test"})
"""Resource types that are also sent as FULL, although a build does not make their tables from its inputs alone (rule C1)."""

_DEFAULT_TIME_TRAVEL_MS = 604_800_000
"""BigQuery's default time travel window of seven days, if the client sends none."""

_FOUND = "an equivalent model exists under another name so we cloned that one"


class CloneTargets(Enum):
    """Where clones may be made (rule C3)."""

    DEVELOPMENT = "development"
    """Everywhere except in the defer target: production is never copied from a developer's schema."""
    EVERYWHERE = "everywhere"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another target that may hold the content, with its complete history."""

    relation: Relation
    history: History


@dataclass(frozen=True, slots=True)
class _Refusal:
    because: str
    reason: RejectionReason = RejectionReason.NO_SUITABLE_MATCH_FOUND


def may_be_cloned(case: Case) -> bool:
    """Whether a copy can replace a build: the content follows from the inputs alone (rules C1, L14, L15, T8, I5).

    The client also runs the hooks of a build on a copy. A hook that wrote to an earlier copy would do so again (rule C4).
    """
    submission = case.submission
    return (
        submission.relation is not None
        and submission.execution_type in _CLONEABLE
        and submission.node.resource_type not in _NEVER
        and not case.fingerprint.reads_itself
        and not case.asks_session
        and not case.fingerprint.returns_no_rows
        and not case.is_full_refresh
        and not case.history.is_forgotten
        and not case.is_never_reused
        and not _hooks_may_write_to_copies(case)
    )


def _hooks_may_write_to_copies(case: Case) -> bool:
    """Whether a hook wrote to an earlier copy, or may have, and the node may still have that hook (rule C4)."""
    wrote = case.copy_may_have_hooks_work or any(one.hook_wrote for one in case.history.executions)
    return wrote and not has_no_hooks(case.submission)


def is_source_of_clones(execution: Execution) -> bool:
    """Whether other targets may be copied from the content of this execution."""
    return (
        execution.epoch is not None
        and execution.unproven is None
        and execution.logic.execution_type in _CLONEABLE
        and execution.resource_type not in _NEVER
        and not execution.logic.fingerprint.reads_itself
        and not execution.logic.fingerprint.returns_no_rows
        and not _was_filled_again(execution)
    )


def _was_filled_again(execution: Execution) -> bool:
    """Whether a seed was loaded into an existing table, which has the columns of an earlier load (rule I1)."""
    is_seed = execution.logic.execution_type is ExecutionType.VALUES
    return is_seed and proven_identity(execution) is None and not _may_have_made_its_table(execution)


def _may_have_made_its_table(execution: Execution) -> bool:
    """Whether a seed's load found no table or an empty one, and the copying statement can check which (rule C1)."""
    copying = dialect_named(execution.logic.dialect).copying
    asked = execution.origin is None and execution.decided_at is not None
    return asked and execution.found_epoch is None and copying is not None and copying.verified_load is not None


def why_not_here(case: Case, targets: CloneTargets) -> str | None:
    """Why no clone may be made, whatever the candidates (rules C2, C3, C4); None if one may."""
    terms = case.submission.clone_terms
    if targets is CloneTargets.NOWHERE:
        return "this server offers no clones (DBTSTATE_CLONES)"
    if not terms.allowed or terms.chain_depth_limit == 0:
        return "the client allows no clones"
    if case.dialect.copying is None:
        return f"tables cannot be copied on {case.dialect.name}"
    if targets is CloneTargets.DEVELOPMENT and terms.into_defer_target is not False:
        if terms.into_defer_target is None:
            return "the client does not report whether its target is production, into which nothing is cloned (DBTSTATE_CLONES)"
        return "its target is production, into which nothing is cloned (DBTSTATE_CLONES)"
    if not case.hooks_are_harmless:
        return "it may have hooks, which would run again on the copy (DBTSTATE_TRUST_HOOKS)"
    return None


def with_clone(case: Case, build: Build, candidates: Iterable[Candidate]) -> Clone | Build:
    """The best clone instead of `build`, or the build with an explanation of every candidate (decision-rules: Clones).

    The freshest data wins, then the shortest chain of clones, then the name. The case's `upstream` must have been gathered.
    """
    found: list[tuple[_Rank, Clone]] = []
    lines: list[ExplainLine] = []
    refusals: list[_Refusal] = []
    for candidate, past in _standings(case, candidates):
        judged = _judged(case, candidate, past=past)
        if isinstance(judged, _Refusal):
            refusals.append(judged)
            lines.append(ExplainLine(f"{candidate.relation}: {judged.because}", Marker.FAIL))
        else:
            found.append((_rank(candidate, judged, past=past), judged))
    if not found:
        if not refusals:
            return build
        special = (one.reason for one in refusals if one.reason is not RejectionReason.NO_SUITABLE_MATCH_FOUND)
        explanation = (*build.explanation, ExplainLine(Section.CLONES.value, Marker.FAIL, children=tuple(lines)))
        return replace(build, clone_rejection=next(special, build.clone_rejection), explanation=explanation)
    best = min(found, key=lambda ranked: ranked[0])[1]
    lines.insert(0, ExplainLine(f"{best.source} is copied", Marker.SUCCESS))
    explanation = (*build.explanation, ExplainLine(Section.CLONES.value, Marker.SUCCESS, children=tuple(lines)))
    return replace(best, explanation=explanation)


def draft_copy(case: Case, clone: Clone, *, execution_id: str, decided_at: int) -> Execution:
    """The execution of the copy (rule C4), to be completed when it is confirmed.

    Its inputs are those that the target would read now, since their content is that of the source's inputs. If the copy is
    behind them, its inputs must show that.
    """
    source = clone.execution
    draft = draft_execution(case, execution_id=execution_id, decided_at=decided_at, is_copy=True)
    draft = replace(
        draft,
        built_at=source.built_at,
        runtime_ms=source.runtime_ms,
        table_type=source.table_type,
        data_identity=identity_at(clone.history, clone.source, source.epoch, case.clock),
        origin=CloneOrigin(
            source.id,
            clone.source,
            chain_depth(clone.history) + 1,
            content_decided_at=source.content_decided_at,
            epoch=source.epoch,
            past=clone.required_epoch is None,
        ),
    )
    if not clone.behind:
        return draft
    return replace(draft, inputs=inherited_inputs(clone.history, source.inputs), lineage=source.lineage)


def _standings(case: Case, candidates: Iterable[Candidate]) -> Iterator[tuple[Candidate, bool]]:
    """Each candidate as it is now and, if the warehouse can copy that, as it was after earlier builds."""
    for candidate in candidates:
        yield candidate, False
        if case.dialect.copying is not None and case.dialect.copying.past is not None:
            for execution in candidate.history.executions[1:]:
                if execution.epoch is not None:
                    past = candidate.history.at(execution.epoch)
                    if past.latest == execution and same_logic(case, execution):
                        yield Candidate(candidate.relation, past), True


NOT_ASKED_OF_CANDIDATES: Mapping[Rule, str] = {
    execution_type_is_known: "only FULL and VALUES may be cloned (`may_be_cloned`)",
    reuse_is_allowed: "asked of both nodes (`may_be_cloned`, `_judged`)",
    own_table_exists: "the copy makes the target's table",
    stored_failures_can_be_skipped: "tests are never cloned (rule C1)",
    an_execution_is_recorded: "a candidate without one is refused first",
    logic_is_unchanged: "a candidate has the very same logic; an equal template may render something else elsewhere (rule L7)",
    query_does_not_read_its_target: "such a query is never cloned (`may_be_cloned`)",
    query_returns_rows: "such a query is never cloned (`may_be_cloned`)",
    table_is_unmodified: "the client alone can tell, which is told the epoch to hold the candidate to (rule C2)",
    hidden_code_is_unchanged: "microbatches and snapshots are never cloned (rule C1)",
    view_reads_the_same_columns: "views are never cloned (rule C1)",
    results_are_complete: "tests are never cloned (rule C1)",
}
"""Rules of a skip that are not checked for a table to copy from, with the reason. Every other rule is checked, also new
ones."""

RULES_OF_CANDIDATES: tuple[Rule, ...] = tuple(rule for rule in RULES if rule not in NOT_ASKED_OF_CANDIDATES)


def _judged(case: Case, candidate: Candidate, *, past: bool) -> Clone | _Refusal:
    in_its_place = replace(case, history=candidate.history)
    latest = candidate.history.latest
    if latest is None or latest.epoch is None or not same_logic(case, latest):
        return _Refusal("its last build had different logic")
    if case.never_reuse.match(latest.node_id, candidate.relation):
        return _Refusal("the server is configured to never reuse it")
    if _is_of_a_neighbour(case, latest):
        return _Refusal("it belongs to another node of this dbt target, which the same run may be building")
    if latest.hook_wrote:
        return _Refusal("a hook has written to it since it was built")
    if case.history.is_from_before_it_was_forgotten(latest):
        return _Refusal("its content may be older than the invalidation of the target")
    if _was_filled_again(latest):
        return _Refusal("it was loaded into an existing table, which may have other columns")
    findings: list[Finding] = []
    for rule in RULES_OF_CANDIDATES:
        finding = rule(in_its_place)
        if finding is not None and finding.rejection is not None:
            return _Refusal(finding.rejection.because)
        if finding is not None:
            findings.append(finding)
    refusal = _terms_refuse(case, candidate, latest, past=past)
    if refusal is not None:
        return refusal
    statements = _statements(case, candidate, latest, past=past)
    if statements is None:
        return _Refusal(f"it cannot be copied to {case.submission.relation} on {case.dialect.name}")
    waiting = next((finding.skip_because for finding in findings if finding.skip_because is not None), None)
    which = f"{candidate.relation} as of {ago_text(latest.epoch, case.now)}" if past else candidate.relation
    return Clone(
        source=candidate.relation,
        history=candidate.history,
        statements=statements,
        required_epoch=None if past else latest.epoch,
        description=f"{subject(case.submission)} was cloned because {_FOUND}: {which}"
        + (f" ({waiting})" if waiting else ""),
        explanation=(),
        behind=waiting is not None,
        stale=any(finding.within_tolerance for finding in findings),
    )


def _is_of_a_neighbour(case: Case, execution: Execution) -> bool:
    """Whether another node of the same run may be replacing the content of `execution`: it is in the same dbt target."""
    node = case.submission.node
    return execution.target_name == node.target_name and execution.node_id != node.unique_id


def _terms_refuse(case: Case, candidate: Candidate, latest: Execution, *, past: bool) -> _Refusal | None:
    terms = case.submission.clone_terms
    depth, limit = chain_depth(candidate.history), terms.chain_depth_limit
    if limit is not None and depth >= limit:
        return _Refusal(
            f"its chain of clones has a length of {depth}, and the client allows {limit}",
            RejectionReason.CLONE_CHAIN_LIMIT_EXCEEDED,
        )
    lacking = left_behind(case.dialect, latest)
    if lacking:
        return _Refusal(f"a copy would lack {', '.join(lacking)}")
    if past:
        seconds = terms.time_travel_limit_seconds
        window = _DEFAULT_TIME_TRAVEL_MS if seconds is None else seconds * 1000
        if latest.epoch is None or case.now - latest.epoch > window:
            return _Refusal(
                "its build of this query is older than the time travel window",
                RejectionReason.OUTSIDE_TIME_TRAVEL_WINDOW,
            )
    return None


def _statements(case: Case, candidate: Candidate, latest: Execution, *, past: bool) -> tuple[str, ...] | None:
    submission = case.submission
    assert submission.relation is not None, "only what has a table is cloned"
    return clone_statements(
        case.dialect,
        candidate.relation,
        submission.relation,
        table_type=latest.table_type,
        hours_to_expiration=submission.clone_terms.hours_to_expiration,
        partition_expiration_days=submission.clone_terms.partition_expiration_days,
        epoch=latest.epoch,
        past=past,
        made_by_its_load=latest.logic.execution_type is ExecutionType.VALUES and latest.origin is None,
    )


_Rank = tuple[bool, int, int, bool, str]


def _rank(candidate: Candidate, clone: Clone, *, past: bool) -> _Rank:
    """The smallest is the best. All up-to-date candidates are equally fresh, however long ago they were built."""
    age = -clone.execution.built_at if clone.behind else 0
    return clone.behind, age, chain_depth(candidate.history), past, candidate.relation
