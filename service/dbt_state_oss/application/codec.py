"""Documents to bytes and back: self-describing, versioned JSON (design section 3).

Every older format is read; a newer or a broken one raises `BrokenDocument` (rule X3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import DbtStateError

T = TypeVar("T")


class BrokenDocument(DbtStateError):
    """The bytes are not a document that this version can read. Never leaves the application layer."""


@dataclass(frozen=True, slots=True)
class TargetDocument:
    """One target's history. `executions` is newest first."""

    organization: str
    target: TargetKey
    executions: tuple[Execution, ...]
    forgotten_at: int | None = None
    """Unix milliseconds; see `History`."""
    format: Literal["target/1"] = "target/1"


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node as it was last seen in a submission: dbt's hashes and where it lives (rule W7)."""

    seen_at: int
    """Unix milliseconds; the youngest account of a node wins."""
    resource_type: str
    node_hash: str | None
    body: str | None
    configs: str | None
    macros: str | None
    persisted_descriptions: str | None
    contract: str | None
    representation: str | None
    """`database.schema.alias`, unquoted; None where the client sends none, as for seeds."""
    relation: Relation | None
    """What the node writes; None for data tests."""
    namespace: str
    """The client's `table_namespace`: with the relation it names the target."""
    profile_name: str


@dataclass(frozen=True, slots=True)
class NodeShard:
    """A part of the nodes of one project in one dbt target, by unique id."""

    nodes: Mapping[str, NodeEntry] = field(default_factory=dict)
    format: Literal["nodes/1"] = "nodes/1"


@dataclass(frozen=True, slots=True)
class ProjectIds:
    """The ids that a project of one name goes by, sorted; more than one where two projects share the name."""

    ids: tuple[str, ...] = ()
    format: Literal["project/1"] = "project/1"


@dataclass(frozen=True, slots=True)
class CandidateEntry:
    """A target that was built with a logic."""

    listed_at: int
    """Unix milliseconds."""
    copy: bool
    """It was itself a copy when it was listed."""


@dataclass(frozen=True, slots=True)
class CandidatesDocument:
    """The targets of one namespace that were built with one logic, by name: hints for clones (rule C1)."""

    targets: Mapping[str, CandidateEntry]
    format: Literal["candidates/1"] = "candidates/1"


StoredDocument = TargetDocument | NodeShard | ProjectIds | CandidatesDocument

_encode = msgspec.json.Encoder().encode


def encode(document: StoredDocument) -> bytes:
    """The document as JSON."""
    return _encode(document)


def _decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Reads documents of one kind; raises `BrokenDocument`."""
    decode_json = msgspec.json.Decoder(kind).decode

    def decode(data: bytes) -> T:
        try:
            return decode_json(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BrokenDocument(str(error)) from error

    return decode


decode_target = _decoder(TargetDocument)
decode_shard = _decoder(NodeShard)
decode_project = _decoder(ProjectIds)
decode_candidates = _decoder(CandidatesDocument)
