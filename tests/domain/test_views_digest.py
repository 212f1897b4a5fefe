"""What a template-equal node is held against: the views that it reads, whatever else its SQL says (rule L7)."""

from __future__ import annotations

from dataclasses import replace

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprinting import fallback_fingerprint, fingerprint
from dbt_state_oss.domain.submission import Code, ViewDefinition

POSTGRES = dialect_named("postgres")
TARGET = Relation('"d"."s"."mart"')
FIRST_RUN = 'select id from "d"."s"."stg"'
LATER_RUN = f"{FIRST_RUN} where id > (select max(id) from {TARGET})"


def view(name: str, text: str) -> ViewDefinition:
    return ViewDefinition(Relation(f'"d"."s"."{name}"'), text, "d", "public")


CODE = Code(POSTGRES, FIRST_RUN, "d", "public", TARGET, (view("stg", "select id from raw.t"),))


def test_the_filter_of_a_later_incremental_run_leaves_it_alone() -> None:
    assert fingerprint(CODE).digest != fingerprint(replace(CODE, sql=LATER_RUN)).digest
    assert fingerprint(CODE).views_digest == fingerprint(replace(CODE, sql=LATER_RUN)).views_digest


def test_what_a_view_says_or_reads_is_part_of_it() -> None:
    texts = ["select id from raw.t", "select id from raw.u", "select id + 1 as id from raw.t"]

    assert len({fingerprint(replace(CODE, views=(view("stg", text),))).views_digest for text in texts}) == len(texts)


def test_a_comment_in_a_view_and_the_order_of_views_are_not() -> None:
    other = view("other", "select 1 as one")
    sql = 'select id from "d"."s"."stg", "d"."s"."other"'
    one = replace(CODE, sql=sql, views=(*CODE.views, other))
    same = replace(CODE, sql=sql, views=(other, view("stg", "select id /* the key */ from raw.t")))

    assert fingerprint(one).views_digest == fingerprint(same).views_digest


def test_without_views_it_is_empty() -> None:
    assert fingerprint(replace(CODE, sql="select 1", views=())).views_digest == ""
    assert fallback_fingerprint(replace(CODE, views=())).views_digest == ""
