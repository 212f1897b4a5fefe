"""Which relations a query reads, and that their names are not part of its logic (rules L3 and F7)."""

from __future__ import annotations

import pytest
from tests.domain.coding import leaves, made

from dbt_state_oss.domain.sql.fingerprint import FingerprintKind

READS = {
    "tables in order of first appearance": (
        "select 1 from s.b join s.a on true where exists (select 1 from s.c join s.b as x on true)",
        ["db.s.b", "db.s.a", "db.s.c"],
    ),
    "a bare name gets the defaults": ("select 1 from t", ["db.public.t"]),
    "a table in each branch of a set operation": (
        "select 1 from s.a union all select 1 from s.b",
        ["db.s.a", "db.s.b"],
    ),
    "a parenthesized join": ("select 1 from (s.a join s.b on true)", ["db.s.a", "db.s.b"]),
    "a name that a WITH defines is none": ("with c as (select 1 from s.a) select 1 from c", ["db.s.a"]),
    "a qualified name is one although a WITH defines its last part": (
        "with a as (select 1 from s.a) select 1 from s.a union all select 1 from a",
        ["db.s.a"],
    ),
    "a WITH inside of a subquery ends with it": (
        "select 1 from (with c as (select 1) select 1 from c) as x join c on true",
        ["db.public.c"],
    ),
    "an outer WITH is seen in subqueries": (
        "with c as (select 1) select 1 from (select 1 from c) as x where exists (select 1 from c)",
        [],
    ),
    "an inner WITH hides the outer one": (
        "with c as (select 1 from s.a) select 1 from (with c as (select 1 from s.b) select 1 from c) as x",
        ["db.s.a", "db.s.b"],
    ),
    "a plain WITH does not see itself": (
        "with orders as (select 1 from orders) select 1 from orders",
        ["db.public.orders"],
    ),
    "a plain WITH does not see later ones": (
        "with a as (select 1 from b), b as (select 1) select 1 from a",
        ["db.public.b"],
    ),
    "a later common table expression sees earlier ones": (
        "with a as (select 1 from s.t), b as (select 1 from a) select 1 from b",
        ["db.s.t"],
    ),
    "a recursive WITH sees itself": (
        "with recursive c as (select 1 as n union all select n + 1 from c) select n from c",
        [],
    ),
    "case matters to a WITH as the dialect has it": (
        'with "C" as (select 1) select 1 from c union all select 1 from "C"',
        ["db.public.c"],
    ),
    "a function in a FROM is none": ("select 1 from generate_series(1, 3) as g", []),
    "an alias is none": ("select x.a from s.t as x, lateral (select x.b) as y", ["db.s.t"]),
}


@pytest.mark.parametrize(("sql", "expected"), READS.values(), ids=READS.keys())
def test_a_query_reads(sql: str, expected: list[str]) -> None:
    assert leaves(sql) == expected


def test_the_target_is_neither_a_slot_nor_a_leaf() -> None:
    sql = "select 1 from s.a where a.at > (select max(at) from s.me)"

    assert leaves(sql, target="db.s.me") == ["db.s.a"]
    assert leaves(sql) == ["db.s.a", "db.s.me"]


def test_reading_oneself_is_not_reading_another_table() -> None:
    sql = "select 1 from s.a as a, s.me as me"

    assert made(sql, target="db.s.me").digest != made(sql).digest


@pytest.mark.parametrize("dialect", ["postgres", "redshift", "snowflake", "databricks"])
def test_prod_and_dev_of_one_model_agree(dialect: str) -> None:
    model = "select o.id, {env}.me.id from {env}.orders as o join raw.t using (id) left join {env}.me on true"
    prod = made(model.format(env="prod"), dialect, target="db.prod.me")
    dev = made(model.format(env="dev"), dialect, target="db.dev.me")

    assert prod.kind is FingerprintKind.PARSED
    assert prod.digest == dev.digest
    assert [slot.relation for slot in prod.slots] != [slot.relation for slot in dev.slots]


def test_prod_and_dev_agree_in_back_ticked_paths() -> None:
    prod = made("select o.id from `shop-prod.a.orders` as o join `shop-prod`.`a`.`t` as t using (id)", "bigquery")
    dev = made("select o.id from `shop-dev.b.orders` as o join shop-dev.b.t as t using (id)", "bigquery")

    assert prod.digest == dev.digest
    assert [slot.relation for slot in dev.slots] == ['"shop-dev"."b"."orders"', '"shop-dev"."b"."t"']


def test_a_stored_failures_statement_hides_its_own_name() -> None:
    statement = "create table {own} as (select * from s.t where a is null);"
    one = made(statement.format(own='"db"."audit"."x"'), target="db.audit.x")
    other = made(statement.format(own='"db"."dev_audit"."y"'), target="db.dev_audit.y")

    assert one.kind is FingerprintKind.PARSED
    assert one.digest == other.digest
    assert [slot.relation for slot in one.slots] == ['"db"."s"."t"']
    assert one.digest != made("select * from s.t where a is null").digest


STARS = {
    "a star on a table": ("select * from s.t", ['"db"."s"."t"']),
    "a star on a joined table": ("select * from s.t join s.u on true", ['"db"."s"."t"', '"db"."s"."u"']),
    "a qualified star": ("select u.* from s.t join s.u on true", ['"db"."s"."u"']),
    "a qualified star by alias": ("select x.* from s.t as x join s.u on true", ['"db"."s"."t"']),
    "a star in a common table expression": (
        "with c as (select * from s.t) select a from c join s.u on true",
        ['"db"."s"."t"'],
    ),
    "a star on a common table expression": ("with c as (select a from s.t) select * from c", []),
    "a star on a subquery": ("select * from (select a from s.t) as x", []),
    "a count of rows": ("select count(*) from s.t", []),
    "a star within a count's subquery": ("select count(*) from (select * from s.t) as x", ['"db"."s"."t"']),
    "a star on a lateral query": (
        "select x.* from s.t as o cross join lateral (select o.*) as x",
        ['"db"."s"."t"'],
    ),
    "a star on a join in parentheses": (
        "select j.* from (s.t as a cross join s.u as b) as j",
        ['"db"."s"."t"', '"db"."s"."u"'],
    ),
    "a qualified star on a common table expression": ("with c as (select a from s.t) select c.*, 1 from c", []),
    "a qualified star on a subquery": ("select x.* from (select a from s.t) as x", []),
    "no star": ("select a from s.t", []),
}


@pytest.mark.parametrize(("sql", "expected"), STARS.values(), ids=STARS.keys())
def test_relations_under_a_star_are_told(sql: str, expected: list[str]) -> None:
    assert list(made(sql).star_relations) == expected


WHOLE = {
    ("bigquery", "select t from d.t as t"): ["db.d.t"],
    ("bigquery", "select to_json(T) as x from d.t as t"): ["db.d.t"],
    ("bigquery", "select a.x.* from d.t as a"): ["db.d.t"],
    ("bigquery", "select * from unnest((select array_agg(t) from d.t as t))"): ["db.d.t"],
    ("bigquery", "select Orders.* from `db.d.Orders`"): ["db.d.Orders"],
    ("bigquery", "select o.id, i.* from d.t as o, unnest(o.items) as i"): ["db.d.t"],
    ("bigquery", "select payload.* from d.t"): ["db.d.t"],
    ("bigquery", "select (select as struct o.* except (id)) as rest from d.t as o"): ["db.d.t"],
    ("snowflake", "select p.* from s.t pivot(sum(a) for b in ('x')) as p"): ["DB.S.T"],
    ("snowflake", "select x.* from (s.t) as x"): ["DB.S.T"],
    ("bigquery", "select t.a, u.b from d.t as t, d.u as u"): [],
    ("snowflake", "select $1 as x from s.t"): ["DB.S.T"],
    ("snowflake", "select t.$2 as x from s.t as t"): ["DB.S.T"],
    ("snowflake", "select a from s.t natural join s.u"): ["DB.S.T", "DB.S.U"],
    ("snowflake", "select count(t.*) as n from s.t as t"): ["DB.S.T"],
    ("snowflake", "select count(*) as n, $x as v from s.t"): [],
}
"""What reads the columns of a table without naming them, and what does not."""


@pytest.mark.parametrize(("dialect", "sql"), WHOLE)
def test_whole_rows_and_places_are_stars_too(dialect: str, sql: str) -> None:
    found = [relation.replace('"', "") for relation in made(sql, dialect).star_relations]
    assert found == WHOLE[dialect, sql]


def test_an_own_name_under_a_star_is_left_out() -> None:
    assert made("select * from s.me", target="db.s.me").star_relations == ()


def test_a_star_that_leaves_columns_out_is_one_too() -> None:
    assert made("select * exclude (a) from s.t", "snowflake").star_relations == ('"DB"."S"."T"',)


ITSELF = {
    "directly": ("select max(n) from db.s.own", {}, True),
    "in a subquery": ("select 1 from s.a where exists (select 1 from s.own)", {}, True),
    "through a view": ("select 1 from s.v", {"db.s.v": "select * from s.own"}, True),
    "not, though another table has its name": ("select 1 from s.a join t.own on true", {}, False),
    "not, though a WITH has its name": ("with own as (select 1 from s.a) select 1 from own", {}, False),
    "not understood, by its schema and name": ("selec broken from s.own", {}, True),
    "not understood, quoted": ('selec broken from "db"."s"."own"', {}, True),
    "not understood, in a view": ("select 1 from s.v", {"db.s.v": "selec from S.Own"}, True),
    "not understood, and another of its name": ("selec broken from t.own", {}, False),
}


@pytest.mark.parametrize(("sql", "views", "expected"), ITSELF.values(), ids=ITSELF)
def test_it_is_told_whether_a_query_reads_what_it_writes(sql: str, views: dict[str, str], expected: bool) -> None:
    assert made(sql, target="db.s.own", views=views).reads_itself is expected


def test_what_is_not_understood_may_read_itself_by_its_name_alone_in_the_default_schema() -> None:
    assert made("selec broken from own", target="db.public.own").reads_itself
    assert not made("selec broken from own", target=None).reads_itself


def test_a_column_without_an_alias_keeps_prod_and_dev_equal_where_its_text_names_no_relation() -> None:
    """DuckDB, like any warehouse that the server does not know, may name the column by its text, comments included."""
    prod, dev = (made(f"select max(id) from {schema}.orders", "duckdb") for schema in ("prod", "dev"))
    assert prod.digest == dev.digest
