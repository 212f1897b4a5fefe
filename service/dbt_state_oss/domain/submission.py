"""What a client asks about: one node about to be built, with the evidence that it sent.

The protocol makes these from requests; the application and the rules read them. No wire type comes in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.relation import Epoch, Relation


class ExecutionType(Enum):
    """How dbt will write the target. The values are the wire's names and are stored; UNKNOWN stands for newer ones."""

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
        """Adds to what the table holds, so that its content depends on history."""
        return self in _INCREMENTAL

    @property
    def may_be_incremental(self) -> bool:
        """Incremental, or what an incremental with a strategy of the project's own is sent as, too."""
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
    """A view on the way from the SQL to its leaf tables, as the client read it from the warehouse."""

    relation: Relation
    text: str
    default_catalog: str
    default_schema: str


@dataclass(frozen=True, slots=True)
class Code:
    """Everything that the fingerprint of a query is made of (rules L1 to L4), as it was sent.

    `target` is the relation that the query writes, so that a self-reference can be told (rule L3).
    """

    dialect: Dialect
    sql: str
    default_catalog: str
    default_schema: str
    target: Relation | None = None
    views: tuple[ViewDefinition, ...] = ()

    @property
    def weight(self) -> int:
        """How large it is, about in characters."""
        return len(self.sql) + sum(len(view.text) + _WEIGHT_OF_A_RELATION for view in self.views)

    @property
    def too_long_to_scan(self) -> bool:
        """It is compared as it is (rule L8): no worker could read it in time."""
        return len(self.sql) + sum(len(view.text) for view in self.views) > LONGEST_SCANNED


@dataclass(frozen=True, slots=True)
class SeedValues:
    """A seed's content: the MD5 of its file (rule L10)."""

    dialect: Dialect
    values_hash: str


@dataclass(frozen=True, slots=True)
class NodeHashes:
    """dbt's hashes of a node's source, MD5 hex each; None where the client sent none.

    `node_hash` of the wire is left out: its recipe differs between client generations (rule L13).
    """

    body: str | None = None
    configs: str | None = None
    macros: str | None = None
    persisted_descriptions: str | None = None
    contract: str | None = None

    @property
    def sent(self) -> bool:
        """Whether the client sent a node state at all: then a hash that is absent means that there is nothing to hash."""
        return any((self.body, self.configs, self.macros, self.persisted_descriptions, self.contract))


@dataclass(frozen=True, slots=True)
class Node:
    """Which dbt node asks. `unique_id` may be empty for a client that sends neither node state nor labels."""

    unique_id: str
    name: str = ""
    resource_type: str = ""
    project_name: str = ""
    project_id: str = ""
    profile_name: str = ""
    target_name: str = ""
    hashes: NodeHashes = field(default_factory=NodeHashes)
    node_hash: str | None = None
    """The wire's node_hash: kept for `state:` selection only, never for a decision (rule L13)."""
    representation: str | None = None
    """`database.schema.alias`, unquoted."""
    tracked: bool = False
    """The client sent a node state, so the node takes part in selection (rule W7)."""


@dataclass(frozen=True, slots=True)
class CloneTerms:
    """What the client allows and needs when a copy would do (decision-rules: Clones).

    A limit of None is unlimited; times are seconds.
    """

    allowed: bool = True
    chain_depth_limit: int | None = None
    time_travel_limit_seconds: int | None = None
    hours_to_expiration: int | None = None
    partition_expiration_days: int | None = None
    into_defer_target: bool | None = None
    """The node is built in the defer target; None where the client is too old to say."""
    defer_enabled: bool | None = None


LONGEST_SCANNED = 2 << 20
"""Characters up to which SQL is compared without its comments and white space; a million takes more than a second."""
MOST_RELATIONS = 2_000
"""Tables and views of one question up to which it is compared (rule L8a)."""
_WEIGHT_OF_A_RELATION = 200
"""What handling a relation takes, in characters of text."""


_DATA_TEST = "test:"
"""How names of data tests begin; no relation's does, since its first part is quoted."""


@dataclass(frozen=True, slots=True)
class TargetKey:
    """Names one target within an organization: where its history is kept.

    `namespace` is the client's `table_namespace`, empty where it sent none: a bucket of its own (rule L13).
    `name` is the relation, or that of a data test (`data_test_name`).
    """

    namespace: str
    name: str

    @property
    def relation(self) -> Relation | None:
        """The relation that it is; None for a data test."""
        return None if self.name.startswith(_DATA_TEST) else Relation(self.name)


def data_test_name(unique_id: str, reads: Iterable[Relation]) -> str:
    """What a data test is called as a target: its node and the relations that it reads."""
    return " ".join([f"{_DATA_TEST}{unique_id}", *sorted(reads)])


@dataclass(frozen=True, slots=True)
class Submission:
    """One question: may this node be left as it is?"""

    key: TargetKey
    relation: Relation | None
    """The relation to be written; None for a data test's count query."""
    execution_type: ExecutionType
    code: Code | SeedValues
    extras: Mapping[str, str]
    """Semantic extras as sent: config key to JSON text (rule L6)."""
    own_epoch: Epoch | None
    inputs: Mapping[Relation, Epoch | None]
    """Leaf tables with their epochs, the target itself left out (rule F7); None is unknown."""
    node: Node
    lag_tolerance_seconds: int = 0
    stale_upstream_policy: StaleUpstreamPolicy = StaleUpstreamPolicy.ANY
    tolerate_nondeterminism: bool = True
    compare_unrendered_code: bool = False
    compare_selected_columns: bool = False
    """Of what is read, only the columns that are read count (rule F9)."""
    schemas: Mapping[Relation, Mapping[str, str]] = field(default_factory=dict)
    """Columns of the tables that it reads and that are not built in this run: folded names to types, as far as they were sent."""
    ignore_external_modifications: bool = False
    clone_terms: CloneTerms = field(default_factory=CloneTerms)
    client_stamps: bool = False
    """The client may confirm epochs that it does not read back from the table (rule T4a)."""
    deferred: tuple[Relation, ...] = ()
    """Relations that an older client said it deferred to (`lenient_dependencies`)."""
    oversized: bool = False
    """It names more than `MOST_RELATIONS` tables and views, which were left out; it is built, whatever they are (rule L8a)."""

    @property
    def is_data_test(self) -> bool:
        return self.execution_type is ExecutionType.DBT_DATA_TEST

    @property
    def weight(self) -> int:
        """How large it is, about in characters: the work on it grows with that."""
        texts = sum(map(len, self.extras.values())) + _WEIGHT_OF_A_RELATION * (len(self.inputs) + len(self.extras))
        if isinstance(self.code, SeedValues):
            return texts
        return texts + self.code.weight
