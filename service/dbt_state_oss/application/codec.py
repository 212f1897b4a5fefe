"""Documents to bytes and back: self-describing, versioned JSON (architecture: Storage).

Every older format is read; a newer or a broken one raises `BrokenDocument` (rule X3).
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
    """The bytes are not a document that this version can read. Never leaves the application layer."""


@dataclass(frozen=True, slots=True)
class TargetDocument:
    """One target's history. `executions` is newest first."""

    organization: str
    target: TargetKey
    executions: tuple[Execution, ...]
    forgotten_at: int | None = None
    """Unix milliseconds; see `History`."""
    forgotten_node_id: str = ""
    """Of the execution that was the latest when the target was forgotten."""
    forgotten_inputs: tuple[Relation, ...] = ()
    """What that execution read."""
    silent_builds: Mapping[Relation, int] = field(default_factory=dict)
    """Unix milliseconds by input; see `History`."""
    readers: tuple[str, ...] | None = None
    """Names of the targets of this namespace that were built from this one, to be told of its silent builds (rule F1a); None
    where they are not on record."""
    has_unlisted_readers: bool = False
    """There may be readers from before the list was begun, which have to be searched for."""
    early_readers: tuple[str, ...] = ()
    """Names of the targets that read this one at an epoch which no build on record had confirmed, to be told of the next build
    (rule F1a): that build may have been under way."""
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
    reused: str = ""
    """The id of an execution that was reused while all its inputs were as it had recorded them (rule F2)."""
    reused_at: int = 0
    """When that was, Unix milliseconds."""


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


class Verdict(Enum):
    """What was decided; the values are stored."""

    SKIP = "skip"
    CLONE = "clone"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One decision with its account, as it was told to the client."""

    number: int
    """Names the decision within its part of the journal."""
    at: int
    """When it was made, Unix milliseconds."""
    node_id: str
    target: TargetKey
    verdict: Verdict
    description: str
    explanation: tuple[ExplainLine, ...]
    execution_id: str
    """What was promised: the execution that a build or a clone becomes once it is confirmed; for a skip the one reused."""
    stale: bool = False
    """Only the lag tolerance allows it (rule F6)."""
    saved_ms: int = 0
    """Runtime of the execution that a skip or a clone spared."""
    logic: str = ""
    """Of a build: the `logic_name` of what was submitted."""
    logic_before: str = ""
    """Of a build: that of the one which it was compared with; empty where there was none."""


@dataclass(frozen=True, slots=True)
class JournalPart:
    """Decisions of one dbt process as one server made them, encoded one by one: whoever asks for one decodes no other."""

    organization: str
    day: str
    session: str
    part: str
    entries: tuple[msgspec.Raw, ...]
    format: Literal["journal/1"] = "journal/1"


@dataclass(frozen=True, slots=True)
class TargetTexts:
    """The SQL of a target's newest logics, newest first; there only where a setting asks for it."""

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
    """It was itself a copy when it was listed."""


@dataclass(frozen=True, slots=True)
class CandidatesDocument:
    """The targets of one namespace that were built with one logic, by name: hints for clones (rule C1)."""

    targets: Mapping[str, CandidateEntry]
    format: Literal["candidates/1"] = "candidates/1"


StoredDocument = TargetDocument | NodeShard | ProjectIds | CandidatesDocument | JournalPart | TargetTexts

_encode = msgspec.json.Encoder().encode


def encode(document: StoredDocument | JournalEntry) -> bytes:
    """The document as JSON."""
    return _encode(document)


def _decoder(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """Reads documents of one kind; raises `BrokenDocument`."""
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
