"""Relation names in one canonical spelling (rule L11)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from dbt_state_oss.domain.dialects import dialect_named

WAREHOUSES = ["postgres", "redshift", "snowflake", "bigquery", "databricks"]

SPELLINGS = {
    "an unquoted name is folded": ("postgres", "Shop.Prod.Orders", '"shop"."prod"."orders"'),
    "a quoted name is kept": ("postgres", '"Shop"."Prod"."Orders"', '"Shop"."Prod"."Orders"'),
    "a dot inside of quotes is no separator": ("postgres", '"a.b"."c"', '"a.b"."c"'),
    "a quote inside of a name stays doubled": ("postgres", '"a""b".c', '"a""b"."c"'),
    "letters beyond ASCII keep their case on Postgres": ("postgres", "täBLE.ÄB", '"täble"."Äb"'),
    "white space around parts does not count": ("postgres", ' "a" . b ', '"a"."b"'),
    "dbt's spelling on Snowflake is folded to upper case": ("snowflake", "shop.prod.orders", '"SHOP"."PROD"."ORDERS"'),
    "a submit's spelling on Snowflake is kept": ("snowflake", '"SHOP"."PROD"."Orders"', '"SHOP"."PROD"."Orders"'),
    "two dots skip Snowflake's schema": ("snowflake", "shop..orders", '"SHOP"."PUBLIC"."ORDERS"'),
    "Redshift folds quoted names too": ("redshift", '"Shop"."Prod"."Orders"', '"shop"."prod"."orders"'),
    "a case-sensitive Redshift does not": (
        "redshift, normalization_strategy = lowercase",
        'Shop."Prod"."Orders"',
        '"shop"."Prod"."Orders"',
    ),
    "BigQuery's back-ticked path is taken apart": ("bigquery", "`my-shop.prod.Orders`", '"my-shop"."prod"."Orders"'),
    "BigQuery's back-ticked parts are kept": ("bigquery", "`my-shop`.`prod`.`Orders`", '"my-shop"."prod"."Orders"'),
    "a project with hyphens needs no back-ticks": ("bigquery", "my-shop.prod.Orders", '"my-shop"."prod"."Orders"'),
    "back-ticks doubled inside of a name count once": ("databricks", "`a``b`.C", '"a`b"."c"'),
    "Databricks folds quoted names too": ("databricks", "`Shop`.`Prod`.`Orders`", '"shop"."prod"."orders"'),
    "an open quote makes it one part": ("postgres", 'a."b', '"a.""b"'),
    "text after a quote makes it one part": ("postgres", '"a"b', '"""a""b"'),
    "an empty part makes it one part": ("postgres", "a.", '"a."'),
    "an empty text is an empty part": ("postgres", "", '""'),
}


@pytest.mark.parametrize(("dialect", "text", "canonical"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_name_has_one_spelling(dialect: str, text: str, canonical: str) -> None:
    assert dialect_named(dialect).relation(text) == canonical


def test_missing_parts_are_filled_in_from_outside() -> None:
    snowflake = dialect_named("snowflake")

    assert snowflake.relation("t", default_catalog="db", default_schema="s") == '"DB"."S"."T"'
    assert snowflake.relation("s.t", default_catalog="my-db", default_schema="x") == '"my-db"."S"."T"'
    assert snowflake.relation("a.s.t", default_catalog="db", default_schema="x") == '"A"."S"."T"'
    assert snowflake.relation("s.t", default_catalog="", default_schema="") == '"S"."T"'


@pytest.mark.parametrize("name", WAREHOUSES)
@settings(deadline=None)
@given(text=st.text(alphabet=st.one_of(st.sampled_from('aZ"`. $-'), st.characters()), max_size=40))
def test_a_canonical_spelling_is_left_as_it_is(name: str, text: str) -> None:
    dialect = dialect_named(name)
    relation = dialect.relation(text)

    assert dialect.relation(relation) == relation


PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)


@pytest.mark.parametrize("name", [name for name in WAREHOUSES if name != "bigquery"])
@settings(deadline=None)
@given(parts=st.lists(PARTS, min_size=3, max_size=3))
def test_names_that_a_client_quotes_are_read_as_the_parser_writes_them(name: str, parts: list[str]) -> None:
    catalog, schema, table = parts
    written = exp.table_(table, db=schema, catalog=catalog, quoted=True)
    normalized = normalize_identifiers(written.copy(), dialect=name)
    expected = ".".join('"' + part.name.replace('"', '""') + '"' for part in normalized.parts)

    assert dialect_named(name).relation(written.sql(dialect=name)) == expected


def test_distinct_quoted_names_never_share_a_spelling() -> None:
    postgres = dialect_named("postgres")
    names = ['"a.b"."c"', '"a"."b.c"', '"a"."b"."c"', '"a.b.c"', '"a""."".b"."c"', '"A"."b"."c"']

    assert len({postgres.relation(name) for name in names}) == len(names)


def test_a_name_of_a_megabyte_is_read_too() -> None:
    assert dialect_named("postgres").relation("A" * 1_000_000) == f'"{"a" * 1_000_000}"'
