"""Ways in which two things that differ once counted as the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.domain.building import BUILT, CASE, CUSTOMERS, FINGERPRINT, MINUTE, NOW, ORDERS, T0, asked, execution
from tests.domain.coding import made
from tests.domain.varying import CHANGED, as_view, on, typed

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.data_identity import identity_at, named_by_epoch
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.history import History, Logic
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Volatility
from dbt_state_oss.domain.submission import ExecutionType

DIFFERENT: dict[str, tuple[list[str], str, str]] = {
    "a column is not the function that its name is without quotes": (
        ["postgres", "redshift"],
        'select "user" from s.t',
        "select user from s.t",
    ),
    "a column is not the role": (["postgres"], 'select "current_role" from s.t', "select current_role from s.t"),
    "a column is not the account": (
        ["redshift"],
        'select "current_aws_account" from s.t',
        "select current_aws_account from s.t",
    ),
    "keys of JSON after an element keep their case": (
        ["snowflake"],
        "select v[0].b from s.t",
        "select v[0].B from s.t",
    ),
    "keys of JSON deep below an element keep their case": (
        ["snowflake"],
        "select v['a'].b.c from s.t",
        "select v['a'].b.C from s.t",
    ),
    "keys of JSON after a bracket keep their case": (
        ["snowflake"],
        "select (v:a).b from s.t",
        "select (v:a).B from s.t",
    ),
    "a space beyond ASCII is a letter": (["postgres"], "select 1 as\u00a0x", "select 1 as x"),
    "a space beyond ASCII is a letter, between other spaces too": (
        ["postgres", "redshift"],
        "select a \u00a0 from s.t",
        "select a from s.t",
    ),
    "such a space is the alias of a table": (
        ["postgres", "redshift"],
        "select s.t.a from s.t \u2003 where b",
        "select s.t.a from s.t where b",
    ),
    "such a space stands behind a comment": (
        ["postgres", "redshift"],
        "select a /* why */ \u3000 /* not */ from s.t",
        "select a /* why */ /* not */ from s.t",
    ),
    "a control character that a parser takes for a space": (
        ["postgres", "redshift"],
        "select a \x85 from s.t",
        "select a from s.t",
    ),
    "a sign is applied after the cast": (
        ["postgres", "redshift", "snowflake", "databricks"],
        "select cast(+a as numeric(5, 1)) as b from s.t",
        "select +a::numeric(5, 1) as b from s.t",
    ),
    "an absolute value is taken after the cast": (
        ["postgres", "redshift"],
        "select cast(@a as numeric(5, 1)) as b from s.t",
        "select @a::numeric(5, 1) as b from s.t",
    ),
    "an operator that the parser does not know is applied after the cast": (
        ["redshift"],
        "select cast(#a as numeric(5, 1)) as b from s.t",
        "select #a::numeric(5, 1) as b from s.t",
    ),
    **{
        f"the operator {sign} is applied after the cast": (
            ["postgres"],
            f"select cast({sign} a as int) as b from s.t",
            f"select {sign} a::int as b from s.t",
        )
        for sign in ("-", "~", "|/", "||/", "!!", "not", "- +", "+ -")
    },
    "a sum of intervals is cast as a whole": (
        ["postgres", "redshift", "snowflake", "databricks"],
        "select cast(interval '1.4 s' + '1.4 s' as interval(0)) as b from s.t",
        "select interval '1.4 s' + '1.4 s'::interval(0) as b from s.t",
    ),
    "the case of a key in a structured type": (
        ["snowflake"],
        "select cast(o as object(City varchar) rename fields) as o from s.t",
        "select cast(o as object(city varchar) rename fields) as o from s.t",
    ),
    "the case of a key in a structured type within another": (
        ["snowflake"],
        "select o::array(object(A map(varchar, object(City varchar)))) as o from s.t",
        "select o::array(object(A map(varchar, object(city varchar)))) as o from s.t",
    ),
    "a pivot's columns are named by the text of its aggregates": (
        ["databricks"],
        "select * from s.t pivot (sum(nvl(a, 0)), max(b) for m in ('x'))",
        "select * from s.t pivot (sum(coalesce(a, 0)), max(b) for m in ('x'))",
    ),
    "an escaped name is not a conjunction of bits": (
        ["postgres"],
        'select u&"a" from s.t',
        'select u & "a" from s.t',
    ),
    "an escaped literal is not a conjunction of bits, in text that can't be parsed": (
        ["postgres"],
        "select u&'1' from s.t order by a using >",
        "select u & '1' from s.t order by a using >",
    ),
    "the case of a field's name shows in JSON": (
        ["bigquery", "databricks"],
        "select to_json(struct(1 as A)) from s.t",
        "select to_json(struct(1 as a)) from s.t",
    ),
    "the case of a column's name shows in JSON further down": (
        ["bigquery", "databricks"],
        "select a B from s.t",
        "select a b from s.t",
    ),
    "the case of columns that become data": (
        ["bigquery", "databricks"],
        "select * from s.t unpivot (x for y in (A, B))",
        "select * from s.t unpivot (x for y in (a, b))",
    ),
}
SAME: dict[str, tuple[list[str], str, str]] = {
    "the case of names that only the query sees": (
        ["bigquery", "databricks"],
        "with X as (select T.a as b from s.t as T) select x.b from X",
        "with x as (select t.a as b from s.t as t) select X.b from x",
    ),
    "the case of fields that names in front of them qualify": (
        ["postgres", "snowflake"],
        "select x.A from s.t as x",
        "select x.a from s.t as x",
    ),
    "spaces beyond ASCII in comments and literals": (
        ["postgres"],
        "select '\u00a0' -- \u00a0why\u00a0\nfrom s.t",
        "select '\u00a0' from s.t",
    ),
    "spaces beyond ASCII alone in comments": (
        ["postgres", "redshift", "snowflake", "bigquery", "databricks"],
        "select a -- \u8ff0 \u3000 \u8ff0\n /* \u00a0 \n \u2003 */ from s.t",
        "select a from s.t",
    ),
    "casts of what no prefix stands before": (
        ["postgres", "redshift", "snowflake", "databricks"],
        "select cast(a as int) as b, cast((a + 1) as int) as c, cast('1' as int) as d, cast(f(a) as int) as e from s.t",
        "select a::int as b, (a + 1)::int as c, '1'::int as d, f(a)::int as e from s.t",
    ),
}


def _each(cases: dict[str, tuple[list[str], str, str]]) -> list[Any]:
    return [
        pytest.param(dialect, one, other, id=f"{name} ({dialect})")
        for name, (dialects, one, other) in cases.items()
        for dialect in dialects
    ]


@pytest.mark.parametrize(("dialect", "one", "other"), _each(DIFFERENT))
def test_texts_that_mean_different_things_have_different_fingerprints(dialect: str, one: str, other: str) -> None:
    assert made(one, dialect).digest != made(other, dialect).digest


@pytest.mark.parametrize(("dialect", "one", "other"), _each(SAME))
def test_texts_that_mean_the_same_have_one_fingerprint(dialect: str, one: str, other: str) -> None:
    assert made(one, dialect) == made(other, dialect)


@pytest.mark.parametrize(
    ("dialect", "sql", "expected"),
    [
        ("postgres", "select 'today 10:00'::timestamp", Volatility.DAILY),
        ("postgres", "select 'not before today'", Volatility.STABLE),
        ("databricks", "select date 'today'", Volatility.DAILY),
        ("databricks", "select timestamp 'now'", Volatility.VOLATILE),
        ("bigquery", "select current_date('Asia/Tokyo')", Volatility.VOLATILE),
        ("bigquery", "select current_date()", Volatility.DAILY),
        ("snowflake", "select a from s.t at (offset => -60)", Volatility.VOLATILE),
        ("snowflake", "select a from s.t at (timestamp => '2024-01-01'::timestamp)", Volatility.STABLE),
    ],
)
def test_moments_in_other_spellings_are_known(dialect: str, sql: str, expected: Volatility) -> None:
    assert made(sql, dialect).volatility is expected


def built_later(case: Case, **changes: Any) -> Case:
    """The case with a build of other logic that was asked for when the one with the greatest epoch was over."""
    different = replace(case, fingerprint=CHANGED).logic
    fields = {"logic": different, "decided_at": BUILT + MINUTE, "confirmed_at": BUILT + 2 * MINUTE, **changes}
    later = execution(case, id="ns.t.x9", **fields)
    return replace(case, history=History().merged([execution(case), later]))


LATER: dict[str, Case] = {
    "the first one's clock ran ahead": built_later(on("snowflake", CASE), epoch=BUILT - 1),
    "a hook raised the first one's epoch": built_later(CASE, epoch=BUILT - 1),
    "the epoch of the second is unknown, and other writers are to be ignored": asked(
        built_later(CASE, epoch=None), own_epoch=BUILT + 2 * MINUTE, ignore_external_modifications=True
    ),
    "the second is on record without a question": built_later(CASE, epoch=BUILT - 1, decided_at=None),
}


@pytest.mark.parametrize("case", LATER.values(), ids=LATER)
def test_a_build_that_began_when_another_was_over_has_the_last_word(case: Case) -> None:
    decision = decide(case)

    assert isinstance(decision, Build), decision.description
    assert "confirmed an older epoch" in decision.description


def on_upstream(*, stars: bool, run_again: bool, **changes: Any) -> Case:
    """A view that selects * from orders, a model of ours whose logic has not changed; it may hand on a source's columns."""
    view = as_view(lineage="l1")
    fingerprint = replace(FINGERPRINT, star_relations=(CUSTOMERS,) if stars else ())
    logic = replace(view.logic, execution_type=ExecutionType.FULL, fingerprint=fingerprint)
    upstream = execution(lineage="l1", epoch=T0, **{"logic": logic, **changes})
    again = replace(upstream, id="ns.t.x2", epoch=NOW, found_epoch=T0, decided_at=NOW - 1, confirmed_at=NOW)
    then = replace(view, history=History(), upstream={ORDERS: History((upstream,))})
    return replace(
        then,
        history=History((execution(then),)),
        upstream={ORDERS: History((again, upstream) if run_again else (upstream,))},
    )


def test_a_star_on_a_model_that_hands_on_columns_is_not_trusted_once_the_model_ran_again() -> None:
    decision = decide(on_upstream(stars=True, run_again=True))

    assert isinstance(decision, Build)
    assert "whose columns may have changed" in decision.description


def test_a_star_on_an_incremental_is_not_trusted_once_it_ran_again() -> None:
    logic = replace(CASE.logic, execution_type=ExecutionType.APPEND)

    assert isinstance(decide(on_upstream(stars=False, run_again=True, logic=logic)), Build)


def test_a_star_on_a_snapshot_that_is_sent_as_full_is_not_trusted_once_it_ran_again() -> None:
    """dbt adds the columns of an edit to its table, and keeps them."""
    assert isinstance(decide(on_upstream(stars=False, run_again=True, resource_type="snapshot")), Build)


@pytest.mark.parametrize(
    ("house", "identity", "is_built"),
    [("snowflake", None, True), ("snowflake", "d1", False), ("bigquery", None, False)],
    ids=["emptied and filled", "of the first load's columns", "a new table"],
)
def test_a_star_on_a_seed_is_trusted_where_its_load_decides_the_columns(
    house: str, identity: str | None, *, is_built: bool
) -> None:
    """Everywhere but on BigQuery dbt empties the table of a seed that is loaded again, and keeps its columns."""
    logic = Logic(house, ExecutionType.VALUES, Fingerprint(FingerprintKind.VALUES, "s1"), {})
    case = on_upstream(stars=False, run_again=True, logic=logic, resource_type="seed", data_identity=identity)

    assert isinstance(decide(case), Build if is_built else Skip)


@pytest.mark.parametrize(("stars", "run_again"), [(True, False), (False, True)])
def test_a_star_is_trusted_on_a_model_that_spells_out_its_columns_or_has_not_run_since(
    stars: bool, run_again: bool
) -> None:
    assert isinstance(decide(on_upstream(stars=stars, run_again=run_again)), Skip)


def test_content_that_no_record_explains_has_no_identity_after_a_silent_build() -> None:
    """On a stamped clock the epoch does not show which of the two is reported."""
    silent = execution(typed(ExecutionType.MERGE, CASE), epoch=NOW, found_epoch=T0, silent=True)

    assert identity_at(History((silent,)), ORDERS, T0, EpochClock.STAMPED) is None
    loud = History((replace(silent, silent=False),))
    assert identity_at(loud, ORDERS, T0, EpochClock.STAMPED) == named_by_epoch(ORDERS, T0)
