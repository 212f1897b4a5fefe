"""What a client submits: one node before it is built, with the evidence that the client sent.

The protocol makes submissions from requests; the application and the rules read them. They contain no wire type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.relation import Epoch, Relation


class ExecutionType(Enum):
    """How dbt will write the target. The values are the names on the wire and are stored. UNKNOWN stands for newer ones."""

    UNKNOWN = "UNKNOWN"
    FULL = "FULL"
    APPEND = "APPEND"
    MERGE = "MERGE"
    INSERT_OVERWRITE = "INSERT_OVERWRITE"
    DELETE_INSERT = "DELETE_INSERT"
    MICROBATCH = "MICROBATCH"
    SNAPSHOT = "SNAPSHOT"
    DBT_DATA_TEST = "DBT_DATA_TEST"
    VALUES = "VALUES"
    VIEW = "VIEW"
    DBT_CUSTOM = "DBT_CUSTOM"

    @property
    def incremental(self) -> bool:
        """It adds to the table, so the content of the table depends on its history."""
        return self in _INCREMENTAL

    @property
    def hides_code(self) -> bool:
        """The submitted SQL is not all that the build runs.

        dbt compiles a microbatch again for each batch, and the strategy of a snapshot is in its configuration.
        """
        return self in (ExecutionType.MICROBATCH, ExecutionType.SNAPSHOT)

    @property
    def may_be_incremental(self) -> bool:
        """It is incremental, or the type that is also sent for an incremental with a custom strategy."""
        return self.incremental or self is ExecutionType.DBT_CUSTOM


_INCREMENTAL = frozenset(
    {
        ExecutionType.APPEND,
        ExecutionType.MERGE,
        ExecutionType.INSERT_OVERWRITE,
        ExecutionType.DELETE_INSERT,
        ExecutionType.MICROBATCH,
        ExecutionType.SNAPSHOT,
    }
)


class StaleUpstreamPolicy(Enum):
    """Which direct parents must have fresh data before a node is stale (rule F4)."""

    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ViewDefinition:
    """A view between the SQL and its leaf tables, as the client read it from the warehouse."""

    relation: Relation
    text: str
    default_catalog: str
    default_schema: str


@dataclass(frozen=True, slots=True)
class Code:
    """Everything that the fingerprint of a query is made from (rules L1 to L4), as it was sent.

    `target` is the relation that the query writes; it shows a self-reference (rule L3).
    """

    dialect: Dialect
    sql: str
    default_catalog: str
    default_schema: str
    target: Relation | None = None
    views: tuple[ViewDefinition, ...] = ()

    @property
    def weight(self) -> int:
        """Its size, roughly in characters."""
        return len(self.sql) + sum(len(view.text) + _WEIGHT_OF_A_RELATION for view in self.views)

    @property
    def too_long_to_scan(self) -> bool:
        """It is compared byte by byte (rule L8): no worker could read it in time."""
        return len(self.sql) + sum(len(view.text) for view in self.views) > LONGEST_SCANNED


@dataclass(frozen=True, slots=True)
class SeedValues:
    """A seed's content: the MD5 of its file (rule L10)."""

    dialect: Dialect
    values_hash: str


@dataclass(frozen=True, slots=True)
class NodeHashes:
    """dbt's hashes of a node's source, MD5 hex each; None for those that the client did not send.

    `node_hash` of the wire is not included: client versions compute it differently (rule L13).
    """

    body: str | None = None
    configs: str | None = None
    macros: str | None = None
    persisted_descriptions: str | None = None
    contract: str | None = None

    @property
    def sent(self) -> bool:
        """Whether the client sent a node state. Then an absent hash means that there is nothing to hash."""
        return any((self.body, self.configs, self.macros, self.persisted_descriptions, self.contract))


@dataclass(frozen=True, slots=True)
class Node:
    """The dbt node. `unique_id` may be empty if the client sends neither node state nor labels."""

    unique_id: str
    name: str = ""
    resource_type: str = ""
    project_name: str = ""
    project_id: str = ""
    profile_name: str = ""
    target_name: str = ""
    hashes: NodeHashes = field(default_factory=NodeHashes)
    node_hash: str | None = None
    """The wire's node_hash: kept only for `state:` selection, never for a decision (rule L13)."""
    representation: str | None = None
    """`database.schema.alias`, unquoted."""
    tracked: bool = False
    """The client sent a node state, so the node takes part in selection (rule W7)."""


@dataclass(frozen=True, slots=True)
class CloneTerms:
    """What the client allows and needs for a copy instead of a build (decision-rules: Clones).

    A limit of None means unlimited; times are seconds.
    """

    allowed: bool = True
    chain_depth_limit: int | None = None
    time_travel_limit_seconds: int | None = None
    hours_to_expiration: int | None = None
    partition_expiration_days: int | None = None
    into_defer_target: bool | None = None
    """The node is built in the defer target; None if the client is too old to report it."""
    defer_enabled: bool | None = None


LONGEST_SCANNED = 2 << 20
"""Characters up to which SQL is compared without comments and white space; a million takes more than a second."""
MOST_RELATIONS = 2_000
"""Tables and views of one submission up to which it is compared (rule L8a)."""
_WEIGHT_OF_A_RELATION = 200
"""The cost of a relation, in characters of text."""


_DATA_TEST = "test:"
"""The prefix of names of data tests. No relation has it, since its first part is quoted."""


@dataclass(frozen=True, slots=True)
class TargetKey:
    """Identifies one target within an organization, and where its history is stored.

    `namespace` is the client's `table_namespace`; an empty one is a namespace of its own (rule L13). `name` is the relation, or
    the name of a data test (`data_test_name`).
    """

    namespace: str
    name: str

    @property
    def relation(self) -> Relation | None:
        """The relation; None for a data test."""
        return None if self.name.startswith(_DATA_TEST) else Relation(self.name)


def data_test_name(unique_id: str, reads: Iterable[Relation]) -> str:
    """The name of a data test as a target: its node and the relations that it reads."""
    return " ".join([f"{_DATA_TEST}{unique_id}", *sorted(reads)])


@dataclass(frozen=True, slots=True)
class Submission:
    """One submission: may this node be skipped?"""

    key: TargetKey
    relation: Relation | None
    """The relation to be written; None for a data test's count query."""
    execution_type: ExecutionType
    code: Code | SeedValues
    extras: Mapping[str, str]
    """Semantic extras as sent: config key to JSON text (rule L6)."""
    own_epoch: Epoch | None
    inputs: Mapping[Relation, Epoch | None]
    """Leaf tables with their epochs, without the target itself (rule F7); None is unknown."""
    node: Node
    lag_tolerance_seconds: int = 0
    stale_upstream_policy: StaleUpstreamPolicy = StaleUpstreamPolicy.ANY
    tolerate_nondeterminism: bool = True
    compare_unrendered_code: bool = False
    compare_selected_columns: bool = False
    """Only the columns that are read count (rule F9)."""
    schemas: Mapping[Relation, Mapping[str, str]] = field(default_factory=dict)
    """Columns of the tables that it reads and that this run does not build: folded names to types, as far as they were sent."""
    ignore_external_modifications: bool = False
    clone_terms: CloneTerms = field(default_factory=CloneTerms)
    client_stamps: bool = False
    """The client may confirm epochs that it does not read from the table (rule T4a)."""
    deferred: tuple[Relation, ...] = ()
    """Relations that an older client reported as deferred (`lenient_dependencies`)."""
    oversized: bool = False
    """It names more than `MOST_RELATIONS` tables and views, which were dropped. It is always built (rule L8a)."""

    @property
    def is_data_test(self) -> bool:
        return self.execution_type is ExecutionType.DBT_DATA_TEST

    @property
    def weight(self) -> int:
        """Its size, roughly in characters; the work on it grows with it."""
        texts = sum(map(len, self.extras.values())) + _WEIGHT_OF_A_RELATION * (len(self.inputs) + len(self.extras))
        if isinstance(self.code, SeedValues):
            return texts
        return texts + self.code.weight
