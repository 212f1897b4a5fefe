"""Random changes of a project. Each gives the changed project and a line that says what was done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.e2e.hunt.generation import (
    SNAPSHOT_CONFIGS,
    as_incremental,
    random_node,
    random_rows,
    random_test,
    random_test_config,
    watched,
)
from tests.e2e.hunt.project import HOOK_COLUMN, SOURCES, Kind, Node, Project, Shape, TestKind

Edited = tuple[Project, str]
Edit = Callable[[Random, Project, int], Edited | None]
"""Random numbers, the project and a number that was never used; None where there is nothing to be edited so."""

_HOOKED = (Kind.TABLE, Kind.INCREMENTAL, Kind.SNAPSHOT)
_MOST_NODES = 15


def _pick(random: Random, nodes: list[Node]) -> Node | None:
    return random.choice(nodes) if nodes else None


def _pick_read(random: Random, project: Project, nodes: list[Node]) -> Node | None:
    """One of them, sooner one that is read, and still sooner one that may be built without a new row."""
    weights = [1 + len(project.children(node.name)) * (4 if _may_be_silent(node) else 1) for node in nodes]
    return random.choices(nodes, weights)[0] if nodes else None


def _may_be_silent(node: Node) -> bool:
    return node.only_newer or node.kind is Kind.SNAPSHOT


def _models(project: Project) -> list[Node]:
    return [node for node in project.nodes.values() if node.is_model]


def change_looks(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, _models(project))
    if node is None:
        return None
    return project.with_node(replace(node, cosmetics=number)), f"change only how {node.name} looks"


def change_meaning(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, _models(project))
    if node is None:
        return None
    changes: list[dict[str, object]] = [
        {"addend": node.addend + random.randint(1, 9)},
        {"residue": (node.residue + random.randint(1, node.modulus)) % (node.modulus + 1)},
        {"calls_macro": not node.calls_macro},
        {"reads_variable": not node.reads_variable},
    ]
    change = random.choice(changes)
    if node.shape is Shape.STAR:
        change = changes[1]
    return project.with_node(replace(node, **change)), f"edit {node.name}: {change}"  # type: ignore[arg-type]


def change_shape(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in _models(project) if node.shape.parents == 1 and not node.contract])
    if node is None:
        return None
    shape = random.choice([Shape.SELECT, Shape.STAR, Shape.CTE, Shape.SELF_JOIN])
    return project.with_node(replace(node, shape=shape)), f"let {node.name} be a {shape.value}"


def add_column(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, _models(project))
    if node is None:
        return None
    name = f"x{number}"
    return project.with_node(replace(node, extra_columns=(*node.extra_columns, name))), f"add {name} to {node.name}"


def drop_column(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in _models(project) if node.extra_columns])
    if node is None:
        return None
    return project.with_node(replace(node, extra_columns=())), f"take the additional columns from {node.name}"


def change_parent(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in _models(project) if node.parents])
    if node is None:
        return None
    names = list(project.nodes)
    older = [name for name in names[: names.index(node.name)] if project.nodes[name].kind is not Kind.EPHEMERAL]
    parent = random.choice(["raw.s1", "raw.s2", *older])
    parents = (parent, *node.parents[1:])
    return project.with_node(replace(node, parents=parents)), f"let {node.name} read {' and '.join(parents)}"


def change_macro(random: Random, project: Project, number: int) -> Edited:
    addend = random.randint(0, 3)
    return replace(project, macro_addend=addend), f"let the macro add {addend}"


def change_variable(random: Random, project: Project, number: int) -> Edited:
    variable = random.randint(0, 3)
    return replace(project, variable=variable), f"set the variable to {variable}"


def change_seed(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in project.nodes.values() if node.kind is Kind.SEED])
    if node is None:
        return None
    return project.with_node(replace(node, rows=random_rows(random))), f"put other rows into seed {node.name}"


def change_hook(random: Random, project: Project, number: int) -> Edited | None:
    """A hook whose second run changes nothing, or none. An update would give a snapshot new rows at every run."""
    node = _pick_read(random, project, [node for node in project.nodes.values() if node.kind in _HOOKED])
    if node is None:
        return None
    hooks: list[str | None] = [None, _deleting(random), _deleting(random)]
    if node.kind is not Kind.SNAPSHOT:
        hooks.append(f"update {{{{ this }}}} set grp = {random.randint(0, 4)} where id % 3 = 0")
    if _may_be_altered(node):
        hooks.append(f"alter table {{{{ this }}}} add column if not exists {HOOK_COLUMN} integer")
    hook = random.choice(hooks)
    changed = replace(node.configured(post_hook=hook), withdraws=False)
    return project.with_node(changed), f"give {node.name} the hook {hook}"


def _deleting(random: Random) -> str:
    return f"delete from {{{{ this }}}} where id % {random.randint(2, 4)} = {random.randint(0, 1)}"


def _may_be_altered(node: Node) -> bool:
    """An incremental asks its query for every column of its table, unless it appends new ones; or takes the column away, which a
    view on it forbids."""
    return node.kind is not Kind.INCREMENTAL or node.config.get("on_schema_change") == "append_new_columns"


def withdraw(random: Random, project: Project, number: int) -> Edited | None:
    """A hook that deletes by a table which changes only together with the source."""
    readers = [it for it in project.nodes.values() if it.kind in _HOOKED and set(SOURCES).intersection(it.parents)]
    node = _pick_read(random, project, readers)
    if node is None:
        return None
    changed = replace(node.configured(post_hook=None), withdraws=not node.withdraws)
    return project.with_node(changed), f"let a hook of {node.name} delete what is withdrawn: {changed.withdraws}"


def evolve(random: Random, project: Project, number: int) -> Edited | None:
    """A column more, or less, in an incremental that lets its table follow."""
    node = _pick_read(random, project, [node for node in _models(project) if node.kind is Kind.INCREMENTAL])
    if node is None:
        return None
    policy = node.config.get("on_schema_change")
    if policy in (None, "ignore"):
        policies = ("append_new_columns", "append_new_columns", "sync_all_columns")
        policy = "append_new_columns" if node.alters else random.choice(policies)
    columns = (*node.extra_columns, f"x{number}")
    if policy == "sync_all_columns" and random.random() < 0.3:
        columns = columns[1:] if random.random() < 0.5 else ()
    newer = node.only_newer or node.shape.keeps_ids
    changed = replace(node.configured(on_schema_change=policy), extra_columns=columns, only_newer=newer)
    return project.with_node(changed), f"give {node.name} the additional columns {columns} by {policy}"


def watch(random: Random, project: Project, number: int) -> Edited | None:
    nodes = [node for node in project.nodes.values() if node.kind.depends_on_its_past]
    if len(project.nodes) >= _MOST_NODES - 1 or not nodes:
        return None
    node = random.choice(nodes)
    grown = watched(random, project, node.name, number)
    added = ", ".join(name for name in grown.nodes if name not in project.nodes)
    return grown, f"let {added} read {node.name} whole, or count it"


def copy_query(random: Random, project: Project, number: int) -> Edited | None:
    """A model that renders what another renders."""
    node = _pick(random, [node for node in _models(project) if node.kind in (Kind.TABLE, Kind.INCREMENTAL)])
    if node is None or len(project.nodes) >= _MOST_NODES:
        return None
    copy = replace(node, name=f"n{number}").configured(alias=None)
    return project.with_node(copy), f"add {copy.name}, which renders what {node.name} does"


def swap_queries(random: Random, project: Project, number: int) -> Edited | None:
    tables = [node for node in _models(project) if node.kind is Kind.TABLE]
    if len(tables) < 2:
        return None
    one, other = random.sample(tables, 2)
    place = {node.name: {key: node.config.get(key) for key in ("alias", "schema")} for node in (one, other)}
    swapped = project
    for mine, theirs in ((one, other), (other, one)):
        swapped = swapped.with_node(replace(theirs, name=mine.name).configured(**place[mine.name]))
    return swapped, f"let {one.name} and {other.name} swap their queries"


def change_contract(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in _models(project) if node.kind is Kind.TABLE])
    if node is None:
        return None
    contract = random.random() < 0.7
    changed = replace(node, contract=contract, not_null=contract and random.random() < 0.6)
    said = f"contract {contract}, not null {changed.not_null}"
    return project.with_node(changed), f"give {node.name} {said}"


def change_properties(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in _models(project) if node.kind in (Kind.TABLE, Kind.INCREMENTAL)])
    if node is None:
        return None
    choices: list[dict[str, object]] = [
        {"indexes": [{"columns": ["id"], "unique": True}]},
        {"indexes": [{"columns": ["grp"]}]},
        {"indexes": None},
        {"grants": {"select": ["reporter"]}},
        {"grants": {"select": []}},
        {"tags": [f"tag{number}"]},
        {"meta": {"number": number}},
        {"unlogged": random.random() < 0.5},
    ]
    config = random.choice(choices)
    return project.with_node(node.configured(**config)), f"configure {node.name}: {config}"


def change_description(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in _models(project) if node.kind in (Kind.TABLE, Kind.INCREMENTAL)])
    if node is None:
        return None
    description = random.choice(["", f"revision {number}"])
    return project.with_node(replace(node, description=description)), f"describe {node.name} as {description!r}"


def change_strategy(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [it for it in project.nodes.values() if it.kind in (Kind.INCREMENTAL, Kind.SNAPSHOT)])
    if node is None:
        return None
    if node.kind is Kind.SNAPSHOT:
        if node.config["strategy"] == "timestamp":
            return None
        config = random.choice(SNAPSHOT_CONFIGS)
        changed = replace(node, config={**config, **_hook_of(node)})
        return project.with_node(changed), f"snapshot {node.name} by {dict(changed.config)}"
    changed = as_incremental(random, node)
    changed = changed.configured(**_hook_of(node))
    if not _may_be_altered(changed):
        changed = changed.configured(post_hook=None)
    return project.with_node(
        changed
    ), f"build {node.name} by {dict(changed.config)}, newer rows only: {changed.only_newer}"


def _hook_of(node: Node) -> dict[str, object]:
    return {key: value for key, value in node.config.items() if key == "post_hook"}


def change_place(random: Random, project: Project, number: int) -> Edited | None:
    """Not of views: where they were is on no record, so a run in development cannot know (docs/deferral.md)."""
    kinds = (Kind.TABLE, Kind.INCREMENTAL, Kind.SEED)
    node = _pick(random, [node for node in project.nodes.values() if node.kind in kinds])
    if node is None:
        return None
    places: list[dict[str, object]] = [
        {"alias": f"{node.name}_alias{number}"},
        {"schema": "mart"},
        {"alias": None, "schema": None},
    ]
    place = random.choice(places)
    return project.with_node(node.configured(**place)), f"put {node.name} to {place}"


def change_kind(random: Random, project: Project, number: int) -> Edited | None:
    kinds = (Kind.TABLE, Kind.INCREMENTAL, Kind.VIEW, Kind.EPHEMERAL)
    tested = {name for test in project.tests.values() for name in (test.node, test.other)}
    node = _pick(random, [it for it in _models(project) if not {"alias", "schema"}.intersection(it.config)])
    if node is None or node.shape is Shape.REMEMBER:
        return None
    kind = random.choice([it for it in kinds if it is not node.kind])
    if kind is Kind.EPHEMERAL and (
        node.name in tested or any(it.kind is Kind.SNAPSHOT for it in project.children(node.name))
    ):
        return None
    plain = replace(node, kind=kind, only_newer=False, contract=False, not_null=False, description="", config={})
    changed = as_incremental(random, plain) if kind is Kind.INCREMENTAL else plain
    return project.with_node(changed), f"make {node.name} a {kind.value}"


def add_model(random: Random, project: Project, number: int) -> Edited | None:
    if len(project.nodes) >= _MOST_NODES:
        return None
    node = random_node(random, project, f"n{number}", random.choice([Kind.TABLE, Kind.VIEW, Kind.INCREMENTAL]))
    return project.with_node(node), f"add the {node.kind.value} {node.name} ({node.shape.value} of {node.parents})"


def remove_model(random: Random, project: Project, number: int) -> Edited | None:
    leaves = [node for node in _models(project) if not project.children(node.name)]
    node = _pick(random, leaves) if len(project.nodes) > 8 else None
    return None if node is None else (project.without(node.name), f"remove {node.name}")


def rename_model(random: Random, project: Project, number: int) -> Edited | None:
    node = _pick(random, [node for node in _models(project) if "alias" not in node.config])
    if node is None:
        return None
    return project.renamed(node.name, f"n{number}"), f"rename {node.name} to n{number}"


def change_test(random: Random, project: Project, number: int) -> Edited | None:
    if not project.tests:
        return None
    test = random.choice(list(project.tests.values()))
    if test.kind is TestKind.SINGULAR and random.random() < 0.5:
        changed = replace(test, limit=random.randint(20, 900))
    else:
        changed = replace(test, config=random_test_config(random))
    said = f"let test {test.name} be of {changed.limit}, {dict(changed.config)}"
    return replace(project, tests={**project.tests, test.name: changed}), said


def add_test(random: Random, project: Project, number: int) -> Edited | None:
    if len(project.tests) > 6:
        return None
    test = random_test(random, project, f"t{number}")
    said = f"add the {test.kind.value} test {test.name} of {test.node}"
    return replace(project, tests={**project.tests, test.name: test}), said


EDITS: dict[Edit, int] = {
    change_looks: 6,
    change_meaning: 8,
    change_shape: 2,
    add_column: 4,
    drop_column: 2,
    change_parent: 3,
    change_macro: 2,
    change_variable: 2,
    change_seed: 3,
    copy_query: 1,
    swap_queries: 1,
    change_contract: 3,
    change_properties: 4,
    change_description: 2,
    change_strategy: 3,
    change_place: 2,
    change_kind: 3,
    add_model: 2,
    remove_model: 1,
    rename_model: 2,
    change_test: 3,
    add_test: 1,
}
"""Every edit with its weight."""
SILENT_EDITS: dict[Edit, int] = {evolve: 4, change_hook: 4, withdraw: 2, watch: 1}
"""Edits after which an incremental or a snapshot may change its table without writing a row, with their weights."""
