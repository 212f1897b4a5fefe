"""Lineage: a digest of a build's logic and, through its inputs, of all recorded upstream logic.

It separates changed data from changed logic: the lag tolerance may hide the former, never the latter (rule F5). A view's `*` is
trusted only while the lineage is unchanged (rule T5). Tables without a record have no lineage.
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
    logic: Logic,
    hashes: NodeHashes,
    inputs: Mapping[Relation, Input],
    *,
    template: Sequence[str] = (),
    forgotten_at: int | None = None,
) -> str:
    """The lineage (32 hex digits) of a build with `logic` on `inputs`; unknown if that of an input is unknown.

    The hashes of configuration, contract and macros count, since hooks and column types may depend on them. `template` replaces
    the rendered SQL if a node is compared by its template (rule L7). So an incremental whose SQL differs between its first and
    later runs has one lineage. After the target was invalidated at `forgotten_at`, it has another lineage than before, since the
    unreported change was in no digest.
    """
    parts = [*logic_parts(logic, template=template), *rest_of_logic(hashes)]
    if logic.execution_type.hides_code:
        parts += ["file", hashes.body or ""]
    if forgotten_at is not None:
        parts += ["since", str(forgotten_at)]
    for relation in in_slot_order(logic, inputs):
        lineage = inputs[relation].lineage
        if lineage == UNKNOWN_LINEAGE:
            return UNKNOWN_LINEAGE
        parts += ["upstream", lineage] if lineage is not None else ["table", relation]
    return digest_of(*parts)[:32]


def logic_parts(logic: Logic, *, template: Sequence[str] = ()) -> list[str]:
    """The parts of a logic in a fixed order, for a digest; `template` replaces the SQL."""
    fingerprint = logic.fingerprint
    said = ["template", *template] if template else [fingerprint.kind.value, fingerprint.digest]
    extras = (part for key in sorted(logic.extras) for part in (key, logic.extras[key]))
    return [logic.dialect, logic.execution_type.value, *said, *extras]


def logic_name(logic: Logic) -> str:
    """A digest (32 hex digits) that identifies a logic, whatever it reads."""
    return digest_of("logic", *logic_parts(logic))[:32]


def rest_of_logic(hashes: NodeHashes) -> list[str]:
    """What a build does besides its query, as far as dbt's hashes show."""
    return [hashes.configs or "", hashes.contract or "", hashes.macros or ""]


def with_lineage_of_found_rows(execution: Execution, history: History) -> Execution:
    """The execution, with a lineage that includes the rows that it found; `history` is that of its target, without it (rule
    F5).

    A build in place keeps rows of earlier builds. So after other logic, or after a write outside of recorded builds, its table
    never gets an earlier lineage again.
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
    """Whether the table was as `before` had left it, as far as is known."""
    clock = dialect_named(execution.logic.dialect).clock
    found = execution.found_epoch
    return found is None or clock.is_unchanged(before.epoch, found, before.stamped_from)


def latest_lineage(history: History) -> str | None:
    """The lineage of a table's latest execution; None if the table has no record."""
    return None if history.latest is None else history.latest.lineage


def lineage_at(history: History, epoch: Epoch | None, clock: EpochClock) -> str | None:
    """The lineage of the content of a table at `epoch`: that of the execution that wrote it (rule I3).

    None if the table has no record. `UNKNOWN_LINEAGE` if it has one, but no recorded execution wrote this content: it was
    modified outside of recorded builds, its build is not confirmed, or the target was invalidated.
    """
    if history.latest is None:
        return UNKNOWN_LINEAGE if history.is_forgotten else None
    written = history.written_at(epoch, clock)
    return UNKNOWN_LINEAGE if written is None else written.lineage


def same_lineage(one: str | None, other: str | None) -> bool:
    """Whether the upstream logic is equal. Two tables without a record have none, so they are equal."""
    return one == other and one != UNKNOWN_LINEAGE


def in_slot_order(logic: Logic, inputs: Mapping[Relation, Input]) -> Iterable[Relation]:
    """The inputs in the order of the slots that lead to them, then those of no slot by name."""
    leaves = (leaf for slot in logic.fingerprint.slots for leaf in slot.leaves)
    in_slots = [leaf for leaf in dict.fromkeys(leaves) if leaf in inputs]
    return [*in_slots, *sorted(inputs.keys() - set(in_slots))]
