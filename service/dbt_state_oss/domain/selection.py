"""Which nodes a `state:` selector selects: compares the nodes with their node states (decision-rules: Selection and deferral)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import NodeHashes


class Criterion(Enum):
    """What follows `state:`. The values are dbt's spellings."""

    NEW = "new"
    OLD = "old"
    MODIFIED = "modified"
    UNMODIFIED = "unmodified"
    BODY = "modified.body"
    CONFIGS = "modified.configs"
    PERSISTED_DESCRIPTIONS = "modified.persisted_descriptions"
    RELATION = "modified.relation"
    MACROS = "modified.macros"
    CONTRACT = "modified.contract"

    @property
    def needs_a_record(self) -> bool:
        """Whether an answer without any record says nothing, so that the call must fail (rule S4)."""
        return self not in (Criterion.NEW, Criterion.MODIFIED)


@dataclass(frozen=True, slots=True)
class NodeLook:
    """The node state. Older clients send no representation, and none do for a seed; then its relation may be known."""

    hashes: NodeHashes
    representation: str | None = None
    """`database.schema.alias`, unquoted."""
    relation: Relation | None = None


_SUBJECT = {
    Criterion.BODY: "body",
    Criterion.CONFIGS: "configs",
    Criterion.PERSISTED_DESCRIPTIONS: "persisted_descriptions",
    Criterion.MACROS: "macros",
    Criterion.CONTRACT: "contract",
}
"""The hash that a criterion compares."""

_COMPARED_OF_TESTS = frozenset({Criterion.BODY, Criterion.CONFIGS})
"""The client computes a test's macro hash differently for selection, and reports no relation for it (rule S2)."""


def selected(criterion: Criterion, nodes: Mapping[str, NodeLook], recorded: Mapping[str, NodeLook]) -> list[str]:
    """Those of `nodes` (by unique id) that the criterion selects, in their order (rule S1). It selects no others (rule S4)."""
    return [unique_id for unique_id, now in nodes.items() if _meant(criterion, unique_id, now, recorded.get(unique_id))]


def _meant(criterion: Criterion, unique_id: str, now: NodeLook, then: NodeLook | None) -> bool:
    match criterion:
        case Criterion.NEW:
            return then is None
        case Criterion.OLD:
            return then is not None
        case Criterion.MODIFIED:
            return _modified(unique_id, now, then)
        case Criterion.UNMODIFIED:
            return not _modified(unique_id, now, then)
        case _:
            return then is None or _differs(criterion, unique_id, now, then)


def _modified(unique_id: str, now: NodeLook, then: NodeLook | None) -> bool:
    """The relation of a node does not count: it differs between targets (rule S3)."""
    return then is None or any(_differs(criterion, unique_id, now, then) for criterion in _SUBJECT)


def _differs(criterion: Criterion, unique_id: str, now: NodeLook, then: NodeLook) -> bool:
    if unique_id.startswith("test.") and criterion not in _COMPARED_OF_TESTS:
        return False
    if criterion is Criterion.RELATION:
        return _lives_elsewhere(now, then)
    subject = _SUBJECT[criterion]
    return bool(getattr(now.hashes, subject) != getattr(then.hashes, subject))


def _lives_elsewhere(now: NodeLook, then: NodeLook) -> bool:
    """A relation replaces a representation that was never sent. Its letter case is the warehouse's, not dbt's."""
    if then.representation is not None or now.representation is None or then.relation is None:
        return now.representation != then.representation
    return _unquoted(now.representation) != _unquoted(then.relation)


def _unquoted(name: str) -> str:
    return name.replace('"', "").casefold()
