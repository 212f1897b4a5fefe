"""From a project as a value to the files that dbt reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import dedent

from tests.e2e.hunt.data import GATE_IS_OPEN
from tests.e2e.hunt.project import SOURCES, DataTest, Kind, Node, Project, Shape, TestKind

MACRO = "{{% macro bump(value) -%}} ({{{{ value }}}} + {addend}) {{%- endmacro %}}\n"


def project_files(project: Project, *, project_id: str) -> dict[str, str]:
    """Path to text, of every file of the project but the profiles."""
    files = {
        "dbt_project.yml": _project_yml(project, project_id),
        "models/sources.yml": json.dumps({"sources": [_sources()]}),
        "models/properties.yml": json.dumps(_properties(project), indent=1),
        "macros/bump.sql": MACRO.format(addend=project.macro_addend),
    }
    for node in project.nodes.values():
        if node.kind is Kind.SEED:
            files[f"seeds/{node.name}.csv"] = seed_csv(node)
        elif node.kind is Kind.SNAPSHOT:
            files[f"snapshots/{node.name}.yml"] = json.dumps({"snapshots": [_snapshot(node)]})
        else:
            files[f"models/{node.name}.sql"] = _model(project, node)
    for test in project.tests.values():
        if test.kind is TestKind.SINGULAR:
            files[f"tests/{test.name}.sql"] = _singular(test)
    return files


def _project_yml(project: Project, project_id: str) -> str:
    return dedent(f"""\
        name: shop
        version: "1.0"
        profile: shop
        dbt-cloud: {{project-id: "{project_id}"}}
        flags: {{send_anonymous_usage_stats: false}}
        vars: {{offset: {project.variable}}}
    """)


def _sources() -> dict[str, object]:
    return {"name": "raw", "tables": [{"name": source.partition(".")[2]} for source in SOURCES]}


def _properties(project: Project) -> dict[str, object]:
    sections: dict[str, list[object]] = {"models": [], "seeds": [], "snapshots": []}
    for node in project.nodes.values():
        section = {Kind.SEED: "seeds", Kind.SNAPSHOT: "snapshots"}.get(node.kind, "models")
        entry = _entry(project, node)
        if len(entry) > 1:
            sections[section].append(entry)
    return {"version": 2, **{name: entries for name, entries in sections.items() if entries}}


def _entry(project: Project, node: Node) -> dict[str, object]:
    entry: dict[str, object] = {"name": node.name}
    config: dict[str, object] = {}
    if node.description:
        entry["description"] = node.description
        config["persist_docs"] = {"relation": True}
    if node.contract:
        config["contract"] = {"enforced": True}
        columns = [{"name": name, "data_type": type_} for name, type_ in project.columns(node.name).items()]
        constraint = {"constraints": [{"type": "not_null"}]} if node.not_null else {}
        entry["columns"] = [{**column, **(constraint if column["name"] == "id" else {})} for column in columns]
    if node.kind is Kind.SEED:
        config.update(node.whole_config)
    if config:
        entry["config"] = config
    tests = [test for test in project.tests.values() if test.node == node.name and test.kind is not TestKind.SINGULAR]
    if tests:
        entry["data_tests"] = [_generic(test) for test in tests]
    return entry


def _generic(test: DataTest) -> dict[str, object]:
    arguments: dict[str, object] = {"column_name": "id"}
    if test.kind is TestKind.NOT_NULL:
        arguments["column_name"] = "val"
    if test.kind is TestKind.ACCEPTED_VALUES:
        arguments = {"column_name": "grp", "arguments": {"values": [0, 1, 2, 3], "quote": False}}
    if test.kind is TestKind.RELATIONSHIPS:
        arguments["arguments"] = {"to": f"ref('{test.other}')", "field": "id"}
    return {test.kind.value: {"name": test.name, **arguments, "config": dict(test.config)}}


def _singular(test: DataTest) -> str:
    return f"{_config(test.config)}select id, val from {reference(test.node)} where val > {test.limit}\n"


def _snapshot(node: Node) -> dict[str, object]:
    parent = node.parents[0]
    relation = f"source('raw', '{parent[4:]}')" if parent in SOURCES else f"ref('{parent}')"
    return {"name": node.name, "relation": relation, "config": {"unique_key": "id", **node.whole_config}}


def seed_csv(node: Node) -> str:
    """A seed's file. Its column `ratio` is never whole, so that it does not fit into a table that dbt made without rows."""
    return "\n".join(
        ["id,grp,val,ratio", *(f"{id_},{group},{value},{value}.25" for id_, group, value in node.rows), ""]
    )


def reference(parent: str) -> str:
    """How a query names a source or node."""
    return f"{{{{ source('raw', '{parent[4:]}') }}}}" if parent in SOURCES else f"{{{{ ref('{parent}') }}}}"


def _config(config: Mapping[str, object]) -> str:
    return f"{{{{ config({', '.join(f'{key}={value!r}' for key, value in config.items())}) }}}}\n" if config else ""


def _model(project: Project, node: Node) -> str:
    config = {"materialized": node.kind.value, **node.whole_config}
    return _config(config) + _dressed(query(project, node), node.cosmetics) + "\n"


def query(project: Project, node: Node) -> str:
    """A model's query as a template, plainly written."""
    first, second = (*(_rows_of(project, parent) for parent in node.parents), "")[:2]
    value = f"({_value(node)}) % 1000"
    extra = "".join(f", a.val * 3 as {name}" for name in node.extra_columns)
    where = f"where {_condition(node)}"
    columns = f"a.id, a.grp, {value} as val{extra}"
    match node.shape:
        case Shape.SELECT:
            return f"select {columns}\nfrom {first} as a\n{where}"
        case Shape.STAR:
            everything = _rows_of(project, node.parents[0], "*")
            return f"select {'a.*' if extra else '*'}{extra}\nfrom {everything} as a\n{where}"
        case Shape.CTE:
            return f"with base as (select * from {first})\nselect {columns}\nfrom base as a\n{where}"
        case Shape.WINDOW:
            rank = "row_number() over (order by a.val, a.id)::int"
            return f"select {rank} as id, a.grp, {value} as val{extra}\nfrom {first} as a\n{where}"
        case Shape.TOP:
            return f"select {columns}\nfrom {first} as a\n{where}\norder by a.id desc\nlimit 6"
        case Shape.AGGREGATE:
            extra = "".join(f", max(a.val)::int as {name}" for name in node.extra_columns)
            sums = f"count(*)::int as grp, (sum({value}) % 1000)::int as val{extra}"
            return f"select a.grp as id, {sums}\nfrom {first} as a\n{where}\ngroup by a.grp"
        case Shape.JOIN | Shape.SELF_JOIN:
            other, on = (second, "b.id = a.grp") if node.shape is Shape.JOIN else (first, "b.id = a.id + 1")
            value = f"({_value(node)} + coalesce(b.val, 0)) % 1000"
            joined = f"a.id, coalesce(b.grp, 0) as grp, {value} as val{extra}"
            return f"select {joined}\nfrom {first} as a\nleft join {other} as b on {on}\n{where}"
        case Shape.SEMI_JOIN:
            return f"select {columns}\nfrom {first} as a\n{where} and a.grp in (select b.grp from {second} as b)"
        case Shape.UNION:
            halves = (
                f"select a.id * 2 + {number} as id, a.grp, {value} as val{extra}\nfrom {rows} as a\n{where}"
                for number, rows in enumerate((first, second))
            )
            return "\nunion all\n".join(halves)
        case Shape.REMEMBER:
            return dedent(f"""\
                {{% if load_relation(this) is not none %}}
                select a.id, a.grp, coalesce(mine.val, {value}) as val{extra}
                from {first} as a
                left join {{{{ this }}}} as mine on mine.id = a.id
                {where}
                {{% else %}}
                select {columns}
                from {first} as a
                {where}
                {{% endif %}}""")


def _rows_of(project: Project, parent: str, columns: str = "id, grp, val") -> str:
    """What holds a parent's rows; of a snapshot the rows that are valid, so that ids stay unique."""
    if parent in project.nodes and project.nodes[parent].kind is Kind.SNAPSHOT:
        return f"(select {columns} from {reference(parent)} where dbt_valid_to is null)"
    return reference(parent)


def _value(node: Node) -> str:
    value = "{{ bump('a.val') }}" if node.calls_macro else "a.val"
    return f"{value} + {{{{ var('offset') }}}} + {node.addend}" if node.reads_variable else f"{value} + {node.addend}"


def _condition(node: Node) -> str:
    condition = f"a.id % {node.modulus} <> {node.residue}"
    if node.waits_at_gate:
        condition += f" and (select {GATE_IS_OPEN})"
    if node.kind is Kind.INCREMENTAL and node.only_newer:
        newer = "and a.id > (select coalesce(max(mine.id), -1) from {{ this }} as mine)"
        condition += f"\n{{% if is_incremental() %}}\n{newer}\n{{% endif %}}"
    return condition


def _dressed(text: str, cosmetics: int) -> str:
    """The same query in other clothes."""
    if cosmetics % 4 == 1:
        text = f"-- revision {cosmetics}\n{text}"
    if cosmetics % 4 == 2:
        text = text.replace("\n", f"\n{' ' * (cosmetics % 7 + 1)}").replace(" as a", "   as   a")
    if cosmetics % 4 == 3:
        for word in ("select", "from", "where", "left join"):
            text = text.replace(f"{word} ", f"{word.upper()} ")
        text = f"/* {cosmetics} */ {text}"
    return text
