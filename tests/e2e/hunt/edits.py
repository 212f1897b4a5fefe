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
)
from tests.e2e.hunt.project import Kind, Node, Project, Shape, TestKind

Edited = tuple[Project, str]
Edit = Callable[[Random, Project, int], Edited | None]
"""Random numbers, the project and a number that was never used; None where there is nothing to be edited so."""


def _pick(random: Random, nodes: list[Node]) -> Node | None:
    return random.choice(nodes) if nodes else None


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
    node = _pick(random, [node for node in _models(project) if node.kind in (Kind.TABLE, Kind.INCREMENTAL)])
    if node is None:
        return None
    hook = random.choice([None, f"update {{{{ this }}}} set grp = {random.randint(0, 4)} where id % 3 = 0"])
    return project.with_node(node.configured(post_hook=hook)), f"give {node.name} the hook {hook}"


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
        return project.with_node(replace(node, config=config)), f"snapshot {node.name} by {config}"
    changed = as_incremental(random, node)
    policy = random.choice([None, "append_new_columns", "sync_all_columns"])
    changed = changed.configured(on_schema_change=policy)
    return project.with_node(
        changed
    ), f"build {node.name} by {dict(changed.config)}, newer rows only: {changed.only_newer}"


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
    if len(project.nodes) > 13:
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
    change_hook: 3,
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
