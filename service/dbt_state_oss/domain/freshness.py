"""Whether the tables that a target was built from still stand as they were recorded (section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.explanation import ago_text
from dbt_state_oss.domain.history import Execution, Input
from dbt_state_oss.domain.lineage import UNKNOWN_LINEAGE, same_lineage
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.submission import StaleUpstreamPolicy


def stands_as_recorded(recorded: Epoch | None, reported: Epoch | None, clock: EpochClock) -> bool:
    """Whether a table reported at `reported` is the one recorded at `recorded` (rule T4). Unknown is never equal (F3)."""
    if recorded is None or reported is None:
        return False
    return reported == recorded if clock is EpochClock.EXACT else reported <= recorded


class ChangeKind(Enum):
    """What became of a table that the target was built from."""

    DATA = "data"
    """Its data moved on; lag tolerance may wait with it (rule F5)."""
    LOGIC = "logic"
    """What builds it, or which table is read, is not what it was; nothing may hide that (rule F5)."""
    UNKNOWN = "unknown"
    """What became of it is not known, so it is not taken for data that may wait (rule F3)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One table that does not count as unchanged, and why, for people."""

    kind: ChangeKind
    relation: Relation
    cause: str

    @property
    def may_wait(self) -> bool:
        """Whether policy and lag tolerance have a say (rules F4, F5)."""
        return self.kind is ChangeKind.DATA


@dataclass(frozen=True, slots=True)
class InputReport:
    """All changes of a target's inputs by direct parent (slot with a table at its end), and of tables in no slot."""

    slots: tuple[tuple[Change, ...], ...]
    unattributed: tuple[Change, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change for slot in self.slots for change in slot) + self.unattributed

    def stale_by(self, policy: StaleUpstreamPolicy) -> bool:
        """Rule F4. Tables outside every slot count as they do under ANY: which parent they belong to is unknown."""
        if self.unattributed:
            return True
        changed = [bool(slot) for slot in self.slots]
        return any(changed) if policy is StaleUpstreamPolicy.ANY else bool(changed) and all(changed)


def compare_inputs(case: Case, latest: Execution) -> InputReport:
    """Hold what is reported now against what `latest` recorded (rules F1 to F3, F7)."""
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
        return Change(ChangeKind.LOGIC, was, f"{was} is not read any more")
    recorded = None if was is None else latest.inputs.get(was)
    if recorded is None:
        return Change(ChangeKind.LOGIC, now, f"{now} was not read at the last build")
    if was == now and stands_as_recorded(recorded.epoch, case.submission.inputs.get(now), case.clock):
        return None
    reported = case.input_now(now)
    if recorded.identity is not None and recorded.identity == reported.identity:
        return None
    if _columns_are_unchanged(case, recorded, reported):
        return None
    if was != now:
        if recorded.lineage is None or not same_lineage(recorded.lineage, reported.lineage):
            return Change(ChangeKind.LOGIC, now, f"{now} is read where the last build read {was}")
        return Change(ChangeKind.DATA, now, f"{now}, of the same logic, is read where the last build read {was}")
    return _moved(case, now, recorded, reported)


def _columns_are_unchanged(case: Case, recorded: Input, reported: Input) -> bool:
    """Rule F9: what is read of the table is what it was, whatever else has changed in it."""
    asked = case.submission.compare_selected_columns
    return asked and recorded.columns_identity is not None and recorded.columns_identity == reported.columns_identity


def _moved(case: Case, relation: Relation, recorded: Input, reported: Input) -> Change:
    if reported.epoch is None:
        return Change(ChangeKind.UNKNOWN, relation, f"when upstream {relation} was last updated is not known")
    if recorded.epoch is None:
        cause = f"when upstream {relation} had been updated was not known at the last build"
        return Change(ChangeKind.UNKNOWN, relation, cause)
    when = ago_text(reported.epoch, case.now)
    if not same_lineage(recorded.lineage, reported.lineage):
        if UNKNOWN_LINEAGE in (recorded.lineage, reported.lineage):
            cause = f"upstream {relation} holds, from {when}, what is on no record"
            return Change(ChangeKind.UNKNOWN, relation, cause)
        return Change(ChangeKind.LOGIC, relation, f"upstream {relation} was rebuilt with changed logic {when}")
    if reported.epoch < recorded.epoch:
        return Change(
            ChangeKind.DATA, relation, f"upstream {relation} lost its newest rows; what is left is from {when}"
        )
    return Change(ChangeKind.DATA, relation, f"upstream {relation} was updated {when}")
