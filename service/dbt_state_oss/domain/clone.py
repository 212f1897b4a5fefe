"""The value of a copy as evidence: what it inherits from its source, and when it proves nothing (decision-rules: Clones)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dbt_state_oss.domain.data_identity import identity_at
from dbt_state_oss.domain.decision import RejectionReason
from dbt_state_oss.domain.dialects import Dialect, dialect_named
from dbt_state_oss.domain.extras import canonical_extras
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, CloneOrigin, Execution, History, Logic
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.silent import inherited_inputs
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind
from dbt_state_oss.domain.stamps import stamped_from
from dbt_state_oss.domain.submission import CloneTerms, ExecutionType, Node, TargetKey

_SAYS_NOTHING = frozenset(canonical_extras({text: text for text in ("", "null", "false", "{}", "[]")}).values())
"""Digests of extras that request nothing."""

_NAMES = {"__persisted_docs_hash": "descriptions", "unlogged": "the property UNLOGGED"}
"""Names for people of what a copy lacks."""


@dataclass(frozen=True, slots=True)
class CloneOrder:
    """A table that a client wants to be copied before it builds on the copy (rule C5)."""

    key: TargetKey
    dialect: Dialect
    source: Relation
    target: Relation
    execution_type: ExecutionType
    node: Node
    source_epoch: Epoch | None
    source_table_type: str | None = None
    terms: CloneTerms = field(default_factory=CloneTerms)
    client_stamps: bool = False
    """As in `Submission`."""


@dataclass(frozen=True, slots=True)
class CloneRefusal:
    """Why a table must not be copied, for the wire and for people."""

    reason: RejectionReason
    because: str


def refusal_of(order: CloneOrder, source: History) -> CloneRefusal | None:
    """Why the client's terms or the kind of relation forbid the copy (rules C1, C2); None if they allow it."""
    recorded = None if source.latest is None else source.latest.logic.execution_type
    if ExecutionType.VIEW in (order.execution_type, recorded):
        return CloneRefusal(RejectionReason.FORCED_NOT_ELIGIBLE, "views are not cloned")
    limit = order.terms.chain_depth_limit
    if limit is not None and chain_depth(source) >= limit:
        because = f"the client allows no chain of more than {limit} clones" if limit else "the client allows no clones"
        return CloneRefusal(RejectionReason.CLONE_CHAIN_LIMIT_EXCEEDED, because)
    return None


def chain_depth(history: History) -> int:
    """The length of the chain of clones under a table, as far as its history goes back; 0 for a table that was built anew."""
    for execution in history.executions:
        if execution.origin is not None:
            return execution.origin.chain_depth
        if not execution.logic.execution_type.incremental and execution.resource_type != "snapshot":
            return 0
    return 0


def draft_clone(order: CloneOrder, source: History, *, execution_id: str, decided_at: int) -> Execution:
    """The execution of the copy (rule C4), to be completed when it is confirmed.

    It inherits what is known of the source's content, if that content is the recorded one. Otherwise, or if the copy lacks what
    a build would apply, the next run builds.
    """
    latest = source.latest
    if latest is None:
        return disowned(_unrecorded(order, execution_id, decided_at), "no build of its source was recorded")
    origin = CloneOrigin(
        latest.id,
        order.source,
        chain_depth(source) + 1,
        content_decided_at=latest.content_decided_at,
        epoch=latest.epoch,
    )
    clone = replace(
        latest,
        id=execution_id,
        inputs=inherited_inputs(source, latest.inputs),
        epoch=None,
        confirmed_at=0,
        decided_at=decided_at,
        node_id=order.node.unique_id or latest.node_id,
        results=None,
        unproven=latest.unproven or _lacks(order.dialect, latest),
        data_identity=identity_at(source, order.source, order.source_epoch, order.dialect.clock),
        origin=origin,
        found_epoch=None,  # the source's does not tell how the target was found
        stamped_from=stamped_from(order.dialect, decided_at, None) if order.client_stamps else None,
        voids=None,
    )
    if not order.dialect.clock.is_unchanged(latest.epoch, order.source_epoch, latest.stamped_from):
        return disowned(clone, "its source had been modified outside of recorded builds")
    if source.rival_of(latest, order.dialect.clock) is not None:
        return disowned(clone, "it was unknown which build had written its source")
    return clone


def stood_while_copied(clone: Execution, source: History) -> bool:
    """Whether the source still holds what was to be copied, and no build of it was confirmed since the copy was decided.

    An epoch may fall, so such a build need not be the latest execution.
    """
    origin, latest = clone.origin, source.latest
    assert origin is not None, "only a clone has a source"
    assert clone.decided_at is not None, "every clone was asked for"
    return (
        latest is not None
        and (latest.id, latest.epoch) == (origin.execution_id, origin.epoch)
        and source.rival_of(latest, dialect_named(clone.logic.dialect).clock) is None
        and all(one.confirmed_at < clone.decided_at for one in source.executions if one.id != latest.id)
    )


def disowned(clone: Execution, cause: str) -> Execution:
    """The clone if its content is not known to be the recorded content of its source: it proves nothing, here or downstream."""
    return replace(clone, unproven=f"it was cloned when {cause}", lineage=UNKNOWN_LINEAGE, data_identity=None)


def left_behind(dialect: Dialect, source: Execution) -> list[str]:
    """What a build has applied to the source and a copy lacks, by names for people (rule C6)."""
    extras = source.logic.extras
    keys = dialect.copying.left_behind if dialect.copying else frozenset()
    return sorted(_NAMES.get(key, key) for key in keys if key in extras and extras[key] not in _SAYS_NOTHING)


def _lacks(dialect: Dialect, source: Execution) -> str | None:
    """Why the copy is not what a build in its place would have made."""
    if source.logic.fingerprint.asks_session:
        return "it is a clone, and its query depends on the session that runs it"
    lacking = left_behind(dialect, source)
    return f"it is a clone, which lacks {', '.join(lacking)}" if lacking else None


def _unrecorded(order: CloneOrder, execution_id: str, decided_at: int) -> Execution:
    """A clone of a table without a record."""
    return Execution(
        id=execution_id,
        logic=Logic(order.dialect.name, order.execution_type, Fingerprint(FingerprintKind.BYTES, ""), {}),
        inputs={},
        epoch=None,
        built_at=decided_at,
        confirmed_at=0,
        decided_at=decided_at,
        raw_digest="",
        lineage=UNKNOWN_LINEAGE,
        node_id=order.node.unique_id,
        resource_type=order.node.resource_type,
        hashes=order.node.hashes,
        origin=CloneOrigin("", order.source, 1),
    )
