"""SQL that is not understood: compared as text or to the byte, never refused, never matched with parsed SQL (rule L8)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.coding import code, made

from dbt_state_oss.domain.sql.canonical import DEEPEST_NESTING
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Volatility, raw_digest
from dbt_state_oss.domain.sql.fingerprinting import LONGEST_PARSED, fallback_fingerprint, fingerprint
from dbt_state_oss.domain.submission import LONGEST_SCANNED

WAREHOUSES = ["postgres", "redshift", "snowflake", "bigquery", "databricks"]
DIALECTS = [*WAREHOUSES, "trino", "nosuch", ""]

UNPARSED = {
    "no SQL": "select from where (",
    "another statement": "delete from s.t",
    "two statements": "select 1; select 2",
    "a procedure call": "call s.p(1)",
    "a query that writes": "with d as (delete from s.t returning a) select a from d",
    "a table made on the way": "select a into s.u from s.t",
    "nothing": "",
    "a comment alone": "-- nothing",
}


@pytest.mark.parametrize("sql", UNPARSED.values(), ids=UNPARSED.keys())
def test_what_is_no_query_alone_is_text(sql: str) -> None:
    found = made(sql)

    assert found.kind is FingerprintKind.TEXT
    assert found.star_relations == ()
    assert found.is_final
    assert not fallback_fingerprint(code(sql)).is_final


def test_a_path_to_files_keeps_its_case() -> None:
    one, other = (made(f"select * from parquet.`s3://b/{path}`", "databricks") for path in ("Day", "day"))

    assert one.kind is FingerprintKind.TEXT
    assert one.digest != other.digest


def test_a_dialect_that_nobody_knows_is_text() -> None:
    assert made("select 1", "nosuch").kind is FingerprintKind.TEXT


SAME_TEXTS = {
    "comments and white space": ("postgres", "merge  x\n-- why\n/* how */ y", "merge x y"),
    "no white space around symbols": ("postgres", "merge (a , b) = c", "merge(a,b)=c"),
    "slashes in Snowflake": ("snowflake", "merge x // why", "merge x"),
    "a hash in BigQuery": ("bigquery", "merge x # why", "merge x"),
    "an unknown dialect": ("nosuch", "merge x -- why", "merge x"),
}
OTHER_TEXTS = {
    "white space in an expression, whose text is a column's name": ("snowflake", "merge max( a )", "merge max(a)"),
    "a comment in such an expression": ("nosuch", "merge max(a /* b */)", "merge max(a)"),
    "letter case": ("postgres", "merge x", "MERGE x"),
    "white space in a string": ("postgres", "merge 'a  b'", "merge 'a b'"),
    "white space in a name": ("postgres", 'merge "a  b"', 'merge "a b"'),
    "comment marks in a string": ("postgres", "merge '-- a'", "merge '"),
    "comment marks in dollar quotes": ("postgres", "merge $x$ /* a */ $x$", "merge $x$ $x$"),
    "an escaped quote": ("snowflake", r"merge 'a\' -- b'", r"merge 'a\' --'"),
    "a hash in Postgres": ("postgres", "merge a # b", "merge a"),
    "slashes in Postgres": ("postgres", "merge a // b", "merge a"),
    "words that run together": ("postgres", "merge ab", "merge a b"),
    "symbols that run together": ("postgres", "merge a < = b", "merge a <= b"),
    "a prefix of a string": ("bigquery", "merge r 'a'", "merge r'a'"),
    "triple quotes": ("bigquery", "merge '''a''' b", "merge '' 'a' '' b"),
    "a number in two": ("postgres", "merge 1 .5", "merge 1.5"),
    "a comment in a comment": ("bigquery", "merge /* /* */ x */", "merge /* */ x */"),
}


@pytest.mark.parametrize(("dialect", "one", "other"), SAME_TEXTS.values(), ids=SAME_TEXTS.keys())
def test_texts_agree_less_comments_and_white_space(dialect: str, one: str, other: str) -> None:
    assert made(one, dialect) == made(other, dialect)
    assert made(one, dialect).kind is FingerprintKind.TEXT


@pytest.mark.parametrize(("dialect", "one", "other"), OTHER_TEXTS.values(), ids=OTHER_TEXTS.keys())
def test_texts_differ_in_anything_else(dialect: str, one: str, other: str) -> None:
    assert fallback_fingerprint(code(one, dialect)).digest != fallback_fingerprint(code(other, dialect)).digest


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgres", "merge 'open"),
        ("postgres", "merge /* open"),
        ("postgres", "merge $$ open"),
        ("postgres", r"merge 'a\'"),
        ("databricks", r"merge r'a\'b'"),
        ("nosuch", "merge q'[it's]'"),
        ("nosuch", r"merge 'a\b'"),
        ("nosuch", "merge x # y"),
    ],
)
def test_a_text_whose_literals_are_uncertain_counts_to_the_byte(dialect: str, sql: str) -> None:
    found = made(sql, dialect)

    assert found.kind is FingerprintKind.BYTES
    assert found.digest != made(sql + " ", dialect).digest


def test_quoted_names_with_dots_between_them_are_certain_in_any_dialect() -> None:
    assert made('merge "a"."b"', "nosuch").kind is FingerprintKind.TEXT


def test_kinds_never_share_a_digest() -> None:
    assert len({made("select 1").digest, fallback_fingerprint(code("select 1")).digest}) == 2


def test_the_defaults_and_the_views_are_part_of_a_text() -> None:
    def text(views: dict[str, str]) -> Fingerprint:
        return fallback_fingerprint(code("merge x", views=views))

    one = text({"s.v": "select 1", "s.w": "select 2"})

    assert one == text({"s.w": "select 2 -- why", "s.v": "select 1"})
    assert one.digest != text({"s.v": "select 2", "s.w": "select 1"}).digest
    assert one.digest != text({}).digest


DEEP = {
    "parentheses": lambda depth: "select " + "(" * depth + "1" + ")" * depth,
    "subqueries": lambda depth: "select * from (" * depth + "select 1" + ") as x" * depth,
    "calls": lambda depth: "select " + "f(" * depth + "1" + ")" * depth,
    "cases": lambda depth: "select " + "case when true then " * depth + "1" + " end" * depth,
    "negations": lambda depth: "select " + "not " * depth + "true",
    "casts": lambda depth: "select 1" + "::int" * depth,
    "fields": lambda depth: "select " + "a." * depth + "b",
    "open brackets": lambda depth: "select " + "[" * depth,
}


@pytest.mark.parametrize("shape", DEEP.keys())
def test_a_text_of_5000_levels_is_compared_as_text(shape: str) -> None:
    assert made(DEEP[shape](5_000)).kind is FingerprintKind.TEXT


@pytest.mark.parametrize("shape", ["parentheses", "subqueries", "calls", "cases", "negations"])
def test_nesting_is_counted_before_anything_recurses(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("the parser was asked")

    monkeypatch.setattr("sqlglot.parser.Parser.parse", parse)

    assert made(DEEP[shape](DEEPEST_NESTING + 1)).kind is FingerprintKind.TEXT


def test_ordinary_nesting_is_parsed() -> None:
    for shape in ("parentheses", "subqueries", "calls", "cases"):
        assert made(DEEP[shape](25)).kind is FingerprintKind.PARSED


def test_a_thousand_terms_are_no_nesting() -> None:
    assert made("select 1" + " + 1" * 1_000).kind is FingerprintKind.PARSED
    assert made("select 1" + " union all select 1" * 300).kind is FingerprintKind.PARSED


def test_a_text_that_is_too_long_to_be_parsed_is_compared_as_text() -> None:
    line = "select 'aé' as x, \"b\"::int -- why\n from s.t where now() > 1.5 union all\n"
    text = line * (LONGEST_PARSED // len(line) + 1) + "select 1"
    found = made(text)

    assert len(text) > LONGEST_PARSED
    assert found.kind is FingerprintKind.TEXT
    assert found.volatility is Volatility.VOLATILE


def test_a_text_that_is_too_long_to_be_scanned_is_compared_as_it_is_and_may_read_anything() -> None:
    long = "select 1 " + " " * LONGEST_SCANNED
    found = made(long)

    assert (found.kind, found.unparsable, found.volatility) == (FingerprintKind.BYTES, True, Volatility.VOLATILE)
    assert found.unseen_sources
    assert found.reads_itself
    assert made(long + " ") != found
    assert made("select 1", views={"s.v": long}).kind is FingerprintKind.BYTES


def test_views_count_for_the_size() -> None:
    half = "select '" + "x" * (LONGEST_PARSED // 2) + "'"

    assert made(half).kind is FingerprintKind.PARSED
    assert made(half, views={"s.v": half}).kind is FingerprintKind.TEXT


SQL_LIKE = st.lists(
    st.sampled_from(
        "select from where with as case end join on ( ) , ' \" ` $$ \\ -- /* */ * # ; a t 1 E' :: { [ ] \ud800 é \0".split(
            " "
        )
    ),
    max_size=40,
).map(" ".join)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(sql=st.one_of(st.text(st.characters(), max_size=60), SQL_LIKE))
def test_no_text_is_refused(dialect: str, sql: str) -> None:
    asked = code(sql, dialect, views={"t": sql})

    assert fingerprint(asked) == fingerprint(asked)
    assert len(fallback_fingerprint(asked).digest) == len(raw_digest(asked)) == 64


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_sql_are_not_refused(dialect: str, data: bytes) -> None:
    found = made(data.decode("utf-8", errors="surrogateescape"), dialect)

    assert found.kind in FingerprintKind


@pytest.mark.parametrize(
    ("dialect", "sql", "named"),
    [
        (
            "snowflake",
            "select 1 from a.b.e e, lateral flatten(input => e.items) f, a.b.o o where (",
            ["a.b.e", "a.b.o"],
        ),
        ("postgres", "select 1 from a.b.e e join a.b.x x using (id), a.b.o o where (", ["a.b.e", "a.b.x", "a.b.o"]),
        ("postgres", "select 1 from (a.b.e cross join a.b.x), a.b.o where (", ["a.b.e", "a.b.x", "a.b.o"]),
        ("bigquery", "with o as (from a.b.e |> where id > 1) select 1 from o where (", ["a.b.e"]),
        ("databricks", "with o as (table a.b.e) select 1 from o where (", ["a.b.e"]),
        ("bigquery", "from (from a.b.e |> where id > 1) |> set x = 1, y = 2", ["a.b.e"]),
        (
            "bigquery",
            "from a.b.x |> join (from a.b.e |> aggregate count(*) as n) using (n) |> set x = 1",
            ["a.b.x", "a.b.e"],
        ),
        ("bigquery", "select array(from a.b.e |> set x = 1 |> select x)", ["a.b.e"]),
        ("bigquery", "from a.b.x |> union all by name (from a.b.e |> set x = 1)", ["a.b.x", "a.b.e"]),
        ("databricks", "select 1 from a.b.x where ( union all table a.b.e", ["a.b.x", "a.b.e"]),
        ("snowflake", "select 1 from a.b.x where ( minus (table a.b.e", ["a.b.x", "a.b.e"]),
        ("databricks", "select 1 from a.b.e lateral view explode(m) x as k, v where (", ["a.b.e"]),
        (
            "postgres",
            "select extract(epoch from a.b), trim(both from c.d), x is distinct from e.f from g.h.i where (",
            ["g.h.i"],
        ),
    ],
)
def test_the_relations_that_a_text_names_are_its_slots(dialect: str, sql: str, named: list[str]) -> None:
    query = code(sql, dialect)
    found = fingerprint(query)

    assert found.kind is FingerprintKind.TEXT
    assert [slot.relation for slot in found.slots] == [query.dialect.relation(name) for name in named]
