"""What stands under an answer of the account: the facts that it is based on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.domain.building import (
    BUILT,
    CASE,
    CUSTOMERS,
    FINGERPRINT,
    HOUR,
    ORDERS,
    PRODUCTS,
    T0,
    asked,
    execution,
    hashed,
)
from tests.domain.coding import made
from tests.domain.varying import CHANGED, SAME, with_upstream

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.explanation import Badge
from dbt_state_oss.domain.history import Execution, History, Input
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Slot
from dbt_state_oss.domain.submission import SeedValues

PARTS = ("11111111 columns", "22222222 WHERE", "33333333 the view v")


def written_as(*parts: str, case: Case = SAME) -> Case:
    """The case, its last build made of `PARTS` and what is asked about now of `parts`."""
    latest = case.history.executions[0]
    then = replace(latest.logic, fingerprint=replace(latest.logic.fingerprint, parts=PARTS))
    history = History((replace(latest, logic=then),))
    return replace(case, history=history, fingerprint=replace(CHANGED, parts=parts))


def facts(case: Case) -> list[str]:
    """The lines under the answer that the query has changed."""
    lines = [line for section in decide(case).explanation for line in section.children]
    (changed,) = [line for line in lines if line.badge is Badge.NODE_QUERY_CHANGED]
    return [line.text for line in changed.children]


@pytest.mark.parametrize(
    ("case", "fact"),
    [
        (written_as("1 columns", *PARTS[1:]), "changed part: columns"),
        (written_as(*PARTS[:2], "4 the view v"), "the definition of the view v differs"),
        (written_as(*PARTS[:1], *PARTS[2:]), "changed part: WHERE"),
        (written_as(*PARTS, "5 LIMIT"), "changed part: LIMIT"),
        (replace(SAME, extras={**SAME.extras, "grants": "g2"}), "changed configuration: grants"),
        (hashed(written_as("1 columns"), body="b2"), "changed in the project: its file"),
        (
            hashed(written_as("1 columns"), macros="m2", configs="c2"),
            "changed in the project: a macro that it calls, its ",
        ),
        (written_as("1 columns"), "its file, macros and configuration are unchanged"),
        (written_as("1 columns"), "compared with the build of 2026-"),
        (
            replace(SAME, fingerprint=replace(CHANGED, slots=(FINGERPRINT.slots[0], Slot(PRODUCTS, (PRODUCTS,))))),
            f"now it reads {PRODUCTS}; it no longer reads {CUSTOMERS}",
        ),
    ],
)
def test_a_changed_query_tells_what_differs(case: Case, fact: str) -> None:
    assert any(text.startswith(fact) for text in facts(case)), facts(case)


@pytest.mark.parametrize(
    ("case", "because"),
    [
        (
            written_as("1 columns", "2 WHERE", PARTS[2]),
            "its SQL differs in columns, WHERE",
        ),
        (written_as(*PARTS), "its SQL differs only in literals or in the spelling of names"),
        (replace(SAME, fingerprint=CHANGED), "its SQL differs in meaning"),
        (
            replace(SAME, fingerprint=Fingerprint(FingerprintKind.VALUES, "v2")),
            "model was executed because its file has changed",
        ),
        (
            replace(
                SAME, fingerprint=Fingerprint(FingerprintKind.VALUES, "v2"), extras={**SAME.extras, "delimiter": "d"}
            ),
            "model was executed because the configuration delimiter differs from that of its last build",
        ),
    ],
)
def test_the_sentence_ends_with_what_differs(case: Case, because: str) -> None:
    assert decide(case).description.endswith(because)


REORDERED = {
    "the same columns in a different order": ("select a, b from s.t", "select b, a from s.t"),
    "it has the same columns, union branches and common table expressions in a different order": (
        "select 'x' as a union all select 'y' as a",
        "select 'y' as a union all select 'x' as a",
    ),
}


@pytest.mark.parametrize(("because", "sql"), REORDERED.items())
def test_items_in_another_order_are_named_with_the_remedy(because: str, sql: tuple[str, str]) -> None:
    then, now = (made(text) for text in sql)
    latest = SAME.history.executions[0]
    history = History((replace(latest, logic=replace(latest.logic, fingerprint=then)),))
    case = replace(SAME, history=history, fingerprint=now)
    assert decide(case).description.endswith(f"its query has changed: {because}")
    assert any("sort it, as in" in fact for fact in facts(case))
    assert not any("all items" in fact for fact in facts(case))


def test_a_record_without_digests_of_clauses_names_none() -> None:
    assert not any(
        text.startswith("changed part") for text in facts(replace(SAME, fingerprint=replace(CHANGED, parts=PARTS)))
    )


def test_another_text_of_the_same_meaning_is_told_as_such() -> None:
    decision = decide(replace(SAME, raw_digest="r2"))
    texts = [line.text for section in decision.explanation for line in section.children]
    assert "the text of its query has changed, but not its meaning" in texts


def test_logic_that_changed_further_upstream_is_told_from_the_upstreams_own() -> None:
    case = with_upstream(SAME, recorded="l1", now="l2")
    case = replace(case, submission=replace(case.submission, inputs={ORDERS: BUILT + HOUR, CUSTOMERS: T0}))
    assert f"upstream {ORDERS} was rebuilt with changed logic" in decide(case).description

    rebuilt = case.upstream[ORDERS].executions[0]
    before = execution(CASE, id="ns.t.before", epoch=T0, lineage="l1", confirmed_at=T0, decided_at=T0)
    followed = replace(rebuilt, decided_at=BUILT, confirmed_at=BUILT + HOUR)
    both = replace(case, upstream={ORDERS: History((followed, before))})
    assert both.input_now(ORDERS) == Input(
        BUILT + HOUR, "l2", both.input_now(ORDERS).identity, last_build_at=BUILT + HOUR
    )
    assert f"upstream {ORDERS} was rebuilt with changed logic further upstream " in decide(both).description


FILE = Fingerprint(FingerprintKind.VALUES, "v1")
SEED = asked(replace(CASE, fingerprint=FILE), code=SeedValues(dialect_named("postgres"), "h1"))
TYPED_SEED = replace(SEED, extras={**SEED.extras, "column_types": "t2"})
LATER = {"id": "ns.t.x2", "epoch": BUILT + HOUR, "decided_at": BUILT + HOUR, "confirmed_at": BUILT + HOUR}


@pytest.mark.parametrize(
    ("now", "latest", "because"),
    [
        (
            SEED,
            execution(TYPED_SEED, **LATER),
            "the configuration column_types differs from that of its last build (it equals that of an earlier build, ",
        ),
        (
            hashed(SEED, body="b0"),
            execution(hashed(replace(SEED, fingerprint=replace(FILE, digest="v2")), body="b2"), **LATER),
            "its file has changed since its last build and equals that of an earlier build, ",
        ),
        (
            CASE,
            execution(replace(CASE, extras={**CASE.extras, "grants": "g2"}), **LATER),
            "the configuration grants differs from that of its last build (it equals that of an earlier build, ",
        ),
    ],
    ids=["a seed's configuration", "a seed's file", "a model's configuration"],
)
def test_logic_of_an_earlier_build_names_what_differs_from_the_latest(
    now: Case, latest: Execution, because: str
) -> None:
    case = replace(now, history=History().merged([execution(now), latest]))
    case = asked(case, own_epoch=latest.epoch)
    assert because in decide(case).description


@pytest.mark.parametrize(
    ("now", "because"),
    [
        (replace(SEED, fingerprint=replace(FILE, digest="v2")), "recorded by another version of the server"),
        (
            asked(SEED, code=SeedValues(dialect_named("redshift"), "h1")),
            "its warehouse is redshift; at its last build it was postgres",
        ),
    ],
    ids=["another version of the server", "another warehouse"],
)
def test_a_seed_of_the_same_file_is_not_said_to_have_changed(now: Case, because: str) -> None:
    case = replace(now, history=History((execution(SEED),)))
    assert because in decide(case).description
    assert "file has changed" not in decide(case).description
