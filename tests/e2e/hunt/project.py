"""The dbt project of a hunt as a value: what its nodes mean, apart from how their files look.

Every relation has the columns `id` (unique), `grp` and `val`, all integers, so that any may be read by any shape of
query. Parents come before their children in `Project.nodes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

SOURCES = ("raw.s1", "raw.s2", "raw.s3")
BASIC_COLUMNS = {"id": "integer", "grp": "integer", "val": "integer"}
SEED_COLUMNS = {**BASIC_COLUMNS, "ratio": "double precision"}
"""Of a seed that had rows when dbt created its table; without rows dbt makes every column an integer."""
STAMP_COLUMNS = {
    "dbt_scd_id": "text",
    "dbt_updated_at": "timestamp without time zone",
    "dbt_valid_from": "timestamp without time zone",
    "dbt_valid_to": "timestamp without time zone",
}
"""What a snapshot adds to the columns of its source."""
HOOK_COLUMN = "hooked"
"""The column that an altering hook adds."""
SOURCE_COLUMNS = {**BASIC_COLUMNS, "touched_at": "timestamp without time zone", "note": "text"}


class Kind(Enum):
    """What a node is."""

    SEED = "seed"
    EPHEMERAL = "ephemeral"
    VIEW = "view"
    TABLE = "table"
    INCREMENTAL = "incremental"
    SNAPSHOT = "snapshot"

    @property
    def depends_on_its_past(self) -> bool:
        """Whether its content follows from more than its code and inputs."""
        return self in (Kind.INCREMENTAL, Kind.SNAPSHOT)


class Shape(Enum):
    """The form of a model's query."""

    SELECT = "select"
    STAR = "star"
    CTE = "cte"
    WINDOW = "window"
    TOP = "top"
    AGGREGATE = "aggregate"
    JOIN = "join"
    SELF_JOIN = "self join"
    SEMI_JOIN = "semi join"
    UNION = "union"
    REMEMBER = "remember"
    """A table that keeps the values which it has already."""

    @property
    def parents(self) -> int:
        return 2 if self in (Shape.JOIN, Shape.SEMI_JOIN, Shape.UNION) else 1

    @property
    def keeps_ids(self) -> bool:
        """Whether a row's `id` is that of a parent's row, so that an incremental may ask for newer ones."""
        return self not in (Shape.AGGREGATE, Shape.UNION, Shape.WINDOW, Shape.TOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A seed, model or snapshot."""

    name: str
    kind: Kind
    parents: tuple[str, ...] = ()
    """Names of nodes, or of sources as `raw.s1`."""
    shape: Shape = Shape.SELECT
    addend: int = 0
    modulus: int = 5
    residue: int = 9
    """Rows whose `id % modulus` is this are left out; none where it is not below the modulus."""
    calls_macro: bool = False
    reads_variable: bool = False
    extra_columns: tuple[str, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    """dbt's configuration beside the materialization; a contract and a description stand apart."""
    contract: bool = False
    not_null: bool = False
    """With the contract: a constraint on `id`."""
    description: str = ""
    """Persisted in the database where it is not empty."""
    only_newer: bool = False
    """Of an incremental: whether it asks for rows above its highest `id` alone."""
    rows: tuple[tuple[int, int, int], ...] = ()
    """Of a seed."""
    withdraws: bool = False
    """A hook deletes what was withdrawn from the first source that it reads directly; no view has hooks."""
    waits_at_gate: bool = False
    cosmetics: int = 0
    """A number for how its file looks, without a meaning."""

    @property
    def is_model(self) -> bool:
        return self.kind not in (Kind.SEED, Kind.SNAPSHOT)

    @property
    def depends_on_its_past(self) -> bool:
        return self.kind.depends_on_its_past or (self.kind is Kind.TABLE and self.shape is Shape.REMEMBER)

    @property
    def alias(self) -> str:
        return str(self.config.get("alias", self.name))

    @property
    def whole_config(self) -> Mapping[str, object]:
        """The configuration, with the hook that deletes what was withdrawn."""
        source = next((parent for parent in self.parents if parent in SOURCES), None)
        if not self.withdraws or source is None or self.kind in (Kind.VIEW, Kind.EPHEMERAL):
            return self.config
        hook = f"delete from {{{{ this }}}} where id in (select id from {withdrawn_from(source)})"
        return {**self.config, "post_hook": hook}

    @property
    def alters(self) -> bool:
        """Whether its hook adds a column."""
        return HOOK_COLUMN in str(self.whole_config.get("post_hook"))

    def configured(self, **config: object) -> Node:
        """The node with these configurations; None takes one away."""
        merged = {**self.config, **config}
        return replace(self, config={key: value for key, value in merged.items() if value is not None})


def withdrawn_from(source: str) -> str:
    """The table of the ids that hooks delete from what reads a source."""
    return f"raw.withdrawn_from_{source.partition('.')[2]}"


class TestKind(Enum):
    """What a data test asks."""

    __test__ = False

    UNIQUE = "unique"
    NOT_NULL = "not_null"
    ACCEPTED_VALUES = "accepted_values"
    RELATIONSHIPS = "relationships"
    SINGULAR = "singular"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTest:
    """A data test of one node, or of two."""

    name: str
    kind: TestKind
    node: str
    other: str | None = None
    limit: int = 0
    """Of a singular test: the greatest `val` that is right."""
    config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Nodes in an order in which they can be built, tests, and what they share."""

    nodes: Mapping[str, Node]
    tests: Mapping[str, DataTest]
    macro_addend: int = 0
    variable: int = 1
    source_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns that source tables have gained, all integers."""

    def with_node(self, node: Node, *, instead_of: str | None = None) -> Project:
        """The project with one node in the place of another, or of the one of its name, or added at the end."""
        old = instead_of or node.name
        nodes = {(node.name if name == old else name): (node if name == old else it) for name, it in self.nodes.items()}
        return replace(self, nodes={**nodes, node.name: node})

    def without(self, name: str) -> Project:
        """The project without a node; its tests go with it."""
        tests = {key: test for key, test in self.tests.items() if name not in (test.node, test.other)}
        return replace(self, nodes={key: node for key, node in self.nodes.items() if key != name}, tests=tests)

    def renamed(self, old: str, new: str) -> Project:
        """The project with a node, and all that names it, under another name."""
        nodes = {}
        for node in self.nodes.values():
            parents = tuple(new if parent == old else parent for parent in node.parents)
            name = new if node.name == old else node.name
            nodes[name] = replace(node, name=name, parents=parents)
        tests = {}
        for test in self.tests.values():
            other = new if test.other == old else test.other
            tests[test.name] = replace(test, node=new if test.node == old else test.node, other=other)
        return replace(self, nodes=nodes, tests=tests)

    def children(self, name: str) -> list[Node]:
        return [node for node in self.nodes.values() if name in node.parents]

    def descendants(self, names: set[str]) -> set[str]:
        """The named nodes and all that reads them."""
        found = set(names)
        for node in self.nodes.values():
            if found.intersection(node.parents):
                found.add(node.name)
        return found

    def ancestors(self, names: set[str]) -> set[str]:
        """The named nodes and all nodes that they read."""
        found = set(names)
        for node in reversed(list(self.nodes.values())):
            if node.name in found:
                found.update(parent for parent in node.parents if parent in self.nodes)
        return found

    def columns(self, name: str) -> dict[str, str]:
        """The columns that a relation's query gives, with their types."""
        if name not in self.nodes:
            return {**SOURCE_COLUMNS, **dict.fromkeys(self.source_columns.get(name, ()), "integer")}
        node = self.nodes[name]
        if node.kind is Kind.SEED:
            return dict(SEED_COLUMNS)
        hands_on = node.shape is Shape.STAR or node.kind is Kind.SNAPSHOT
        handed_on = self.columns_read(node.parents[0]) if hands_on else BASIC_COLUMNS
        return {**handed_on, **dict.fromkeys(node.extra_columns, "integer")}

    def columns_read(self, parent: str) -> dict[str, str]:
        """The columns that a `*` over a parent gives: those of its query, and what a snapshot and a hook add."""
        columns = self.columns(parent)
        if parent in self.nodes and self.nodes[parent].kind is Kind.SNAPSHOT:
            columns |= STAMP_COLUMNS
        if parent in self.nodes and self.nodes[parent].alters:
            columns[HOOK_COLUMN] = "integer"
        return columns

    @property
    def is_sound(self) -> bool:
        """Whether dbt can run it: parents come first, and no snapshot reads a column that it adds itself."""
        known = set(SOURCES)
        for node in self.nodes.values():
            if not known.issuperset(node.parents):
                return False
            known.add(node.name)
            if node.kind is Kind.SNAPSHOT and not self._may_be_snapshotted(node.parents[0]):
                return False
        return True

    def _may_be_snapshotted(self, name: str) -> bool:
        return STAMP_COLUMNS.keys().isdisjoint(self.columns_read(name))

    def tables_read(self, name: str) -> Iterator[str]:
        """What a node reads in the end, through ephemeral models and views, each time that it reads it."""
        for parent in self.nodes[name].parents:
            if parent in self.nodes and self.nodes[parent].kind in (Kind.EPHEMERAL, Kind.VIEW):
                yield from self.tables_read(parent)
            else:
                yield parent
