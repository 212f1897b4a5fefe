"""The rules that a submission must pass before it is skipped, in the order in which they are checked (decision-rules: Order of
questions).

A rule returns None if it does not apply, otherwise a `Finding`: the line of the explanation and, if it forbids a skip, the
reason. The first reason ends the chain. A new rule is one function, one line in `RULES`, and its test cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence, RejectionReason
from dbt_state_oss.domain.evidence import epoch_evidence, logic_difference, logic_evidence, logic_of_an_earlier_build
from dbt_state_oss.domain.explanation import Badge, ExplainLine, Marker, Section, ago_text, duration_text
from dbt_state_oss.domain.extras import same_extras
from dbt_state_oss.domain.freshness import Change, ChangeKind, compare_inputs
from dbt_state_oss.domain.history import Execution, History, Rival
from dbt_state_oss.domain.hook_free import has_no_hooks
from dbt_state_oss.domain.lineage import same_lineage
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.reported import lacks_window
from dbt_state_oss.domain.sql.fingerprint import FingerprintKind, Volatility
from dbt_state_oss.domain.submission import ExecutionType

_NOTHING_SUITABLE = (RejectionReason.NO_SUITABLE_MATCH_FOUND, RejectionReason.NO_SUITABLE_MATCH_FOUND)
_NO_SUCH_LOGIC = (RejectionReason.NO_FINGERPRINT_MATCH, RejectionReason.NO_FINGERPRINT_MATCH)
_OLDER_LOGIC = (RejectionReason.LATEST_QUERY_HASH_NOT_MATCH, RejectionReason.TARGET_TABLE_MATCH)

_STAMP_SLACK_MS = 5 * 60 * 1000
"""A stamped epoch is later than the build's last write by at most this and the duration of the build (rule T4)."""

_CLOCK_SKEW_MS = 60_000
"""A recorded time that is further in the future is a clock error, not an age."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why there is no skip: the rest of the sentence "model was executed because …", and the reasons on the wire."""

    because: str
    reasons: tuple[RejectionReason, RejectionReason] = _NOTHING_SUITABLE


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one rule."""

    section: Section
    line: ExplainLine
    rejection: Rejection | None = None
    skip_because: str | None = None
    """The rest of the sentence "model was skipped because …", if this result has its own."""
    within_tolerance: bool = False
    """The skip relies on the lag tolerance (rule F6)."""


Rule = Callable[[Case], Finding | None]


def _yes(section: Section, text: str, badge: Badge = Badge.UNSPECIFIED) -> Finding:
    return Finding(section, ExplainLine(text, Marker.SUCCESS, badge))


def _no(
    section: Section,
    because: str,
    reasons: tuple[RejectionReason, RejectionReason] = _NOTHING_SUITABLE,
    *,
    text: str | None = None,
    badge: Badge = Badge.UNSPECIFIED,
    children: tuple[ExplainLine, ...] = (),
) -> Finding:
    line = ExplainLine(text or because, Marker.FAIL, badge, children)
    return Finding(section, line, Rejection(because, reasons))


def execution_type_is_known(case: Case) -> Finding | None:
    """An execution type that this server does not know is built (decision-rules: Order of questions)."""
    if case.submission.execution_type is not ExecutionType.UNKNOWN:
        return None
    return _no(Section.TABLE, "this server does not support its execution type (upgrade dbt-state-oss)", _NO_SUCH_LOGIC)


def reuse_is_allowed(case: Case) -> Finding | None:
    """Rule L15: the owner knows that a table is also filled by something other than its query and inputs."""
    if not case.is_never_reused:
        return None
    return _no(Section.TABLE, "the server is configured to never reuse it (DBTSTATE_NEVER_REUSE)")


def own_table_exists(case: Case) -> Finding | None:
    """Rule T1."""
    if case.submission.relation is None:
        return None
    if case.submission.own_epoch is None:
        return _no(
            Section.TABLE,
            "its table does not exist or is empty" if _empty_looks_missing(case) else "its table does not exist",
        )
    return _yes(Section.TABLE, "its table exists", Badge.TARGET_TABLE_EXISTS)


def _empty_looks_missing(case: Case) -> bool:
    return case.dialect.empty_looks_missing and case.history.latest is not None


def stored_failures_can_be_skipped(case: Case) -> Finding | None:
    """Rule T7: on Postgres, the client cannot handle the skip of a test with stored failures."""
    submission = case.submission
    if submission.relation is None or submission.node.resource_type != "test" or case.dialect.reuses_stored_failures:
        return None
    return _no(Section.TABLE, "tests that store failures always run on this warehouse")


def no_full_refresh_is_requested(case: Case) -> Finding | None:
    """Rule T8."""
    return _no(Section.QUERY, "a full refresh was requested") if case.is_full_refresh else None


def an_execution_is_recorded(case: Case) -> Finding | None:
    """Rule T2: without a record there is nothing to compare with."""
    if case.history.latest is None:
        return _no(Section.QUERY, "no build of it is recorded yet", _NO_SUCH_LOGIC)
    return None


def latest_execution_is_proven(case: Case) -> Finding | None:
    """A record that does not prove what its table holds cannot justify a skip (rule W8)."""
    latest = _latest(case)
    return (
        None
        if latest.unproven is None
        else _no(Section.TABLE, f"its last build cannot justify a skip: {latest.unproven}")
    )


def no_rival_build_is_recorded(case: Case) -> Finding | None:
    """Rules T2 and T9: if two builds with different effects may have written the table, it is unknown which one did."""
    if case.submission.relation is None:
        return None
    match case.history.rival_of(_latest(case), case.clock):
        case Rival.LATER:
            return _no(
                Section.TABLE,
                "a different build began after its last build was confirmed, but confirmed an older epoch, so it is "
                "unknown what its table holds",
            )
        case Rival.OVERLAPPING:
            return _no(
                Section.TABLE, "two different builds of it overlapped, and it is unknown which one wrote its table"
            )
    return None


def logic_is_unchanged(case: Case) -> Finding | None:
    """Rules T2 and L1 to L8: only the latest execution counts."""
    latest = _latest(case)
    code = "file" if case.fingerprint.kind is FingerprintKind.VALUES else "query"
    if same_logic(case, latest):
        text = f"its {code} has not changed"
        if case.raw_digest != latest.raw_digest:
            text = "the text of its query has changed, but not its meaning"
        return _yes(Section.QUERY, text, Badge.NODE_QUERY_UNCHANGED)
    if same_template(case, latest):
        return _yes(
            Section.QUERY, "its unrendered code has not changed (compare_unrendered_code)", Badge.NODE_QUERY_UNCHANGED
        )
    if same_selection(case, latest):
        return _yes(Section.QUERY, "what it reads from its views has not changed", Badge.NODE_QUERY_UNCHANGED)
    older = next((one for one in case.history.executions[1:] if same_logic(case, one)), None)
    if older is not None:
        when = ago_text(older.confirmed_at, case.now)
        because, reasons = logic_of_an_earlier_build(case, latest, when), _OLDER_LOGIC
    else:
        because, reasons = logic_difference(case, latest), _NO_SUCH_LOGIC
    children = logic_evidence(case, latest)
    return _no(Section.QUERY, because, reasons, badge=Badge.NODE_QUERY_CHANGED, children=children)


def same_logic(case: Case, execution: Execution) -> bool:
    """Rule L1.

    The relations in the slots are compared with the inputs. What only one record has counts as changed (rule L13).
    """
    then = execution.logic
    return (
        then.dialect == case.dialect.name
        and then.execution_type is case.submission.execution_type
        and then.fingerprint.kind is case.fingerprint.kind
        and then.fingerprint.digest == case.fingerprint.digest
        and same_extras(then.extras, case.extras)
    )


def same_selection(case: Case, execution: Execution) -> bool:
    """Rule L4a: its own query, the rows of its views and the columns that it reads from them are unchanged."""
    now, then = case.fingerprint.selection_digest, execution.logic
    return (
        case.submission.compare_selected_columns
        and case.reads_by_columns
        and now is not None
        and now == then.fingerprint.selection_digest
        and then.dialect == case.dialect.name
        and then.execution_type is case.submission.execution_type
        and same_extras(then.extras, case.extras)
    )


def same_template(case: Case, execution: Execution) -> bool:
    """Rule L7.

    The template does not show the views that are read, nor the extras that the client computes (`__…`). Another node, or the
    same node in another dbt target, may render it differently (`model.name`, `target.name`). A pre-clone belongs to the target
    of its source.
    """
    node = case.submission.node
    now, then = node.hashes, execution.hashes
    return (
        case.submission.compare_unrendered_code
        and now.body is not None
        and node.unique_id == execution.node_id
        and node.target_name == execution.target_name
        and not (case.reads_part_of_inputs or execution.part_of_inputs)
        and (now.body, now.configs, now.macros) == (then.body, then.configs, then.macros)
        and execution.logic.dialect == case.dialect.name
        and execution.logic.fingerprint.views_digest == case.fingerprint.views_digest
        and _computed(execution.logic.extras) == _computed(case.extras)
    )


def _computed(extras: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in extras.items() if key.startswith("__")}


def evidence_is_complete(case: Case) -> Finding | None:
    """Rule L13: what the client does not report, now or at the last build, does not count as unchanged."""
    if lacks_window(case.submission):
        return _no(
            Section.QUERY, "its client does not report the event-time window of the microbatch; upgrade the client"
        )
    is_custom = case.submission.execution_type is ExecutionType.DBT_CUSTOM
    if is_custom and case.missing_evidence is not MissingEvidence.IGNORE:
        because = "its materialization or incremental strategy is custom, so it is not known what it reads and does"
        return _no(Section.QUERY, f"{because} (see DBTSTATE_MISSING_EVIDENCE)")
    unreported = case.unreported(_latest(case))
    return None if unreported is None else _no(Section.QUERY, f"{unreported} (see DBTSTATE_MISSING_EVIDENCE)")


def hidden_code_is_unchanged(case: Case) -> Finding | None:
    """Rule L12a: the submitted SQL of a microbatch is compiled without a batch, and that of a snapshot without its strategy."""
    if not (case.is_snapshot or case.submission.execution_type.hides_code):
        return None
    now, then = case.submission.node.hashes, _latest(case).hashes
    if (now.body, now.macros) == (then.body, then.macros):
        return None
    return _no(Section.QUERY, "its file or a macro that it calls has changed, which its query may not show")


def contract_is_unchanged(case: Case) -> Finding | None:
    """Rule L6b: the columns and constraints of an enforced contract shape the table, and no extra or other hash includes them."""
    now, then = case.submission.node.hashes.contract, _latest(case).hashes.contract
    if now != then:
        return _no(Section.QUERY, "the columns or constraints of its contract have changed")
    return None


def configuration_is_unchanged(case: Case) -> Finding | None:
    """Rules L6a and L12: a changed configuration outside of the extras may be a hook, whose effect a skip would lose."""
    if case.build_on is BuildOn.IGNORE and not case.is_snapshot:
        return None
    now, then = case.submission.node.hashes, _latest(case).hashes
    if case.is_snapshot and now.configs is None:
        return _no(Section.QUERY, "its client does not report the configuration, which holds a snapshot's strategy")
    if now.configs != then.configs and _configurations_do_the_same(case):
        text = "its configuration has changed only in ways that do not affect its table"
        return _yes(Section.QUERY, text)
    if now.configs != then.configs:
        return _no(Section.QUERY, "its configuration has changed (possibly a hook), but its query has not")
    if case.build_on is BuildOn.CONFIGS_AND_MACROS and now.macros != then.macros:
        return _no(Section.QUERY, "a macro that it calls has changed, but its query has not")
    return None if now.configs is None else _yes(Section.QUERY, "its configuration has not changed")


def _configurations_do_the_same(case: Case) -> bool:
    """Both configurations are completely known and have no hooks.

    With equal extras they differ only in keys that no build uses.
    """
    is_table = case.submission.execution_type is ExecutionType.FULL
    return is_table and _latest(case).has_no_hooks and has_no_hooks(case.submission)


def query_is_deterministic(case: Case) -> Finding | None:
    """Rule L9, only if volatile SQL is to be evaluated."""
    if case.submission.tolerate_nondeterminism:
        return None
    if case.volatility is Volatility.VOLATILE:
        return _no(Section.QUERY, "its query calls a function whose value changes at every run")
    date_seen = _utc_date(_latest(case).content_decided_at)
    if case.volatility is Volatility.DAILY and date_seen != _utc_date(case.now):
        return _no(Section.QUERY, "its query depends on the date (UTC), which has changed since its last build")
    return _yes(Section.QUERY, "its query depends on nothing but its inputs")


def _utc_date(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()


def query_does_not_read_its_target(case: Case) -> Finding | None:
    """Rule F7a: a table that is replaced by a query on itself is different after every build."""
    if case.submission.execution_type is ExecutionType.FULL and case.fingerprint.reads_itself:
        return _no(Section.QUERY, "it reads its own previous content, so every build makes a different table")
    return None


def query_returns_rows(case: Case) -> Finding | None:
    """Rule L14: a query without rows costs nothing to build, and a hook may fill the table."""
    if case.is_view or case.submission.relation is None or not case.fingerprint.returns_no_rows:
        return None
    return _no(Section.QUERY, "its query returns no rows, so it is always built: a hook may fill its table")


def table_is_unmodified(case: Case) -> Finding | None:
    """Rules T3, T4 and T6."""
    submission = case.submission
    if submission.relation is None:
        return None
    latest = _latest(case)
    is_unchanged = case.clock.is_unchanged(latest.epoch, submission.own_epoch, latest.stamped_from)
    if is_unchanged and not _is_older_than_its_build(case, latest):
        return _yes(Section.TABLE, "its table has not been modified since its last build")
    if submission.ignore_external_modifications and not case.copy_may_have_hooks_work:
        return _yes(
            Section.TABLE,
            "its table was modified outside of recorded builds, which ignore_external_modifications allows",
        )
    assert submission.own_epoch is not None
    when = ago_text(submission.own_epoch, case.now)
    because = f"its table was modified outside of recorded builds: it was last updated {when}"
    children = (epoch_evidence(latest.epoch, submission.own_epoch, case.now),)
    return _no(Section.TABLE, because, children=children)


def _is_older_than_its_build(case: Case, latest: Execution) -> bool:
    """Whether the table is older than the latest build, which replaced it: an older table was swapped in (rule T4).

    On an exact clock it would have another epoch. A build in place may keep the epoch.
    """
    own = case.submission.own_epoch
    if own is None or latest.epoch is None or not latest.replaces:
        return False
    if own == latest.epoch:
        return False
    if latest.found_it_at(own):
        return True
    # A client whose clock is ahead stamps later than its build was over.
    if own < min(latest.epoch, latest.confirmed_at) - latest.longest_duration_ms - _STAMP_SLACK_MS:
        return True
    older = (one for one in case.history.executions if one.epoch is not None and one.epoch < latest.epoch)
    return any(own <= one.epoch and not one.left_the_same(latest) for one in older if one.epoch is not None)


def view_reads_the_same_columns(case: Case) -> Finding | None:
    """Rule T5: a view reads the same relations, and a `*` only recorded relations with the same columns."""
    if not case.is_view:
        return None
    if case.dialect.materialized_views_are_refreshed:
        return _no(Section.QUERY, "it may be a materialized view, which every run refreshes")
    if case.fingerprint.kind is not FingerprintKind.PARSED:
        return _no(Section.QUERY, "its definition cannot be parsed, so what it reads is unknown")
    latest = _latest(case)
    now, then = ([slot.relation for slot in one.slots] for one in (case.fingerprint, latest.logic.fingerprint))
    if now != then:
        return _no(Section.QUERY, "it reads different relations than at its last build")
    for relation in case.fingerprint.star_relations:
        if not _has_the_same_columns(case, latest, relation):
            return _no(Section.QUERY, f"it selects * or whole rows from {relation}, whose columns may have changed")
    return _yes(Section.QUERY, "the relations that it reads have the same columns as at its last build")


def _has_the_same_columns(case: Case, latest: Execution, relation: Relation) -> bool:
    """The upstream logic is unchanged, and the view was created on the work of this logic: the relation has not been built
    since, or its columns are explicit and it was seen unchanged later.
    """
    recorded, now = latest.inputs.get(relation), case.input_now(relation)
    history = case.upstream.get(relation, History())
    upstream = history.latest
    if recorded is None or upstream is None or not same_lineage(recorded.lineage, now.lineage):
        return False
    if history.rival_of(upstream, case.clock) is not None:
        return False
    if now.epoch is not None and recorded.epoch == now.epoch and recorded.last_build_at == now.last_build_at:
        return True
    stood = history.was_unchanged_while(latest, recorded.epoch, case.clock, recorded.stamped_from)
    return upstream.has_explicit_columns and stood


def results_are_complete(case: Case) -> Finding | None:
    """Rule F8: without all three results there is nothing to return."""
    if not case.submission.is_data_test:
        return None
    results = _latest(case).results
    if results is None:
        return _no(Section.TABLE, "the results of its last run are not recorded")
    return _yes(Section.TABLE, f"its last run is recorded; failures: {results.failures}")


def every_source_is_reported(case: Case) -> Finding | None:
    """Rule F3: stages, and functions in a FROM that compute more than rows of their arguments, are not among the inputs."""
    if case.is_view or not case.fingerprint.unseen_sources:
        return None
    source = case.fingerprint.unseen_sources[0]
    return _no(Section.FRESHNESS, f"it reads from {source}, whose changes are never reported", badge=Badge.OUTDATED)


def extras_read_no_table(case: Case) -> Finding | None:
    """Rule L16: SQL outside of the query may read tables that are not among the inputs."""
    key = case.reads_beside_its_query
    if key is None:
        return None
    return _no(Section.FRESHNESS, f"its {key} may read tables whose changes are not reported", badge=Badge.OUTDATED)


def inputs_are_fresh(case: Case) -> Finding | None:
    """Rules F1 to F7. The upstream data of a view never matters (rule T5)."""
    if case.is_view:
        return None
    latest = _latest(case)
    report = compare_inputs(case, latest)
    changes = report.changes
    if not changes:
        return _yes(Section.FRESHNESS, "its inputs have not changed since its last build", Badge.FRESH)
    lines = tuple(ExplainLine(change.cause, Marker.INFO, children=_times(case, latest, change)) for change in changes)
    pressing = next((change for change in changes if not change.may_wait), None)
    if pressing is not None:
        badge = Badge.UPSTREAM_QUERY_CHANGED if pressing.kind is ChangeKind.LOGIC else Badge.OUTDATED
        because = f"its inputs have changed since its last build: {pressing.cause}"
        return _no(Section.FRESHNESS, because, text="its inputs have changed", badge=badge, children=lines)
    if not report.stale_by(case.submission.stale_upstream_policy):
        text = "some of its inputs have changed, but it is configured to wait for all of them"
        return Finding(Section.FRESHNESS, ExplainLine(text, Marker.SUCCESS, Badge.FRESH, lines), skip_because=text)
    age, tolerance = case.now - latest.built_at, case.submission.lag_tolerance_seconds * 1000
    if tolerance > 0 and -_CLOCK_SKEW_MS <= age <= tolerance:
        text = f"its last build, {duration_text(age)} old, is within its lag tolerance of {duration_text(tolerance)}"
        line = ExplainLine(text, Marker.SUCCESS, Badge.WITHIN_TOLERANCE, lines)
        because = f"its inputs have changed within its lag tolerance: {changes[0].cause}"
        return Finding(Section.FRESHNESS, line, skip_because=because, within_tolerance=True)
    because = f"its inputs have changed since its last build: {changes[0].cause}"
    return _no(Section.FRESHNESS, because, text="its inputs have changed", badge=Badge.OUTDATED, children=lines)


def _times(case: Case, latest: Execution, change: Change) -> tuple[ExplainLine, ...]:
    recorded, reported = latest.inputs.get(change.relation), case.submission.inputs.get(change.relation)
    return () if recorded is None else (epoch_evidence(recorded.epoch, reported, case.now),)


RULES: tuple[Rule, ...] = (
    execution_type_is_known,
    reuse_is_allowed,
    own_table_exists,
    stored_failures_can_be_skipped,
    an_execution_is_recorded,
    latest_execution_is_proven,
    no_rival_build_is_recorded,
    no_full_refresh_is_requested,
    logic_is_unchanged,
    evidence_is_complete,
    hidden_code_is_unchanged,
    contract_is_unchanged,
    configuration_is_unchanged,
    query_is_deterministic,
    query_does_not_read_its_target,
    query_returns_rows,
    table_is_unmodified,
    view_reads_the_same_columns,
    results_are_complete,
    every_source_is_reported,
    extras_read_no_table,
    inputs_are_fresh,
)


def upstream_matters(case: Case) -> bool:
    """Whether the decision depends on the histories of what is read (`Case.leaves_read`).

    It does not if logic and inputs are unchanged. So an unchanged target needs no further read.
    """
    latest = case.history.latest
    if latest is None or not same_logic(case, latest):
        return True
    return bool(case.fingerprint.star_relations if case.is_view else compare_inputs(case, latest).changes)


def _latest(case: Case) -> Execution:
    latest = case.history.latest
    assert latest is not None, "asked after an_execution_is_recorded"
    return latest
