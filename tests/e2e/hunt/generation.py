"""Random projects, nodes and data tests; every choice is the generator's that is passed in."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.e2e.hunt.project import SOURCES, STAMP_COLUMNS, DataTest, Kind, Node, Project, Shape, TestKind

INCREMENTAL_CONFIGS: tuple[dict[str, object], ...] = (
    {"incremental_strategy": "append"},
    {"incremental_strategy": "merge", "unique_key": "id"},
    {"incremental_strategy": "delete+insert", "unique_key": "id"},
    {"incremental_strategy": "merge", "unique_key": "id", "merge_update_columns": ["val"]},
)
SNAPSHOT_CONFIGS: tuple[dict[str, object], ...] = (
    {"strategy": "check", "check_cols": ["val"]},
    {"strategy": "check", "check_cols": ["grp", "val"]},
    {"strategy": "check", "check_cols": "all"},
    {"strategy": "check", "check_cols": ["val"], "hard_deletes": "invalidate"},
)
TIMESTAMP_CONFIG: dict[str, object] = {"strategy": "timestamp", "updated_at": "touched_at"}
POLICIES = (None, None, "append_new_columns", "sync_all_columns")
"""Of `on_schema_change`; None is dbt's default, to ignore."""
FIRST_KINDS = (Kind.SEED, Kind.VIEW, Kind.TABLE, Kind.INCREMENTAL, Kind.SNAPSHOT, Kind.EPHEMERAL, Kind.TABLE)
"""Every project has these; the rest is drawn."""
SINGLE = (Shape.SELECT, Shape.SELECT, Shape.STAR, Shape.STAR, Shape.CTE, Shape.WINDOW, Shape.TOP, Shape.AGGREGATE)
DOUBLE = (Shape.JOIN, Shape.SEMI_JOIN, Shape.UNION, Shape.SELF_JOIN, Shape.JOIN)


def random_project(random: Random) -> Project:
    """A project of nine to thirteen nodes with a few tests."""
    project = Project(nodes={}, tests={})
    later = random.choices(
        (Kind.TABLE, Kind.VIEW, Kind.INCREMENTAL, Kind.SNAPSHOT), (6, 3, 3, 1), k=random.randint(1, 3)
    )
    for number, kind in enumerate([*FIRST_KINDS, *later]):
        project = project.with_node(random_node(random, project, f"n{number}", kind))
    for number in range(2):
        pasts = [node for node in project.nodes.values() if node.kind.depends_on_its_past]
        silent = [it for it in pasts if (it.only_newer if number == 0 else it.kind is Kind.SNAPSHOT)]
        project = watched(random, project, random.choice(silent or pasts).name, number)
    for number in range(random.randint(3, 5)):
        test = random_test(random, project, f"t{number}")
        project = replace(project, tests={**project.tests, test.name: test})
    return project


def watched(random: Random, project: Project, name: str, number: int) -> Project:
    """The project with a table that reads a node whole or counts it, now and then through a view."""
    if random.random() < 0.25:
        view = Node(name=f"w{number}", kind=Kind.VIEW, parents=(name,), shape=Shape.STAR)
        project, name = project.with_node(view), view.name
    shape = random.choice((Shape.STAR, Shape.STAR, Shape.AGGREGATE))
    return project.with_node(Node(name=f"w{number}t", kind=Kind.TABLE, parents=(name,), shape=shape))


def random_node(random: Random, project: Project, name: str, kind: Kind) -> Node:
    """A node that reads sources and nodes of the project."""
    if kind is Kind.SEED:
        return Node(name=name, kind=kind, rows=random_rows(random))
    if kind is Kind.SNAPSHOT:
        return random_snapshot(random, project, name)
    shape = random.choice(DOUBLE if random.random() < 0.35 and len(project.nodes) > 1 else SINGLE)
    if kind is Kind.INCREMENTAL and not shape.keeps_ids and random.random() < 0.7:
        shape = random.choice((Shape.SELECT, Shape.STAR, Shape.CTE))
    if kind is Kind.TABLE and random.random() < 0.04:
        shape = Shape.REMEMBER
    modulus = random.randint(3, 9)
    node = Node(
        name=name,
        kind=kind,
        parents=random_parents(random, project, shape.parents),
        shape=shape,
        addend=random.randint(0, 20),
        modulus=modulus,
        residue=random.randint(0, modulus + 1),
        calls_macro=random.random() < 0.25,
        reads_variable=random.random() < 0.25,
        waits_at_gate=kind is Kind.TABLE and random.random() < 0.5,
        contract=kind is Kind.TABLE and random.random() < 0.2,
        description="as built" if kind is Kind.TABLE and random.random() < 0.2 else "",
    )
    return as_incremental(random, node) if kind is Kind.INCREMENTAL else node


def as_incremental(random: Random, node: Node) -> Node:
    """The node with a way of being built that leaves the same content when it is run again on the same inputs.

    Appending without asking for newer rows would add them all again at every run of plain dbt, so nothing could be compared.
    """
    configs = INCREMENTAL_CONFIGS if node.shape.keeps_ids else INCREMENTAL_CONFIGS[1:]
    config = random.choice(configs)
    appends = config["incremental_strategy"] == "append"
    only_newer = appends or (node.shape.keeps_ids and random.random() < 0.7)
    kept = {key: value for key, value in node.config.items() if key in ("alias", "schema", "grants", "meta", "tags")}
    policy = random.choice(POLICIES)
    changed = replace(node, kind=Kind.INCREMENTAL, only_newer=only_newer, config={**kept, **config}, contract=False)
    return changed.configured(on_schema_change=policy)


def random_snapshot(random: Random, project: Project, name: str) -> Node:
    parents = random_parents(random, project, 1, without=(Kind.EPHEMERAL, Kind.SNAPSHOT))
    if not STAMP_COLUMNS.keys().isdisjoint(project.columns_read(parents[0])):
        parents = (random.choice(SOURCES),)
    configs = (*SNAPSHOT_CONFIGS, TIMESTAMP_CONFIG) if parents[0] in SOURCES else SNAPSHOT_CONFIGS
    return Node(name=name, kind=Kind.SNAPSHOT, parents=parents, config=random.choice(configs))


def random_parents(random: Random, project: Project, count: int, *, without: tuple[Kind, ...] = ()) -> tuple[str, ...]:
    """Parents, newer nodes rather than older ones and sources."""
    names = [name for name, node in project.nodes.items() if node.kind not in without]
    weights = [2.0] * len(SOURCES) + [3.0 + index for index in range(len(names))]
    return tuple(random.choices([*SOURCES, *names], weights, k=count))


def random_rows(random: Random) -> tuple[tuple[int, int, int], ...]:
    """A seed's rows; now and then none."""
    if random.random() < 0.2:
        return ()
    return tuple((number, random.randint(0, 4), random.randint(0, 99)) for number in range(random.randint(3, 6)))


def random_test(random: Random, project: Project, name: str) -> DataTest:
    """A data test, of any outcome; most that fail only warn, so that the run goes on."""
    tested = [node.name for node in project.nodes.values() if node.kind not in (Kind.EPHEMERAL, Kind.SNAPSHOT)]
    kind = random.choice(list(TestKind))
    return DataTest(
        name=name,
        kind=kind,
        node=random.choice(tested),
        other=random.choice(tested) if kind is TestKind.RELATIONSHIPS else None,
        limit=random.randint(20, 900),
        config=random_test_config(random),
    )


def random_test_config(random: Random) -> dict[str, object]:
    config: dict[str, object] = {"severity": "error" if random.random() < 0.1 else "warn"}
    if random.random() < 0.3:
        config["where"] = f"id > {random.randint(0, 3)}"
    if random.random() < 0.2:
        config["warn_if"] = f">{random.randint(0, 2)}"
    if random.random() < 0.3:
        config["store_failures"] = True
    return config
