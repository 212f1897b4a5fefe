"""Random changes of the source tables, and damages that somebody else does to what dbt has built.

Only what PostgreSQL shows: an epoch is the youngest commit among a table's rows, so rows may be added, updated or made anew,
and of deletions only those of the newest rows are seen (docs/limits.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from tests.e2e.gate import PASSING
from tests.e2e.hunt.project import SOURCES, withdrawn_from

GATE_IS_OPEN = "raw.gate_is_open()"
"""The gate's condition as a function of the project's own: PostgreSQL's functions for locks count as volatile, so that nothing
could be proved of a table whose query calls them."""

SETUP = f"""
    create schema raw;
    create function {GATE_IS_OPEN} returns boolean language sql as 'select {PASSING}';
""" + "".join(
    f"""
    create table {source} (id integer, grp integer, val integer, touched_at timestamp, note text);
    insert into {source} select n, n % {4 + number}, (n * 37 + {number}) % 100,
        timestamp '2026-01-01' + n * interval '1 minute', 'first' from generate_series(1, {9 + number}) as n;
    create table {withdrawn_from(source)} (id integer);
    """
    for number, source in enumerate(SOURCES)
)
"""The source tables as a hunt finds them."""

_DELETE_NEWEST = """
    with newest as (
        select id, note from {source} as t
        where pg_xact_commit_timestamp(t.xmin) = (select max(pg_xact_commit_timestamp(o.xmin)) from {source} as o)
    )
    delete from {source} where id in (select id from newest) and not exists (select from newest where note = 'updated')
        and (select count(*) from newest) < (select count(*) from {source})
"""
"""Nothing where all rows are equally new, since an empty table has no epoch.

Nothing either where rows were updated last: with them gone, the epoch is again that of rows which nobody has seen since.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """SQL and what it is meant to be."""

    said: str
    sql: str
    source: str
    seen: bool = True
    """Whether the change shows on PostgreSQL. Where it does not, what is recorded downstream has to be invalidated."""
    column: str | None = None
    """The column that the source gains."""


SILENT = ("touch a row", "withdraw rows", "withdraw none", "gain a column")
"""Changes of a source that need not write a row into what reads it."""


def random_change(
    random: Random,
    number: int,
    *,
    may_gain: Collection[str],
    withdrawing: Collection[str],
    sources: Sequence[str] = SOURCES,
    silent: bool = False,
) -> Change:
    """A change of one of the sources; `number` was never used before.

    Only the sources in `may_gain` gain a column. From those in `withdrawing`, rows are withdrawn more often. A `silent` change
    need not write a row into what reads the source.
    """
    source = random.choice(sources)
    column = f"c{number}"
    new_rows = ", ".join(
        f"({1000 + 10 * number + row}, {random.randint(0, 5)}, {random.randint(0, 99)}, {_stamp(number)}, 'new')"
        for row in range(random.randint(1, 3))
    )
    modulus = random.randint(2, 6)
    values = f"val = (val + {random.randint(1, 90)}) % 100, touched_at = {_stamp(number)}, note = 'updated'"
    touch = f"update {source} set note = 'updated', touched_at = {_stamp(number)}"
    touch_one = f"{touch} where id = (select min(id) from {source})"
    withdrawn, added = withdrawn_from(source), f"alter table {source} add column {column} integer"
    changes = {
        "insert rows": f"insert into {source} values {new_rows}",
        "update rows": f"update {source} set {values} where id % {modulus} = 1",
        "delete the newest rows": _DELETE_NEWEST.format(source=source),
        "truncate": f"truncate {source}",
        "load the same rows again": f"create temp table kept as table {source}; truncate {source}; "
        f"insert into {source} table kept",
        "drop and make anew": f"create table raw.fresh (like {source}); insert into raw.fresh table {source}; "
        f"drop table {source} cascade; alter table raw.fresh rename to {source[4:]}",
        "delete the oldest row": f"delete from {source} where id = (select min(id) from {source})",
        "touch a row": touch_one,
        "withdraw rows": f"insert into {withdrawn} select id from {source} where id % {modulus} = 0; {touch_one}",
        "withdraw none": f"delete from {withdrawn}; {touch_one}",
        "gain a column": f"{added}; {touch}, {column} = id "
        f"where id % {modulus} = 1 or id = (select min(id) from {source})",
        "gain an empty column": added,
    }
    weights = (
        8,
        5,
        3,
        1,
        2,
        1,
        2,
        3,
        8 if source in withdrawing else 1,
        1,
        4 * (source in may_gain),
        source in may_gain,
    )
    by_kind = dict(zip(changes, weights, strict=True))
    kinds = SILENT if silent else tuple(changes)
    (said,) = random.choices(kinds, [by_kind[kind] for kind in kinds])
    return Change(
        f"{said}: {source}",
        changes[said],
        source,
        seen=said not in ("delete the oldest row", "gain an empty column"),
        column=column if said in ("gain a column", "gain an empty column") else None,
    )


def _stamp(number: int) -> str:
    return f"timestamp '2026-02-01' + {number} * interval '1 hour'"


DAMAGES = {
    "update a row": "update {relation} set val = 777 where id = (select min(id) from {relation})",
    "insert a row": "insert into {relation} (id, grp, val) values (-{number}, 1, 5)",
    "truncate": "truncate {relation}",
    "drop": "drop table {relation} cascade",
    "replace the table": "create table {schema}.made_{number} as select id, grp, val + 1 as val from {relation}; "
    "drop table {relation} cascade; alter table {schema}.made_{number} rename to {name}",
    "replace it with a view": "create table {schema}.made_{number} as select id, grp, val + 1 as val from {relation}; "
    "drop table {relation} cascade; create view {relation} as select * from {schema}.made_{number}",
}
"""What somebody else may do to a table that dbt built."""
ON_SEEDS = ("update a row", "insert a row", "truncate", "drop")
"""dbt cannot load a seed into what has other columns."""
ON_SNAPSHOTS = ("update a row", "truncate", "drop")
