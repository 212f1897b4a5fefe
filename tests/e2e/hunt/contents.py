"""What the relations of a target hold, with all that a build applies to them, and how two targets differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from tests.e2e.postgres import SUPERUSER, Database, Row
from tests.e2e.shop import SNAPSHOT_STAMPS

_SHOWN_ROWS = 12

_RELATIONS = f"""
    select n.nspname, c.relname, c.relkind::text, c.relpersistence::text, coalesce(obj_description(c.oid, 'pg_class'), ''),
        (select array_agg(g::text order by 1) from unnest(c.relacl) as g where g::text not like '{SUPERUSER}=%%'),
        (select array_agg(split_part(indexdef, ' USING ', 2) || ' ' || (indexdef like '%%UNIQUE%%') order by 1)
            from pg_indexes as i where i.schemaname = n.nspname and i.tablename = c.relname),
        (select array_agg(array[a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text] order by a.attnum)
            from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'v', 'm') and n.nspname ~ %s
    order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Content:
    """One relation."""

    kind: str
    """PostgreSQL's letter: r for a table, v for a view."""
    columns: tuple[str, ...]
    """Name, type and whether it may be null."""
    properties: tuple[str, ...]
    """Persistence, description, grants, indexes."""
    rows: tuple[str, ...]
    """Sorted; a snapshot's time stamps left out."""


Contents = Mapping[str, Mapping[str, Content]]
"""Target, or `raw`, to what it holds by `place_in`."""


def contents(database: Database, target: str) -> dict[str, Content]:
    """Every relation of a target: `schema.name`, less the target's own name in the schema, to what it holds."""
    server = database.server
    connection = psycopg2.connect(host=server.host, port=server.port, user=SUPERUSER, dbname=database.name)
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute(_RELATIONS, (f"^{target}(_|$)",))
        return {place_in(target, row[0], row[1]): _content(cursor, row) for row in cursor.fetchall()}


def place_in(target: str, schema: str, name: str) -> str:
    """A relation's name within its target: `name`, or `mart.name` in a schema of its own."""
    return f"{schema[len(target) + 1 :]}.{name}".lstrip(".")


def _content(cursor: psycopg2.extensions.cursor, relation: Row) -> Content:
    schema, name, kind, persistence, description, grants, indexes, columns = relation
    values = []
    for column, _, _ in columns or ():
        if column == "dbt_valid_to":
            values.append(f'"{column}" is null')
        elif column not in SNAPSHOT_STAMPS:
            values.append(f'"{column}"')
    cursor.execute(f'select row({", ".join(values)})::text from "{schema}"."{name}"')
    return Content(
        kind=kind,
        columns=tuple(
            " ".join((column, type_, "" if null == "false" else "not null")).strip()
            for column, type_, null in columns or ()
        ),
        properties=(persistence, description, *(grants or ()), *(indexes or ())),
        rows=tuple(sorted(text for (text,) in cursor.fetchall())),
    )


def differences(
    ours: Mapping[str, Content], theirs: Mapping[str, Content], *, without: Collection[str] = ()
) -> dict[str, str]:
    """Place to a sentence, for every relation that the two targets do not hold alike."""
    places = (ours.keys() | theirs.keys()) - set(without)
    found = {place: _difference(ours.get(place), theirs.get(place)) for place in sorted(places)}
    return {place: sentence for place, sentence in found.items() if sentence}


def _difference(ours: Content | None, theirs: Content | None) -> str:
    if ours is None or theirs is None:
        if ours is theirs:
            return ""
        return "is not there; plain dbt has it" if ours is None else "is there; plain dbt has none"
    for aspect in ("kind", "columns", "properties"):
        mine, other = getattr(ours, aspect), getattr(theirs, aspect)
        if mine != other:
            return f"{aspect}: ours {mine}, plain dbt's {other}"
    if ours.rows == theirs.rows:
        return ""
    surplus, lacking = _less(ours.rows, theirs.rows), _less(theirs.rows, ours.rows)
    return (
        f"{len(ours.rows)} rows, plain dbt's {len(theirs.rows)}; only in ours {surplus}, only in plain dbt's {lacking}"
    )


def _less(rows: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    rest = list(rows)
    for row in others:
        if row in rest:
            rest.remove(row)
    return [*rest[:_SHOWN_ROWS], *(["…"] if len(rest) > _SHOWN_ROWS else [])]
