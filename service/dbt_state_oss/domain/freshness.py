"""Whether the tables that a target was built from are unchanged since its record (decision-rules: Inputs)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest

from dbt_state_oss.domain.case import Case, InputsSeen
from dbt_state_oss.domain.data_identity import named_by_epoch
from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.explanation import ago_text
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, History, Input
from dbt_state_oss.domain.lineage import same_lineage
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.silent import unseen_change
from dbt_state_oss.domain.submission import StaleUpstreamPolicy


class ChangeKind(Enum):
    """How a table that the target was built from has changed."""

    DATA = "data"
    """New data. The lag tolerance applies (rule F5)."""
    LOGIC = "logic"
    """Another build logic, or another table is read. Nothing may hide that (rule F5)."""
    UNKNOWN = "unknown"
    """It is unknown what changed, so the lag tolerance does not apply (rule F3)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One table that does not count as unchanged, with the cause as text for people."""

    kind: ChangeKind
    relation: Relation
    cause: str

    @property
    def may_wait(self) -> bool:
        """Whether the freshness policy and the lag tolerance apply (rules F4, F5)."""
        return self.kind is ChangeKind.DATA


@dataclass(frozen=True, slots=True)
class InputReport:
    """All changes of a target's inputs: by direct parent (a slot and its tables), and of tables in no slot."""

    slots: tuple[tuple[Change, ...], ...]
    unattributed: tuple[Change, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change for slot in self.slots for change in slot) + self.unattributed

    def stale_by(self, policy: StaleUpstreamPolicy) -> bool:
        """Rule F4. Tables in no slot count as with ANY, since their parent is unknown."""
        if self.unattributed:
            return True
        changed = [bool(slot) for slot in self.slots]
        return any(changed) if policy is StaleUpstreamPolicy.ANY else bool(changed) and all(changed)


def compare_inputs(case: Case, latest: Execution) -> InputReport:
    """Compare what is reported now with what `latest` recorded (rules F1 to F3, F7)."""
    if _nothing_changed(case, latest):
        return _NO_CHANGES
    fingerprint = case.fingerprint
    slots = []
    if fingerprint.digest == latest.logic.fingerprint.digest:
        recorded_leaves = [slot.leaves for slot in latest.logic.fingerprint.slots]
    else:
        # Equal by template only (rule L7): the texts differ, so tables are told by name.
        recorded_leaves = [slot.leaves for slot in fingerprint.slots]
    for slot, was in zip_longest([slot.leaves for slot in fingerprint.slots], recorded_leaves, fillvalue=()):
        if was or slot:
            slots.append(tuple(_changes(case, latest, zip_longest(was, slot))))
    in_slots = {leaf for slot in fingerprint.slots for leaf in slot.leaves}
    was_in_slots = {leaf for leaves in recorded_leaves for leaf in leaves}
    now_others, was_others = case.submission.inputs.keys() - in_slots, latest.inputs.keys() - was_in_slots
    others = (
        (name if name in was_others else None, name if name in now_others else None)
        for name in sorted(now_others | was_others)
    )
    return InputReport(tuple(slots), tuple(_changes(case, latest, others)))


_NO_CHANGES = InputReport((), ())


def _nothing_changed(case: Case, latest: Execution) -> bool:
    """Whether the same tables are read in the same slots, all unchanged.

    This is the most frequent case, so it makes no report.
    """
    slots, inputs = case.fingerprint.slots, latest.inputs
    return (
        case.submission.inputs.keys() == inputs.keys()
        and slots == latest.logic.fingerprint.slots
        and all(leaf in inputs for slot in slots for leaf in slot.leaves)
        and all(_is_unchanged(case, latest, relation) for relation in inputs)
    )


def _changes(
    case: Case, latest: Execution, pairs: Iterator[tuple[Relation | None, Relation | None]]
) -> Iterator[Change]:
    for was, now in pairs:
        change = _change(case, latest, was, now)
        if change is not None:
            yield change


def _change(case: Case, latest: Execution, was: Relation | None, now: Relation | None) -> Change | None:
    if now is None:
        assert was is not None
        return Change(ChangeKind.LOGIC, was, f"{was} is no longer read")
    recorded = None if was is None else latest.inputs.get(was)
    if recorded is None:
        return Change(ChangeKind.LOGIC, now, f"{now} is read now, but was not at the last build")
    assert was is not None
    if was == now and _is_unchanged(case, latest, now):
        return None
    reported = case.input_now(now)
    stood = _was_unchanged_while_read(case, latest, was, now)
    content_counts = stood and not case.fingerprint.reads_storage
    if content_counts and recorded.identity is not None and recorded.identity == reported.identity:
        return None
    if content_counts and _columns_are_unchanged(case, recorded, reported):
        return None
    if was != now:
        if recorded.lineage is None or not same_lineage(recorded.lineage, reported.lineage):
            return Change(ChangeKind.LOGIC, now, f"{now} is read instead of {was}")
        if not stood:
            return _unsure(was)
        return Change(ChangeKind.DATA, now, f"{now} (same logic) is read instead of {was}")
    return _moved(case, now, recorded, reported, stood=stood)


def _is_unchanged(case: Case, latest: Execution, relation: Relation) -> bool:
    """Whether an input is reported as it was recorded, with no silent build since (rules F1, F1a, T4)."""
    recorded = latest.inputs[relation]
    # No client stamps a table that is on no record: an epoch that fell has changed.
    clock = case.clock if recorded.lineage is not None else EpochClock.EXACT
    if not clock.is_unchanged(recorded.epoch, case.submission.inputs.get(relation), recorded.stamped_from):
        return False
    return unseen_change(case.history, relation, recorded.last_build_at) is None


def _columns_are_unchanged(case: Case, recorded: Input, reported: Input) -> bool:
    """Rule F9: the columns that are read are unchanged, whatever else in the table has changed."""
    asked = case.submission.compare_selected_columns
    return asked and recorded.columns_identity is not None and recorded.columns_identity == reported.columns_identity


def _was_unchanged_while_read(case: Case, latest: Execution, was: Relation, now: Relation) -> bool:
    """Whether a recorded table provably held the same content from the decision of the last build to its end.

    A build reads what is there when it runs, but the recorded epoch is from before it. If the table has changed since, only an
    observation of the table after the build shows whether it changed during the build (rule F2). An epoch does not show a
    silent build that was running at the same time.
    """
    recorded, history = latest.inputs[was], case.upstream.get(was, History())
    before = (one for one in history.executions if one.confirmed_at <= latest.confirmed_at)
    if recorded.lineage is None or not any(_wrote(one, was, recorded, case.clock) for one in before):
        return False
    if any(one.silent and one.overlapped(latest) for one in history.executions):
        return False
    seen = case.inputs_seen
    if seen is not None and seen.execution_id == latest.id and seen.at >= latest.confirmed_at:
        return True
    if history.was_unchanged_while(latest, recorded.epoch, case.clock, recorded.stamped_from):
        return True
    source = history.written_at(recorded.epoch, case.clock)
    copy = case.upstream.get(now, History()).written_at(case.submission.inputs.get(now), case.clock)
    if source is None or copy is None or copy.origin is None or copy.origin.past or copy.decided_at is None:
        return False
    return copy.origin.execution_id == source.id and copy.decided_at >= latest.confirmed_at


def _wrote(execution: Execution, relation: Relation, recorded: Input, clock: EpochClock) -> bool:
    """Whether the execution wrote what was recorded of its table, and has not been doubted since."""
    silent_build = execution.id if execution.silent else ""
    by_epoch = (named_by_epoch(relation, one.epoch, silent_build=silent_build) for one in (recorded, execution))
    same_name = recorded.identity in (None, execution.data_identity, *by_epoch)
    is_unchanged = clock.is_unchanged(execution.epoch, recorded.epoch, execution.stamped_from)
    return is_unchanged and same_name and same_lineage(execution.lineage, recorded.lineage)


def doubted(case: Case) -> str | None:
    """The id of the latest execution, if a recorded table that it read may have changed while it was read.

    Its data identity and lineage are made from what was reported before.
    """
    latest = case.history.latest
    if latest is None or case.is_view:
        return None
    for relation, recorded in latest.inputs.items():
        stayed = recorded.lineage is None or _is_unchanged(case, latest, relation)
        if not stayed and not _was_unchanged_while_read(case, latest, relation, relation):
            return latest.id
    return None


def sighting_matters(case: Case) -> bool:
    """Whether the decision may depend on when the inputs were last seen unchanged (`Case.inputs_seen`, rule F2)."""
    latest = case.history.latest
    if latest is None or case.is_view:
        return False
    seen = replace(case, inputs_seen=InputsSeen(latest.id, latest.confirmed_at))
    return any(
        not _is_unchanged(case, latest, relation)
        and not _was_unchanged_while_read(case, latest, relation, relation)
        and _was_unchanged_while_read(seen, latest, relation, relation)
        for relation in latest.inputs
    )


def _unsure(relation: Relation) -> Change:
    cause = f"upstream {relation} may have changed while the last build read it"
    return Change(ChangeKind.UNKNOWN, relation, cause)


def _moved(case: Case, relation: Relation, recorded: Input, reported: Input, *, stood: bool) -> Change:
    if reported.epoch is None:
        return Change(ChangeKind.UNKNOWN, relation, f"the update time of upstream {relation} is unknown")
    if recorded.epoch is None:
        cause = f"the update time of upstream {relation} was unknown at the last build"
        return Change(ChangeKind.UNKNOWN, relation, cause)
    built_at = unseen_change(case.history, relation, recorded.last_build_at)
    when = ago_text(reported.epoch if built_at is None else built_at, case.now)
    if not same_lineage(recorded.lineage, reported.lineage):
        if UNKNOWN_LINEAGE in (recorded.lineage, reported.lineage):
            cause = f"upstream {relation} was written {when} outside of recorded builds"
            return Change(ChangeKind.UNKNOWN, relation, cause)
        return Change(
            ChangeKind.LOGIC, relation, f"upstream {relation} was {_rebuilt(case, relation, recorded)} {when}"
        )
    if recorded.lineage is not None and not stood:
        return _unsure(relation)
    if _other_logic_since(case, relation, recorded):
        cause = f"upstream {relation} may hold rows that were built with other logic, {when} or earlier"
        return Change(ChangeKind.LOGIC, relation, cause)
    if built_at is not None and reported.epoch == recorded.epoch:
        cause = f"upstream {relation} was built {when} and may have changed, although it wrote no row"
        return Change(ChangeKind.DATA, relation, cause)
    if reported.epoch < recorded.epoch:
        return Change(
            ChangeKind.DATA,
            relation,
            f"upstream {relation} lost its newest rows; its newest remaining row was written {when}",
        )
    return Change(ChangeKind.DATA, relation, f"upstream {relation} was updated {when}")


def _other_logic_since(case: Case, relation: Relation, recorded: Input) -> bool:
    """Whether a build in place with other logic was confirmed since the record. The order of such builds is unknown."""
    builds = case.upstream.get(relation, History()).executions
    return any(
        one.is_in_place
        and not same_lineage(one.lineage, recorded.lineage)
        and (recorded.last_build_at is None or one.confirmed_at > recorded.last_build_at)
        for one in builds
    )


def _rebuilt(case: Case, relation: Relation, recorded: Input) -> str:
    """Whether its own logic changed, or logic further upstream, as far as the record shows."""
    history = case.upstream.get(relation, History())
    now, then = (
        history.falls_to(epoch, case.clock) for epoch in (case.submission.inputs.get(relation), recorded.epoch)
    )
    deeper = now is not None and then is not None and now.logic == then.logic
    return "rebuilt with changed logic further upstream" if deeper else "rebuilt with changed logic"
