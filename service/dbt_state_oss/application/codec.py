"""Encodes documents as self-describing, versioned JSON, and decodes them (architecture: Storage).

Every older format can be read. A newer or a broken one raises `BrokenDocument` (rule X3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeVar

import msgspec

from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.kept_sql import SqlText
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import DbtStateError

T = TypeVar("T")


class BrokenDocument(DbtStateError):
    """This version cannot read the bytes as a document. This error never leaves the application layer."""


@dataclass(frozen=True, slots=True)
class TargetDocument:
    """One target's history. `executions` is newest first."""

    organization: str
    target: TargetKey
    executions: tuple[Execution, ...]
    forgotten_at: int | None = None
    """Unix milliseconds; see `History`."""
    forgotten_node_id: str = ""
    """The node id of the execution that was the latest when the target was invalidated."""
    forgotten_inputs: tuple[Relation, ...] = ()
    """The inputs of that execution."""
    silent_builds: Mapping[Relation, int] = field(default_factory=dict)
    """Unix milliseconds by input; see `History`."""
    readers: tuple[str, ...] | None = None
    """Names of the targets of this namespace that were built from this one. Its silent builds are noted in their documents
    (rule F1a). None if the readers are not recorded."""
    has_unlisted_readers: bool = False
    """If true, older readers may be missing in `readers` and must be searched for."""
    early_readers: tuple[str, ...] = ()
    """Names of the targets that read this one at an epoch that no recorded build had confirmed. The next build is noted in their
    documents (rule F1a), because it may have been running at that time."""
    format: Literal["target/1"] = "target/1"


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node as it was last seen in a submission: dbt's hashes and its location (rule W7)."""

    seen_at: int
    """Unix milliseconds. The newest entry of a node wins."""
    resource_type: str
    node_hash: str | None
    body: str | None
    configs: str | None
    macros: str | None
    persisted_descriptions: str | None
    contract: str | None
    representation: str | None
    """`database.schema.alias`, unquoted; None if the client sends none, as for seeds."""
    relation: Relation | None
    """The relation that the node writes; None for data tests."""
    namespace: str
    """The client's `table_namespace`. Together with the relation it identifies the target."""
    profile_name: str
    reused: str = ""
    """The id of an execution that was reused when all its inputs were unchanged (rule F2). Empty if there is none."""
    reused_at: int = 0
    """When it was last reused in this way, in Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class NodeShard:
    """One shard of the nodes of a project in one dbt target, by unique id."""

    nodes: Mapping[str, NodeEntry] = field(default_factory=dict)
    format: Literal["nodes/1"] = "nodes/1"


@dataclass(frozen=True, slots=True)
class ProjectIds:
    """The ids of projects with one name, sorted. There is more than one id if projects share the name."""

    ids: tuple[str, ...] = ()
    format: Literal["project/1"] = "project/1"


class Verdict(Enum):
    """The kind of a decision. The values are stored."""

    SKIP = "skip"
    CLONE = "clone"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One decision with its explanation, as it was sent to the client."""

    number: int
    """Identifies the decision within its part of the journal."""
    at: int
    """When the decision was made, in Unix milliseconds."""
    node_id: str
    target: TargetKey
    verdict: Verdict
    description: str
    explanation: tuple[ExplainLine, ...]
    execution_id: str
    """The execution that a build or clone becomes once it is confirmed. For a skip, the execution that is reused."""
    stale: bool = False
    """True if only the lag tolerance allows the reuse (rule F6)."""
    saved_ms: int = 0
    """Runtime of the execution that a skip or a clone reused, in milliseconds."""
    logic: str = ""
    """For a build: the `logic_name` of the submission."""
    logic_before: str = ""
    """For a build: the `logic_name` of the execution that it was compared with. Empty if there was none."""


@dataclass(frozen=True, slots=True)
class JournalPart:
    """Decisions that one server made for one dbt process. Each is encoded separately, so that one can be decoded alone."""

    organization: str
    day: str
    session: str
    part: str
    entries: tuple[msgspec.Raw, ...]
    format: Literal["journal/1"] = "journal/1"


@dataclass(frozen=True, slots=True)
class TargetTexts:
    """The SQL of a target's newest logics, newest first. It is stored only if a setting enables it."""

    organization: str
    target: TargetKey
    texts: tuple[SqlText, ...] = ()
    format: Literal["texts/1"] = "texts/1"


@dataclass(frozen=True, slots=True)
class CandidateEntry:
    """A target that was built with a logic."""

    listed_at: int
    """Unix milliseconds."""
    copy: bool
    """True if its table was itself a clone when it was listed."""


@dataclass(frozen=True, slots=True)
class CandidatesDocument:
    """A candidate list: the targets of one namespace that were built with one logic, by name (rule C1)."""

    targets: Mapping[str, CandidateEntry]
    format: Literal["candidates/1"] = "candidates/1"


StoredDocument = TargetDocument | NodeShard | ProjectIds | CandidatesDocument | JournalPart | TargetTexts

_encode = msgspec.json.Encoder().encode


def encode(document: StoredDocument | JournalEntry) -> bytes:
    """Encode the document as JSON."""
    return _encode(document)


def _decoder(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """Return a decoder for documents of one kind. It raises `BrokenDocument`."""
    decode_json = msgspec.json.Decoder(kind).decode

    def decode(data: bytes | msgspec.Raw) -> T:
        try:
            return decode_json(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BrokenDocument(str(error)) from error

    return decode


decode_target = _decoder(TargetDocument)
decode_shard = _decoder(NodeShard)
decode_project = _decoder(ProjectIds)
decode_candidates = _decoder(CandidatesDocument)
decode_journal_part = _decoder(JournalPart)
decode_journal_entry = _decoder(JournalEntry)
decode_texts = _decoder(TargetTexts)
