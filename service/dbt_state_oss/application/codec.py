"""Documents to bytes and back: self-describing, versioned JSON (design section 3).

Every older format is read; a newer or a broken one raises `BrokenDocument` (rule X3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import DbtStateError


class BrokenDocument(DbtStateError):
    """The bytes are not a document that this version can read. Never leaves the application layer."""


@dataclass(frozen=True, slots=True)
class TargetDocument:
    """One target's history. `executions` is newest first."""

    organization: str
    target: TargetKey
    executions: tuple[Execution, ...]
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


_encode = msgspec.json.Encoder().encode
_decode_target = msgspec.json.Decoder(TargetDocument).decode
_decode_shard = msgspec.json.Decoder(NodeShard).decode
_decode_project = msgspec.json.Decoder(ProjectIds).decode


def encode(document: TargetDocument | NodeShard | ProjectIds) -> bytes:
    """The document as JSON."""
    return _encode(document)


def decode_target(data: bytes) -> TargetDocument:
    """A target's document; raises `BrokenDocument`."""
    try:
        return _decode_target(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenDocument(str(error)) from error


def decode_shard(data: bytes) -> NodeShard:
    """A part of a project's nodes; raises `BrokenDocument`."""
    try:
        return _decode_shard(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenDocument(str(error)) from error


def decode_project(data: bytes) -> ProjectIds:
    """The ids of a project; raises `BrokenDocument`."""
    try:
        return _decode_project(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenDocument(str(error)) from error
