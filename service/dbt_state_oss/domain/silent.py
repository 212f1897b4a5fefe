"""Silent builds: builds that may have changed a table without moving its epoch (rule F1a, decision record 0020).

An incremental or a snapshot that writes no row leaves the epoch where it was, though `on_schema_change` or a hook may have
changed the table. What reads the table is told when such a build is recorded, since its own next decision sees no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.extras import canonical_extras, without_defaults
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, History, Input, believed
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import FingerprintKind
from dbt_state_oss.domain.submission import ExecutionType

_ADDS_OR_KEEPS = frozenset(
    {ExecutionType.APPEND, ExecutionType.MERGE, ExecutionType.DELETE_INSERT, ExecutionType.SNAPSHOT}
)
"""Ways of being built that, hooks and columns aside, change nothing where they write no row (dbt-adapters 1.24)."""

_HEADER = "sql_header"
_NO_HEADER = {None, *canonical_extras({text: text for text in ("", "null", '""')}).values()}
"""Any other header is SQL that runs before the query, and may write as a hook does."""


def is_silent(history: History, execution: Execution) -> bool:
    """Whether readers of the target cannot see by its epoch that `execution` may have changed it (rule F1a).

    `history` is the target's record without the execution, or with it.
    """
    if not _may_keep_its_epoch(history, execution):
        return False
    before = _before(history, execution)
    return not before or not _changed_nothing(before[0], execution)


def unseen_change(history: History, relation: Relation, last_build_at: int | None) -> int | None:
    """When a silent build of an input was confirmed that a reader's record does not know, Unix milliseconds.

    `history` is the reader's, `last_build_at` what the reader's execution recorded of the input.
    """
    built_at = history.silent_builds.get(relation)
    return None if built_at is None or (last_build_at is not None and last_build_at >= built_at) else built_at


def inherited_inputs(history: History, inputs: Mapping[Relation, Input]) -> dict[Relation, Input]:
    """`inputs`, as a copy of a target has them from the target's `history`.

    The notes of silent builds stay behind with the target. So an input with such a build that the content does not know has an
    unknown epoch.
    """
    return {
        relation: known if unseen_change(history, relation, known.last_build_at) is None else replace(known, epoch=None)
        for relation, known in inputs.items()
    }


def unread_build_since(history: History, draft: Execution, known: Input) -> bool:
    """Whether a build of an input is on record that `draft` may not have read, or not wholly, though the epoch is the same.

    `history` is the input's, `known` what the draft recorded of it. Where nobody asked before the build, it may have read what
    stood a day ago, unless the epoch that it was told proves more. A build that confirmed the draft's epoch only afterwards may
    have been under way: a hook may write after the table's commit.
    """
    came_after = known.last_build_at
    if came_after is None:
        came_after = draft.began_at_the_earliest - 1
    was_early = known.lineage in (None, UNKNOWN_LINEAGE)
    return any(
        (one.silent or (was_early and one.epoch == known.epoch)) and one.confirmed_at > came_after
        for one in history.executions
    )


def may_be_under_way(history: History, known: Input, clock: EpochClock) -> bool:
    """Whether a build that is not confirmed yet may have left what was read of an input as `known`.

    `history` is the input's. Warehouses whose epochs are stamped report each later write of that build, so it does not matter
    there.
    """
    early = clock is EpochClock.EXACT and known.lineage == UNKNOWN_LINEAGE and known.epoch is not None
    return early and all(one.epoch != known.epoch for one in history.executions)


def with_silent_build(known: Mapping[Relation, int], relation: Relation, built_at: int) -> dict[Relation, int]:
    """The newest silent builds of a reader's inputs, with one more."""
    return {**known, relation: max(built_at, known.get(relation, built_at))}


def moves_its_epoch(history: History, execution: Execution) -> bool:
    """Whether the table is certainly reported at another epoch than before `execution`: it was not there, or it is read back."""
    before = _before(history, execution)
    if execution.is_stamped:
        # A stamp is always later. Only what the table is reported at afterwards tells whether anything was written.
        return not before and execution.found_epoch is None and not history.is_forgotten
    known = [(one.epoch, one.confirmed_at) for one in before if one.epoch is not None]
    if execution.found_epoch is not None:
        known.append((execution.found_epoch, execution.began_at))
    if execution.epoch is None or any(execution.epoch == epoch for epoch, _ in known):
        return False
    if not known and history.is_forgotten:
        return False
    moved_to = believed(execution.epoch, at=execution.confirmed_at)
    return all(moved_to > believed(epoch, at=at) for epoch, at in known)


def _may_keep_its_epoch(history: History, execution: Execution) -> bool:
    """Whether the table may still be reported at an epoch that a reader has recorded.

    Snowflake and Redshift report every change of a table, so one without a record counts as moved.
    """
    if execution.epoch is None or moves_its_epoch(history, execution):
        return False
    if execution.replaces:
        # Only a materialization of the project's own leaves the rows that it found, or some of them.
        found = execution.found_epoch
        return not execution.is_stamped and found is not None and execution.epoch <= found
    return not execution.is_stamped or history.is_forgotten or bool(_before(history, execution))


def _before(history: History, execution: Execution) -> list[Execution]:
    """The other executions that left a table, newest first."""
    return [one for one in history.executions if one.id != execution.id and one.epoch is not None]


def _changed_nothing(before: Execution, execution: Execution) -> bool:
    """Whether an execution that wrote no row provably left its table as `before` had left it."""
    if before.epoch != execution.epoch and not execution.is_stamped:
        return False
    hashes = execution.hashes
    return (
        execution.logic.execution_type in _ADDS_OR_KEEPS
        and execution.hooks_are_harmless
        and execution.unproven is None
        and execution.logic.extras.get(_HEADER) in _NO_HEADER
        and hashes.body is not None
        and hashes == before.hashes
        and before.logic.dialect == execution.logic.dialect
        and _keeps_its_columns(before, execution)
    )


def _keeps_its_columns(before: Execution, execution: Execution) -> bool:
    """Whether the table has the columns that it had: dbt alters none, or the unchanged query spells them all out."""
    if execution.logic.execution_type is not ExecutionType.SNAPSHOT:
        # The default, `ignore`, counts as absent.
        return "on_schema_change" not in without_defaults(execution.logic.extras)
    fingerprint = execution.logic.fingerprint
    return (
        fingerprint.kind is FingerprintKind.PARSED
        and not fingerprint.star_relations
        and fingerprint.digest == before.logic.fingerprint.digest
    )
