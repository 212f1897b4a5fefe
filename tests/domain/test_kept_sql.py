"""Texts that may be kept, what is masked in them, and short differences between two of them; digests of clauses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.clauses import differing
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.sql.item_order import ORDER_PARTS
from dbt_state_oss.domain.sql.kept_sql import MOST_DIFFERENCES, SqlText, StoreSql, differences, sql_text
from dbt_state_oss.domain.submission import Code, ViewDefinition

VIEW = Relation('"shop"."prod"."v"')


def code(sql: str, view: str | None = None, dialect: str = "postgres") -> Code:
    views = () if view is None else (ViewDefinition(VIEW, view, "shop", "public"),)
    return Code(dialect_named(dialect), sql, "shop", "public", views=views)


def text(sql: str, view: str | None = None, *, keep: StoreSql = StoreSql.CANONICAL) -> SqlText:
    kept = sql_text(code(sql, view), "logic", {}, keep)
    assert kept is not None
    return kept


@pytest.mark.parametrize(
    "literal",
    [
        "'secret'",
        "E'secret\\n'",
        "U&'secret'",
        "N'secret'",
        "$$secret$$",
        "$a$secret$a$",
        "X'5ec7e7'",
        "B'10101'",
        "interval 'secret'",
        "date 'secret'",
        "cast('secret' as text)",
        "'sec' 'ret'",
        "4930123456789",
        "12345.5",
    ],
)
def test_no_literal_survives_the_mask(literal: str) -> None:
    kept = sql_text(
        code(f"select {literal} as x from t where y = {literal} -- secret"), "logic", {}, StoreSql.CANONICAL
    )
    assert kept is None or not any(word in kept.query.lower() for word in ("sec", "ret", "5ec7", "10101", "12345"))


@pytest.mark.parametrize(
    ("dialect", "literal"),
    [
        ("snowflake", "'secret'"),
        ("snowflake", "$$secret$$"),
        ("bigquery", "'secret'"),
        ("bigquery", '"secret"'),
        ("bigquery", "r'secret'"),
        ("bigquery", 'b"secret"'),
        ("bigquery", "'''secret'''"),
        ("databricks", "'secret'"),
        ("databricks", '"secret"'),
        ("databricks", "r'secret'"),
        ("redshift", "'secret'"),
    ],
)
def test_the_mask_holds_on_every_warehouse(dialect: str, literal: str) -> None:
    kept = sql_text(code(f"select {literal} as x, 2 as y from t", dialect=dialect), "logic", {}, StoreSql.CANONICAL)
    assert kept is not None
    assert "secret" not in kept.query
    assert "2" in kept.query


def test_the_size_of_a_type_is_no_data() -> None:
    assert text("select x::varchar(65535) as x from t").query == "SELECT CAST(x AS VARCHAR(65535)) AS x FROM t"


def test_a_clause_that_cannot_be_written_costs_its_digest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    known = fingerprint(code("select 1"))
    monkeypatch.setattr("dbt_state_oss.domain.sql.clauses.masked", lambda tree: 1 / 0)
    made = fingerprint(code("select 1"))
    assert made == known
    assert (bool(known.parts), made.parts) == (True, ())


def test_nothing_is_kept_of_what_cannot_be_parsed_nor_where_nothing_is_to_be_kept() -> None:
    assert sql_text(code("select ((('secret'"), "logic", {}, StoreSql.FULL) is None
    assert sql_text(code("vacuum analyze 'secret'"), "logic", {}, StoreSql.CANONICAL) is None
    assert sql_text(code("select 1"), "logic", {}, StoreSql.NONE) is None
    assert sql_text(code("select " + "(" * 5000 + "1" + ")" * 5000), "logic", {}, StoreSql.CANONICAL) is None


def test_values_of_the_configuration_are_kept_with_the_literals_alone() -> None:
    kept = sql_text(code("select 1"), "logic", {"grants": "ada"}, StoreSql.CANONICAL)
    assert kept is not None
    assert kept.extras == {}


TOTALS = (
    "select customer_id, sum(amount) as total, count(*) as orders from t where a > 1 and b < 2 group by customer_id"
)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sum(amount)", "sum(amount) + 1", ["SUM(amount) AS total → SUM(amount) + 1 AS total"]),
        (", count(*) as orders", "", ["removed column COUNT(*) AS orders"]),
        ("as orders", "as orders, max(x) as most", ["added column MAX(x) AS most"]),
        (" where a > 1 and b < 2", "", ["removed WHERE a > 1 AND b < 2"]),
        ("b < 2", "b < 3", ["WHERE a > 1 AND b < 2 → WHERE a > 1 AND b < 3"]),
        ("from t", "from u", ["FROM t → FROM u"]),
        ("from t", "from t join u using (id)", ["added JOIN u USING (id)"]),
        ("group by customer_id", "group by 1", ["GROUP BY customer_id → GROUP BY 1"]),
        ("select", "select distinct", ["added DISTINCT"]),
        ("a > 1", "a  >  1 /* comment */", []),
    ],
)
def test_a_difference_is_told_in_a_line(old: str, new: str, told: list[str]) -> None:
    assert list(differences(text(TOTALS), text(TOTALS.replace(old, new)))) == told


def test_within_a_long_condition_the_part_that_differs_is_told() -> None:
    conditions = " and ".join(f"column_number_{number} > {number}" for number in range(20))
    then, now = text(f"select 1 from t where {conditions}"), text(f"select 1 from t where {conditions} and c is null")
    assert list(differences(then, now)) == ["added c IS NULL"]


def test_a_difference_within_a_common_table_or_a_view_is_told() -> None:
    common = "with a as (select 1 as x), b as (select 2 as y) select * from a, b"
    assert list(differences(text(common), text(common.replace("2", "3")))) == ["2 AS y → 3 AS y"]
    then, now = (
        text("select * from v", "select 1 as x"),
        text("select * from v", "create view v as select 1 as x, y from t"),
    )
    assert all(each.startswith(f"in {VIEW}: ") for each in differences(then, now))


def test_many_differences_are_cut() -> None:
    then = text("select " + ", ".join(f"a{number} as c{number}" for number in range(50)))
    now = text("select " + ", ".join(f"b{number} as c{number}" for number in range(50)))
    told = differences(then, now)
    assert len(told) == MOST_DIFFERENCES
    assert told[-1] == f"… and {50 - MOST_DIFFERENCES + 1} more differences"


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("sum(amount)", "sum(amount) + 1", ["columns"]),
        ("a > 1", "a > 2", ["WHERE"]),
        ("group by customer_id", "group by 1", ["GROUP BY"]),
        ("from t", "from t join u using (id)", ["FROM"]),
        ("a > 1", "a > 1 or 'x' = c", ["WHERE"]),
        ("customer_id, sum", "distinct customer_id, sum", ["DISTINCT"]),
    ],
)
def test_the_clauses_that_differ_are_known_without_any_text(old: str, new: str, names: list[str]) -> None:
    then, now = (fingerprint(code(sql)).parts for sql in (TOTALS, TOTALS.replace(old, new, 1)))
    assert differing(now, then) == names


def test_literals_are_in_no_digest_of_a_clause() -> None:
    then, now = (fingerprint(code(f"select 1 from t where name = '{name}'")) for name in ("Ada", "Grace"))
    clauses = [[part for part in one.parts if part.partition(" ")[2] not in ORDER_PARTS] for one in (then, now)]
    assert clauses[0] == clauses[1] != []
    assert then.digest != now.digest


def test_a_changed_common_table_or_view_is_named() -> None:
    common = "with a as (select 1 as x), b as (select 2 as y) select * from a, b, prod.v"
    then = fingerprint(code(common, "select 1 as z"))
    now = fingerprint(code(common.replace("2", "3"), "select 2 as z"))
    assert differing(now.parts, then.parts) == ["WITH b", f"the view {VIEW}"]


def test_digests_of_clauses_decide_nothing() -> None:
    one = fingerprint(code("select 1"))
    assert one == replace(one, parts=("12345678 WHERE",))
