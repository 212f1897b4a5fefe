"""Rule F9 held against a real PostgreSQL: where a parent's edit leaves a child unchanged, both make the same child.

Random parents, random edits of them, random children. Whatever the rule lets stand is built anew on the edited parent.
"""

from __future__ import annotations

import os
from ast import literal_eval
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import cursor
from tests.domain.coding import made
from tests.domain.parents import is_unchanged
from tests.e2e.postgres import PostgresServer

TABLES = """
    create schema s;
    create table s.orders (id integer, customer_id integer, amount integer, kind text);
    insert into s.orders select n, n % 3, n * n % 7, chr(97 + n % 2) from generate_series(1, 9) as n;
    insert into s.orders values (9, 2, null, null);
    create table s.customers (id integer, kind text, name text);
    insert into s.customers values (0, 'a', 'Ada'), (1, 'b', 'Grace'), (2, null, 'Edsger'), (2, 'a', 'Barbara');
"""

NAMES = ["id", "total", "kind", "name", "amount", "k", "p", "more", "other", "third"]
OF_A_ROW = st.sampled_from(
    """
    o.id; o.amount; o.kind; upper(o.kind); o.amount * 2; o.amount + o.id; 1; null::text; kind; amount; total;
    sum(o.amount) over (partition by o.kind); rank() over (order by o.amount); case when o.kind = 'a' then o.amount end;
    generate_series(1, 2); unnest(array[1, 2]); (select max(x.id) from s.customers as x); row_to_json(o); o.to_jsonb
    """.replace("\n", "").split(";")
)
OF_A_GROUP = st.sampled_from(
    """
    o.kind; upper(o.kind); 1; kind; count(*); sum(o.amount); max(o.id); min(o.kind); sum(count(*)) over ();
    sum(o.amount) filter (where o.id > 3); count(distinct o.customer_id); generate_series(1, 2); k
    """.replace("\n", "").split(";")
)
SOURCES = st.sampled_from(
    [
        "s.orders as o",
        "s.orders as o join s.customers as c on c.id = o.customer_id",
        "s.orders as o left join s.customers as c on c.id = o.customer_id",
        "s.orders as o natural join s.customers as c",
        "made as o",
        "made as o join s.customers as c on c.id = o.id",
        "made as o natural join s.customers as c",
        "(select * from made) as o",
    ]
)
TAILS_OF_ROWS = st.sampled_from(
    [
        *[""] * 6,
        " where o.amount > 1",
        " where kind = 'a'",
        " where exists (select 1 from s.customers as x where x.kind = o.kind)",
        " order by 1",
        " limit 3",
    ]
)
TAILS_OF_GROUPS = st.sampled_from(
    [
        "",
        " group by 1",
        " group by 1, 2",
        " group by o.kind",
        " group by kind",
        " group by k",
        " group by o.kind having count(*) > 1",
    ]
)
MADE = st.sampled_from(
    [
        "id, amount, kind, customer_id",
        "id, amount, kind, customer_id, id as total",
        "id, amount, upper(kind) as kind, customer_id",
        "id, amount + 1 as amount, kind, customer_id",
        "id, amount, kind, customer_id, 'Ada' as name",
        "distinct id, amount, kind, customer_id",
        "*",
    ]
)


@dataclass(frozen=True, slots=True)
class Parent:
    """A query in its parts: a common table, a select list, what is read, what follows."""

    made: str
    items: tuple[str, ...]
    source: str
    tail: str
    quantity: str = ""
    last: bool = False

    @property
    def sql(self) -> str:
        common = f"made as (select {self.made} from s.orders)" if "made" in self.source else ""
        query = f"select {self.quantity}{', '.join(self.items)} from {self.source}{self.tail}"
        if self.last:
            return f"with {common}{', ' if common else ''}final as ({query}) select * from final"
        return f"with {common} {query}" if common else query


@st.composite
def edits(draw: st.DrawFn) -> tuple[Parent, Parent]:
    """A parent, and the same after an edit, mostly of its select list."""
    values, tails = draw(st.sampled_from([(OF_A_ROW, TAILS_OF_ROWS), (OF_A_GROUP, TAILS_OF_GROUPS)]))
    item = st.builds("{} as {}".format, values.map(str.strip), st.sampled_from(NAMES))
    items = draw(st.lists(item, min_size=1, max_size=4, unique_by=lambda made: made.rsplit(" ")[-1]))
    quantity = draw(st.sampled_from(["", "", "", "", "distinct "]))
    before = Parent(draw(MADE), tuple(items), draw(SOURCES), draw(tails), quantity, last=draw(st.booleans()))
    match draw(st.sampled_from(["add"] * 6 + ["remove", "change", "swap", "common", "common", "source", "tail"])):
        case "add":
            items.insert(draw(st.integers(0, len(items))), draw(item))
        case "remove":
            items.pop(draw(st.integers(0, len(items) - 1)))
        case "change":
            items[draw(st.integers(0, len(items) - 1))] = draw(item)
        case "swap":
            items = items[::-1]
        case "common":
            return before, replace(before, made=draw(MADE))
        case "source":
            return before, replace(before, source=draw(SOURCES))
        case "tail":
            return before, replace(before, tail=draw(tails))
    return before, replace(before, items=tuple(items))


CHILDREN = [
    "select {0} as a from s.p",
    "select {0} as a, {1} as b from s.p as p",
    "select p.{0} from s.p as p",
    "select c.{2}, p.{0} from s.p as p join s.customers as c on c.id::text = p.{1}::text",
    "select p.{0} from s.p as p natural join s.customers as c",
    "select p.{0} from s.p as p join s.customers as c using ({2})",
    "select c.id from s.customers as c where exists (select 1 from s.p as p where p.{0} is not null and {2} is not null)",
    "with p as (select * from s.p) select {0} as a from p",
    "with p as (select * from s.p), q as (select p.*, 1 as one from p) select {0} as a, one from q",
    "with q as (select p.*, c.name as n from s.p as p cross join s.customers as c) select {0} as a, n from q",
    "select x.{0} from (select * from s.p where {1} is not null) as x",
    "select x.{0} from (select distinct * from s.p) as x",
    "select x.{0} from (select * from s.p union select * from s.p) as x",
    "select x.{0} from (select *, 1 as one from s.p order by 2 limit 4) as x",
    "select * from s.p",
    "select c.*, p.{0} from s.p as p cross join s.customers as c",
    "select count(*) as n from (select * from s.p where {0} is null) as t",
    "select {0} as a, count(*) as n from s.p group by {0} having count({1}) > 0",
    "select distinct {0} as a from s.p order by 1",
    "select {0}::text as a from s.p union all select {1}::text from s.p",
    "select p::text as a from s.p",
    "select row_to_json(p)::text as a from s.p as p",
    "select p.row_to_json::text as a from s.p as p",
    "with x as (select * from s.p) select x.row_to_json::text as a from x",
    "select count(p.*) as n from s.p as p",
    "select a.{0} from s.p as a(id, total)",
]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Parent, Parent, str]:
    """A parent, the same after an edit, and a child that reads some of the columns that it had."""
    before, after = draw(edits())
    had = st.sampled_from([item.rsplit(" ")[-1] for item in before.items])
    child = draw(st.sampled_from([*CHILDREN[:3] * 4, *CHILDREN])).format(
        draw(had), draw(had), draw(st.sampled_from(NAMES))
    )
    return before, after, child


EXAMPLES = int(os.environ.get("COLUMN_ACCOUNT_EXAMPLES", "300"))


def over_histories(check: Callable[[tuple[Parent, Parent, str]], None]) -> Callable[[], None]:
    """The check, to be made of many random histories."""
    many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    return many(given(histories())(check))


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[cursor]:
    """A cursor on a database with the tables that parents read; its work is never committed."""
    database = postgres.create_database("column_accounts")
    with closing(
        psycopg2.connect(host=postgres.host, port=postgres.port, dbname=database.name, user="postgres")
    ) as connection:
        work = connection.cursor()
        work.execute(TABLES)
        yield work
    database.drop()


def test_a_child_that_may_stay_is_what_a_build_would_make(database: cursor) -> None:
    @over_histories
    def check(history: tuple[Parent, Parent, str]) -> None:
        before, after, child = history[0].sql, history[1].sql, history[2]
        stands = _made(database, "table", before, child)
        if stands is None:
            seen["can't be built"] += 1
        elif before == after or not is_unchanged(before, after, child):
            seen["is built"] += 1
        elif _made(database, "table", after, "select 1") is None:
            seen["the parent can't be built"] += 1
        else:
            seen["stays"] += 1
            assert _made(database, "table", after, child) == stands, f"{before}\n{after}\n{child}"

    seen: Counter[str] = Counter()
    check()
    assert seen["stays"], seen


def test_a_view_s_reader_that_may_stay_is_what_a_build_would_make(database: cursor) -> None:
    @over_histories
    def check(history: tuple[Parent, Parent, str]) -> None:
        before, after, child = history[0].sql, history[1].sql, history[2]
        then, now = (_made(database, "view", view, "select pg_get_viewdef('s.p')") for view in (before, after))
        stands = _made(database, "view", before, child)
        if then is None or now is None or stands is None:
            seen["can't be built"] += 1
            return
        digests = {made(child, views={"db.s.p": literal_eval(view[0])[0]}).selection_digest for view in (then, now)}
        if then == now or len(digests) > 1 or None in digests:
            seen["is built"] += 1
        else:
            seen["stays"] += 1
            assert _made(database, "view", after, child) == stands, f"{before}\n{after}\n{child}"

    seen: Counter[str] = Counter()
    check()
    assert seen["stays"], seen


def _made(on: cursor, kind: str, parent: str, child: str) -> list[str] | None:
    """The rows that the child makes of the parent, in an order of their own; None where one of them fails."""
    on.execute("savepoint before")
    try:
        on.execute(f"create {kind} s.p as {parent}")
        on.execute(child)
        return sorted(map(repr, on.fetchall()))
    except psycopg2.Error:
        return None
    finally:
        on.execute("rollback to savepoint before")
