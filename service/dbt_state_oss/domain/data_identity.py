"""Data identity: identifies the content of a table after a build (decision-rules: Data identity).

Two builds with one identity made equal content, wherever and whenever they ran. So an upstream table that was rebuilt with the
same logic from the same data does not rebuild its children (rule F2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.history import Execution, History, Input, Logic
from dbt_state_oss.domain.lineage import in_slot_order, logic_parts, rest_of_logic
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.sql.columns import ColumnReads
from dbt_state_oss.domain.sql.fingerprint import Volatility, digest_of
from dbt_state_oss.domain.submission import ExecutionType, Node

_SAYS_NOTHING_OF_ROWS = frozenset({"__persisted_docs_hash"})
"""Extras that describe a table and do not affect its content, such as the description of a new column."""


def identity_of(logic: Logic, node: Node, inputs: Mapping[Relation, Input]) -> str | None:
    """The identity (64 hex digits) of the content of a build with `logic` on `inputs` (rule I1).

    None if the content depends on more: the previous content of the table, volatile functions, how the rows of the inputs are
    stored, inputs without an identity, or a hook that may fill an empty result (rule L14). The hash of the configuration counts,
    since a hook in it may write. So do the hash of the macros that it may call, and the dbt target, since it may do something
    else in another one.
    """
    fingerprint = logic.fingerprint
    whole = logic.execution_type in (ExecutionType.FULL, ExecutionType.VALUES) and not fingerprint.reads_itself
    if (
        not whole
        or fingerprint.returns_no_rows
        or fingerprint.reads_storage
        or fingerprint.volatility is not Volatility.STABLE
        or fingerprint.unseen_sources
    ):
        return None
    parts = [*logic_parts(logic), *rest_of_logic(node.hashes), node.target_name]
    for relation in in_slot_order(logic, inputs):
        identity = inputs[relation].identity
        if identity is None:
            return None
        parts.append(identity)
    return digest_of("data identity", *parts)


def identity_at(history: History, relation: Relation, epoch: Epoch | None, clock: EpochClock) -> str | None:
    """The identity of the content of a table at `epoch` (rule I3); None if the epoch is unknown.

    It is that of the execution that wrote the table, if that is recorded and has one. Otherwise the content is identified by
    the table and its epoch.
    """
    if epoch is None:
        return None
    written = history.written_at(epoch, clock)
    if written is None:
        # On a stamped clock, a silent build may have changed the content at this epoch, whoever wrote it.
        is_doubtful = clock is EpochClock.STAMPED and any(
            one.silent and (one.epoch or 0) >= epoch for one in history.executions
        )
        return None if is_doubtful else named_by_epoch(relation, epoch)
    identity = None if written.unproven is not None else proven_identity(written)
    return identity or named_by_epoch(relation, written.epoch, silent_build=history.silent_build_at(written.epoch))


def proven_identity(execution: Execution) -> str | None:
    """The execution's data identity.

    A seed has none on a warehouse where an empty table looks missing. Earlier versions gave it one, although it may have been
    loaded into an empty table with other columns (rule I1).
    """
    identity = execution.data_identity
    if execution.logic.execution_type is ExecutionType.VALUES and _follows_from_logic(identity):
        return None if dialect_named(execution.logic.dialect).empty_looks_missing else identity
    return identity


_AT = " at "
"""Between a table's name and its epoch; no digest contains it."""


def named_by_epoch(relation: Relation, epoch: Epoch | None, *, silent_build: str = "") -> str:
    """The identity of content of which only the table and the epoch are known (rule I3).

    `silent_build` is the id of the build that last changed the table without changing this epoch (rule F1a).
    """
    name = f"{relation}{_AT}{epoch}"
    return f"{name} by {silent_build}" if silent_build else name


def is_named_by_epoch(identity: str) -> bool:
    """Whether `named_by_epoch` made the identity."""
    return _AT in identity


def columns_identity_at(
    history: History, relation: Relation, epoch: Epoch | None, clock: EpochClock, reads: ColumnReads | None
) -> str | None:
    """The identity of what `reads` reads of a table at `epoch` (rule I6); None if it cannot be separated from the rest.

    Equal identities mean: the same rows, with the same multiplicity, in every column that is read, and no other column that a
    word of the reader could mean.
    """
    written = history.written_at(epoch, clock)
    if written is None or written.unproven is not None or written.part_of_inputs or reads is None:
        return None
    account, columns = written.logic.fingerprint.account, columns_of(written)
    if (
        account is None
        or columns is None
        or relation in reads.whole
        or not columns.keys() >= set(reads.qualified.get(relation, ()))
    ):
        return None
    if not _follows_from_logic(written.data_identity):
        return None
    extras = {key: value for key, value in written.logic.extras.items() if key not in _SAYS_NOTHING_OF_ROWS}
    named = (part for name in sorted(columns.keys() & reads.words) for part in (name, columns[name]))
    parts = logic_parts(replace(written.logic, extras=extras), template=("columns", account.rows, *named))
    rest = (*rest_of_logic(written.hashes), written.target_name)
    inputs = (written.inputs[each].identity or "" for each in in_slot_order(written.logic, written.inputs))
    return digest_of("columns identity", str(history.forgotten_at), *parts, *rest, *inputs)


def _follows_from_logic(identity: str | None) -> bool:
    """Whether `identity_of` made it. A copy may hold content that is identified only by table and epoch (rule I2)."""
    return identity is not None and not is_named_by_epoch(identity)


def columns_of(execution: Execution) -> Mapping[str, str] | None:
    """What determines each column of the execution, by folded name; None if the columns cannot be separated."""
    account = execution.logic.fingerprint.account
    if account is None:
        return None
    if account.star is None:
        return account.columns
    handed_on = execution.inputs[account.star].columns if account.star in execution.inputs else None
    if handed_on is None or account.columns.keys() & handed_on.keys():
        return None
    return {**account.columns, **{name: f"handed on {column}" for name, column in handed_on.items()}}
