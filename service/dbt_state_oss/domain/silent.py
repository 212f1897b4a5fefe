"""Silent builds: builds that may have changed a table without changing its epoch (rule F1a, decision record 0020).

An incremental or a snapshot that writes no row keeps the epoch of its table, although `on_schema_change` or a hook may have
changed the table. The readers of the table get a note when such a build is recorded, since their next decision sees no change.
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
"""Execution types that, apart from hooks and columns, change nothing if they write no row (dbt-adapters 1.24)."""

_HEADER = "sql_header"
_NO_HEADER = {None, *canonical_extras({text: text for text in ("", "null", '""')}).values()}
"""Any other header is SQL that runs before the query, and may write like a hook."""


def is_silent(history: History, execution: Execution) -> bool:
    """Whether the epoch of the target hides from its readers that `execution` may have changed it (rule F1a).

    `history` is the record of the target, with or without the execution.
    """
    if not _may_keep_its_epoch(history, execution):
        return False
    before = _before(history, execution)
    return not before or not _changed_nothing(before[0], execution)


def unseen_change(history: History, relation: Relation, last_build_at: int | None) -> int | None:
    """When a silent build of an input was confirmed that a reader's record does not include, Unix milliseconds.

    `history` is that of the reader. `last_build_at` is what the reader's execution recorded of the input.
    """
    built_at = history.silent_builds.get(relation)
    return None if built_at is None or (last_build_at is not None and last_build_at >= built_at) else built_at


def inherited_inputs(history: History, inputs: Mapping[Relation, Input]) -> dict[Relation, Input]:
    """`inputs` for a copy of a target, whose own record is `history`.

    The notes of silent builds are not copied. So an input with a silent build that the content does not include gets an unknown
    epoch.
    """
    return {
        relation: known if unseen_change(history, relation, known.last_build_at) is None else replace(known, epoch=None)
        for relation, known in inputs.items()
    }


def unread_build_since(history: History, draft: Execution, known: Input) -> bool:
    """Whether a recorded build of an input is one that `draft` may not have read completely, although the epoch is the same.

    `history` is that of the input, `known` what the draft recorded of it. If the draft was not submitted before its build, it
    may have read content that is a day old, unless its reported epoch proves more. A build that confirmed the draft's epoch
    only later may have been running: a hook may write after the table's commit.
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
    """Whether a build that is not confirmed yet may have written what was read of an input as `known`.

    `history` is that of the input. On warehouses with stamped epochs, later writes of that build change the epoch, so the
    answer is no.
    """
    early = clock is EpochClock.EXACT and known.lineage == UNKNOWN_LINEAGE and known.epoch is not None
    return early and all(one.epoch != known.epoch for one in history.executions)


def with_silent_build(known: Mapping[Relation, int], relation: Relation, built_at: int) -> dict[Relation, int]:
    """The newest silent builds of a reader's inputs, with one more added."""
    return {**known, relation: max(built_at, known.get(relation, built_at))}


def moves_its_epoch(history: History, execution: Execution) -> bool:
    """Whether the table certainly has another epoch than before `execution`: it is new, or its epoch was read after the build."""
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
    """Whether the table may still have an epoch that a reader has recorded.

    Snowflake and Redshift report every change of a table, so a table without a record counts as changed.
    """
    if execution.epoch is None or moves_its_epoch(history, execution):
        return False
    if execution.replaces:
        # Only a materialization of the project's own leaves the rows that it found, or some of them.
        found = execution.found_epoch
        return not execution.is_stamped and found is not None and execution.epoch <= found
    return not execution.is_stamped or history.is_forgotten or bool(_before(history, execution))


def _before(history: History, execution: Execution) -> list[Execution]:
    """The other executions that wrote a table, newest first."""
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
    """Whether the table keeps its columns: dbt alters none, or the unchanged query names them all."""
    if execution.logic.execution_type is not ExecutionType.SNAPSHOT:
        # The default, `ignore`, counts as absent.
        return "on_schema_change" not in without_defaults(execution.logic.extras)
    fingerprint = execution.logic.fingerprint
    return (
        fingerprint.kind is FingerprintKind.PARSED
        and not fingerprint.star_relations
        and fingerprint.digest == before.logic.fingerprint.digest
    )
