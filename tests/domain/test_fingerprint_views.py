"""Views on the way to leaf tables: their definitions count, the way in which a warehouse tells them does not (rule L4)."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from tests.domain.coding import code, leaves, made

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import FingerprintKind, Slot, raw_digest
from dbt_state_oss.domain.sql.fingerprinting import fingerprint

QUERY = "select v.a from s.v as v"
SELECT = "select t.a, t.b from raw.t as t"

SAME_DEFINITIONS = {
    "CREATE VIEW": ("postgres", f"create view s.v as {SELECT}"),
    "a semicolon": ("postgres", f"{SELECT};"),
    "parentheses around the query": ("postgres", f"create or replace view s.v as (\n{SELECT}\n);"),
    "a comment": ("postgres", f"/* dbt */ create view s.v as -- why\n{SELECT}"),
    "its own columns by name": ("postgres", f"create view s.v (a, b) as {SELECT}"),
    "another schema of its own": ("postgres", f"create view dev.w as {SELECT}"),
    "late binding": ("redshift", f"create view s.v as {SELECT} with no schema binding;"),
    "a comment on the view and its columns": (
        "snowflake",
        f"create or replace view DB.S.V(A comment 'x', B) comment='of mine' copy grants as ({SELECT});",
    ),
    "a materialized view": ("bigquery", f"create materialized view s.v as {SELECT}"),
    "a comment on a Databricks view": (
        "databricks",
        f"create or replace view s.v (a comment 'x', b) comment 'y' as {SELECT}",
    ),
    "a table": ("postgres", f"create table s.v as {SELECT}"),
}

OTHER_DEFINITIONS = {
    "columns in another order": ("postgres", f"create view s.v (b, a) as {SELECT}"),
    "other columns": ("postgres", f"create view s.v (x, y) as {SELECT}"),
    "a secure view": ("snowflake", f"create secure view s.v as {SELECT}"),
    "a checked view": ("postgres", f"create view s.v as {SELECT} with check option"),
    "a further column": ("postgres", "select t.a, t.b, t.c from raw.t as t"),
    "a limit behind the parentheses": ("postgres", f"({SELECT}) limit 1"),
    "another table twice": ("postgres", f"{SELECT} join raw.t as u on true"),
}


@pytest.mark.parametrize(("dialect", "definition"), SAME_DEFINITIONS.values(), ids=SAME_DEFINITIONS.keys())
def test_a_definition_is_its_query(dialect: str, definition: str) -> None:
    one = made(QUERY, dialect, views={"db.s.v": definition})
    other = made(QUERY, dialect, views={"db.s.v": SELECT})

    assert one.kind is FingerprintKind.PARSED
    assert one == other


@pytest.mark.parametrize(("dialect", "definition"), OTHER_DEFINITIONS.values(), ids=OTHER_DEFINITIONS.keys())
def test_a_definition_that_may_give_other_rows_differs(dialect: str, definition: str) -> None:
    one = made(QUERY, dialect, views={"db.s.v": definition})
    other = made(QUERY, dialect, views={"db.s.v": SELECT})

    assert one.digest != other.digest


def test_a_query_is_not_reduced_to_its_select() -> None:
    assert made(f"create view s.v as {SELECT}").digest != made(SELECT).digest


def test_a_slot_of_a_view_ends_in_its_tables() -> None:
    views = {"db.s.v": "select 1 from s.w join raw.a on true", "db.s.w": "select 1 from raw.b join raw.a on true"}
    found = made("select 1 from raw.c join s.v on true", views=views)

    assert [(slot.relation, slot.leaves) for slot in found.slots] == [
        ('"db"."raw"."c"', ('"db"."raw"."c"',)),
        ('"db"."s"."v"', ('"db"."raw"."b"', '"db"."raw"."a"')),
    ]


def test_a_bare_name_in_a_view_has_the_defaults_of_the_view() -> None:
    asked = code(QUERY, views={"db.s.v": "select a from t"})
    moved = replace(asked, views=(replace(asked.views[0], default_schema="other"),))

    assert fingerprint(moved).slots[0].leaves == ('"db"."other"."t"',)


def test_a_change_far_down_changes_the_digest() -> None:
    views = {"db.s.v": "select a from s.w", "db.s.w": "select a from raw.t"}

    assert (
        made(QUERY, views=views).digest != made(QUERY, views=views | {"db.s.w": "select a + 0 as a from raw.t"}).digest
    )


def test_a_view_is_not_a_table() -> None:
    assert made(QUERY).digest != made(QUERY, views={"db.s.v": SELECT}).digest


def test_views_that_nothing_reads_do_not_count() -> None:
    assert made(QUERY).digest == made(QUERY, views={"db.s.other": SELECT}).digest


def test_views_that_read_each_other_come_to_an_end() -> None:
    views = {"db.s.v": "select a from s.w join raw.t on true", "db.s.w": "select a from s.v"}

    assert made(QUERY, views=views).kind is FingerprintKind.PARSED
    assert leaves(QUERY, views=views) == ["db.raw.t"]


def test_the_target_is_no_leaf_of_a_view_either() -> None:
    assert leaves(QUERY, target="db.s.me", views={"db.s.v": "select 1 from s.me join raw.t on true"}) == ["db.raw.t"]


def test_which_view_reads_which_table_counts() -> None:
    """Both ways the leaves in order are x, y; only the shape tells them apart."""
    query = "select 1 from s.v"
    outer = {"db.s.v": "select 1 from s.a join s.b on true", "db.s.a": "select 1 from raw.x join raw.y on true"}
    one = made(query, views=outer | {"db.s.b": "select 1 from raw.x as t"})
    other = made(query, views=outer | {"db.s.b": "select 1 from raw.y as t"})

    assert one.slots == other.slots
    assert one.digest != other.digest


def test_a_hundred_layers_of_paired_views_are_described_once_each() -> None:
    views = {"db.s.a0": "select 1 from raw.x", "db.s.b0": "select 1 from raw.y"}
    for layer in range(1, 100):
        for side in "ab":
            views[f"db.s.{side}{layer}"] = f"select 1 from s.a{layer - 1} join s.b{layer - 1} on true"

    assert leaves("select 1 from s.a99", views=views) == ["db.raw.x", "db.raw.y"]


def test_the_order_in_which_views_arrive_does_not_matter() -> None:
    views = {"db.s.v": "select 1 from s.w", "db.s.w": "select 1 from s.x", "db.s.x": "select 1 from raw.t"}
    orders = [code("select 1 from s.v", views=dict(order)) for order in itertools.permutations(views.items())]

    assert len({fingerprint(each) for each in orders}) == 1
    assert len({raw_digest(each) for each in orders}) == 1


def test_a_view_that_is_not_understood_makes_the_whole_query_a_text() -> None:
    found = made(QUERY, views={"db.s.v": "select from where"})

    assert found.kind is FingerprintKind.TEXT
    assert found.slots == (Slot(Relation('"db"."s"."v"'), ()),)
