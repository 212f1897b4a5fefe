"""Decisions as named cases: what changed since the last build, and what the answer must be."""

from __future__ import annotations

import pytest
from tests.domain.building import (
    BUILT,
    CASE,
    HOUR,
    ORDERS,
    SUBMISSION,
    T0,
    asked,
    built_before,
)
from tests.domain.decisions_to_build import BUILDS
from tests.domain.decisions_to_skip import EQUAL_CONTENT, SKIPS, TOLERATED
from tests.domain.varying import ORDERS_FRESH, SAME, as_test, resource

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decide import build_unasked, decide
from dbt_state_oss.domain.decision import Build, RejectionReason, Skip
from dbt_state_oss.domain.explanation import ExplainLine, Marker, time_text
from dbt_state_oss.domain.rules import RULES, Rule


@pytest.mark.parametrize("case", [*SKIPS.values(), *EQUAL_CONTENT.values()], ids=[*SKIPS, *EQUAL_CONTENT])
def test_it_is_skipped_when(case: Case) -> None:
    decision = decide(case)

    assert isinstance(decision, Skip), decision.description
    assert not decision.stale
    assert decision.execution is case.history.latest


@pytest.mark.parametrize("case", TOLERATED.values(), ids=TOLERATED)
def test_it_is_skipped_within_tolerance_when(case: Case) -> None:
    decision = decide(case)

    assert isinstance(decision, Skip), decision.description
    assert decision.stale
    assert "within its lag tolerance" in decision.description


@pytest.mark.parametrize(("case", "because", "reasons"), BUILDS.values(), ids=BUILDS)
def test_it_is_built_when(case: Case, because: str, reasons: tuple[RejectionReason, RejectionReason]) -> None:
    decision = decide(case)

    assert isinstance(decision, Build), decision.description
    assert because in decision.description
    assert " was executed because " in decision.description
    assert (decision.skip_rejection, decision.clone_rejection) == reasons


def test_the_account_holds_every_question_that_was_asked() -> None:
    decision = decide(asked(SAME, inputs=ORDERS_FRESH))

    sections = [line.text for line in decision.explanation]
    questions = [child.text for line in decision.explanation for child in line.children]
    assert sections == ["table analysis", "query analysis", "data freshness analysis"]
    assert "its table exists" in questions
    assert "its table has not been modified since its last build" in questions
    assert "its query has not changed" in questions
    assert decision.explanation[-1].marker is Marker.FAIL
    (cause,) = decision.explanation[-1].children[0].children
    assert (cause.text, cause.marker) == (f"upstream {ORDERS} was updated 1 hour ago", Marker.INFO)
    assert cause.children == (
        ExplainLine(
            f"recorded: {time_text(T0)} (3 hours ago), reported: {time_text(BUILT + HOUR)} (1 hour ago)",
            Marker.INFO,
        ),
    )


def test_state_that_could_not_be_read_is_a_build_that_says_so() -> None:
    decision = build_unasked(SUBMISSION, "the disk is full")

    assert decision.description == "model was executed because the disk is full"


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (SAME, "model"),
        (as_test(), "test"),
        (resource("snapshot", SAME), "snapshot"),
        (resource("seed", SAME), "seed"),
        (built_before(resource("test", CASE)), "model"),
    ],
    ids=["a model", "a test", "a snapshot", "a seed", "stored failures, whose first word the client replaces"],
)
def test_the_sentence_begins_with_the_kind_of_node(case: Case, word: str) -> None:
    assert decide(case).description.startswith(f"{word} was ")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_without_one_rule_some_case_is_decided_otherwise(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbt_state_oss.domain.decide.RULES", tuple(one for one in RULES if one is not rule))

    assert any(not _refused_as_expected(case, because) for case, because, _ in BUILDS.values())


def _refused_as_expected(case: Case, because: str) -> bool:
    try:
        return because in decide(case).description
    except AssertionError:  # the rules after it rely on what this one made sure of
        return False
