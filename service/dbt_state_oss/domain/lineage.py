"""Lineage: a digest of a build's logic and, through its inputs, of all upstream logic that we recorded.

It tells data that moved from logic that changed: lag tolerance may hide the former, never the latter (rule F5), and a
view's `*` may be trusted only while it stands still (rule T5). Tables that are not ours have no lineage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, History, Input, Logic
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.sql.fingerprint import digest_of
from dbt_state_oss.domain.submission import NodeHashes


def lineage_of(
    logic: Logic, hashes: NodeHashes, inputs: Mapping[Relation, Input], *, template: Sequence[str] = ()
) -> str:
    """The lineage (32 hex digits) of a build with `logic` on `inputs`; unknown where that of an input is.

    A configuration, a contract or a macro may be what a hook or a column's type comes from, so their hashes count.
    `template` stands in for the rendered SQL where a node is compared by its template (rule L7), so that an incremental
    whose SQL differs between its first and its later runs has one lineage.
    """
    parts = [*logic_parts(logic, template=template), *rest_of_logic(hashes)]
    for relation in in_slot_order(logic, inputs):
        lineage = inputs[relation].lineage
        if lineage == UNKNOWN_LINEAGE:
            return UNKNOWN_LINEAGE
        parts += ["upstream", lineage] if lineage is not None else ["table", relation]
    return digest_of(*parts)[:32]


def logic_parts(logic: Logic, *, template: Sequence[str] = ()) -> list[str]:
    """What a logic says, in an order of its own, to be digested; `template` in the place of the SQL."""
    fingerprint = logic.fingerprint
    said = ["template", *template] if template else [fingerprint.kind.value, fingerprint.digest]
    extras = (part for key in sorted(logic.extras) for part in (key, logic.extras[key]))
    return [logic.dialect, logic.execution_type.value, *said, *extras]


def logic_name(logic: Logic) -> str:
    """A name (32 hex digits) for a logic: equal for equal ones, whatever they read."""
    return digest_of("logic", *logic_parts(logic))[:32]


def rest_of_logic(hashes: NodeHashes) -> list[str]:
    """What a build does beside its query, as far as dbt's hashes tell."""
    return [hashes.configs or "", hashes.contract or "", hashes.macros or ""]


def with_lineage_of_found_rows(execution: Execution, history: History) -> Execution:
    """The execution, whose lineage tells what rows it found; `history` is its target's, without it (rule F5).

    A build in place keeps rows of earlier builds. So after other logic, or a write that is on no record, its table never has the
    lineage again that it had before.
    """
    if execution.replaces or not history.executions or execution.lineage == UNKNOWN_LINEAGE:
        return execution
    if execution.decided_at is not None and execution.found_epoch is None:
        return execution  # there was no table, or one without rows
    before = max(history.executions, key=lambda one: (one.confirmed_at, one.id))
    own, upon = execution.lineage, before.lineage
    is_doubted = any(one.id == execution.voids for one in history.executions)
    if is_doubted or upon == UNKNOWN_LINEAGE or not _was_found(before, execution):
        upon = execution.id
    elif own == (before.own_lineage or upon):
        return replace(execution, lineage=upon, own_lineage=own)
    return replace(execution, lineage=digest_of("upon", own, upon)[:32], own_lineage=own)


def _was_found(before: Execution, execution: Execution) -> bool:
    """Whether the table stood as `before` had left it, as far as is known."""
    clock = dialect_named(execution.logic.dialect).clock
    found = execution.found_epoch
    return found is None or clock.is_unchanged(before.epoch, found, before.stamped_from)


def latest_lineage(history: History) -> str | None:
    """The lineage of a table's latest execution; None where the table is not ours."""
    return None if history.latest is None else history.latest.lineage


def lineage_at(history: History, epoch: Epoch | None, clock: EpochClock) -> str | None:
    """The lineage of what stood in a table at `epoch`: that of the execution which the epoch falls to (rule I3).

    None where the table is not ours; `UNKNOWN_LINEAGE` where it is, but the epoch falls to no execution on record: somebody
    else wrote to it, a build of it is not confirmed, or it was forgotten.
    """
    if history.latest is None:
        return UNKNOWN_LINEAGE if history.is_forgotten else None
    written = history.written_at(epoch, clock)
    return UNKNOWN_LINEAGE if written is None else written.lineage


def same_lineage(one: str | None, other: str | None) -> bool:
    """Whether the logic upstream is the same; two tables that are not ours have none to differ in."""
    return one == other and one != UNKNOWN_LINEAGE


def in_slot_order(logic: Logic, inputs: Mapping[Relation, Input]) -> Iterable[Relation]:
    """The inputs in the order of the slots that lead to them; those of no slot behind, by name."""
    leaves = (leaf for slot in logic.fingerprint.slots for leaf in slot.leaves)
    in_slots = [leaf for leaf in dict.fromkeys(leaves) if leaf in inputs]
    return [*in_slots, *sorted(inputs.keys() - set(in_slots))]
