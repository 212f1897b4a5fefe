"""Data identity: a name for the content that a build leaves behind (section 5).

Two builds of one identity left equal content, wherever and whenever they ran. So an upstream that was rebuilt with the
same logic from the same data does not rebuild its children (rule F2).
"""

from __future__ import annotations

from collections.abc import Mapping

from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.fingerprint import Volatility, digest_of
from dbt_state_oss.domain.history import History, Input, Logic
from dbt_state_oss.domain.lineage import in_slot_order, logic_parts, rest_of_logic
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.submission import ExecutionType, Node


def identity_of(logic: Logic, node: Node, inputs: Mapping[Relation, Input]) -> str | None:
    """The identity (64 hex digits) of what a build with `logic` on `inputs` leaves (rule I1).

    None where its content depends on more: on what the table held before, on volatile functions, on inputs without a name.
    A configuration may be a hook that writes, so its hash counts; so do the hash of the macros that it may call, and the dbt
    target, in which it may do something else.
    """
    fingerprint = logic.fingerprint
    whole = logic.execution_type in (ExecutionType.FULL, ExecutionType.VALUES) and not fingerprint.reads_itself
    if not whole or fingerprint.volatility is not Volatility.STABLE or fingerprint.unseen_sources:
        return None
    parts = [*logic_parts(logic), *rest_of_logic(node.hashes), node.target_name]
    for relation in in_slot_order(logic, inputs):
        identity = inputs[relation].identity
        if identity is None:
            return None
        parts.append(identity)
    return digest_of("data identity", *parts)


def identity_at(history: History, relation: Relation, epoch: Epoch | None, clock: EpochClock) -> str | None:
    """The identity of what stood in a table at `epoch` (rule I3); None where the epoch is unknown.

    It is that of the execution which the epoch falls to, if that is one of ours and has one; else content is named by the
    table and its epoch.
    """
    if epoch is None:
        return None
    written = history.written_at(epoch, clock)
    if written is None or written.data_identity is None or written.unproven is not None:
        return f"{relation} at {epoch}"
    return written.data_identity
