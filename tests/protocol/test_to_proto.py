"""Answers into responses, and texts that survive the client's rich markup."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from query_cache_protobuf.query_cache.shared_pb2 import RejectionReason as WireReason
from query_cache_protobuf.query_cache.shared_pb2 import SubmitSQLResultType
from rich.console import Console
from tests.domain.building import BUILT, MART, SUBMISSION, execution

from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build, Clone, Decision, RejectionReason, Skip
from dbt_state_oss.domain.history import DataTestResults, History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.protocol.markup import MAX_TEXT_LENGTH, escaped
from dbt_state_oss.protocol.to_proto import submit_response


def build(reason: RejectionReason = RejectionReason.NO_SUITABLE_MATCH_FOUND, text: str = "why") -> Answer:
    return Answer(Build(reason, RejectionReason.TARGET_TABLE_MATCH, text), "decision-1", "ticket-1")


def test_a_build_carries_the_ticket_the_reasons_and_the_description() -> None:
    response = submit_response(SUBMISSION, build()).ready_to_execute
    assert response.request_id == "ticket-1"
    assert response.execution_decision_id == "decision-1"
    explained = response.explained_decision
    assert explained.decision == SubmitSQLResultType.READY_TO_EXECUTE
    assert explained.skip_rejection_reason == WireReason.NO_SUITABLE_MATCH_FOUND
    assert explained.clone_rejection_reason == WireReason.TARGET_TABLE_MATCH
    assert explained.decision_description == "why"


def test_a_skip_carries_the_execution_that_justifies_it() -> None:
    justified = execution(id="e1", runtime_ms=250)
    response = submit_response(SUBMISSION, Answer(Skip(justified, "same", (), stale=True), "decision-1", ""))
    skip = response.skip_execution
    assert response.WhichOneof("response") == "skip_execution"
    assert (skip.execution_id, skip.execution_runtime_ms, skip.execution_decision_id) == ("e1", 250, "decision-1")
    assert skip.explained_decision.decision == SubmitSQLResultType.SKIP_EXECUTION
    assert skip.explained_decision.is_stale
    assert not skip.HasField("execution_results")


def test_a_skipped_data_test_carries_exactly_its_three_results() -> None:
    results = DataTestResults(2, should_warn=False, should_error=True)
    skip = submit_response(SUBMISSION, Answer(Skip(execution(results=results), "same", ()), "d", "")).skip_execution
    fields = skip.execution_results.fields
    assert {name: value.WhichOneof("kind") for name, value in fields.items()} == {
        "failures": "int_value",
        "should_warn": "bool_value",
        "should_error": "bool_value",
    }
    assert fields["failures"].int_value == 2
    assert fields["should_error"].bool_value


@pytest.mark.parametrize(
    "decision",
    [
        build().decision,
        Skip(execution(results=DataTestResults(2, should_warn=False, should_error=True)), "same", ()),
        Clone(MART, History((execution(),)), ("CREATE …",), BUILT, "cloned", ()),
    ],
    ids=lambda decision: type(decision).__name__.lower(),
)
def test_what_no_client_reads_is_not_sent(decision: Decision) -> None:
    response = submit_response(SUBMISSION, Answer(decision, "decision-1", "ticket-1"))
    answer = getattr(response, response.WhichOneof("response") or "")
    unread = {"transformed_nodes_by_query", "last_modified_query", "clone_execution_results"}
    assert not unread & {field.name for field, _ in answer.ListFields()}


@pytest.mark.parametrize("reason", RejectionReason)
def test_every_reason_has_the_number_of_the_wire(reason: RejectionReason) -> None:
    explained = submit_response(SUBMISSION, build(reason)).ready_to_execute.explained_decision
    assert WireReason.Name(explained.skip_rejection_reason) == reason.name


def printed(markup: str) -> str:
    """What rich prints."""
    console = Console(file=io.StringIO(), width=10_000, color_system=None, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(markup, end="", soft_wrap=True)
    return capture.get()


@pytest.mark.parametrize("text", ["a[red]b", "[/tmp/x]", "x[1] [1.5 h]", r"C:\[b]", "[[b]]", "ends in \\", "[link=x]y"])
def test_a_text_is_printed_as_it_is(text: str) -> None:
    assert printed(escaped(text)).rstrip() == text


@given(st.text(alphabet="[]\\/ab#@ ", max_size=20))
def test_no_text_is_taken_for_markup(text: str) -> None:
    assert printed(f"[bold]{escaped(text)}[/bold]").rstrip() == text.rstrip()
    assert printed(escaped(text)).rstrip() == text.rstrip()


def test_a_text_beyond_all_measure_is_cut() -> None:
    response = submit_response(SUBMISSION, build(text="x" * 5_000_000))
    assert response.ByteSize() < 2 * MAX_TEXT_LENGTH
    assert response.ready_to_execute.explained_decision.decision_description.endswith("…")


def test_a_clone_carries_its_sql_what_the_source_must_be_and_the_ticket() -> None:
    clone = Clone(
        source=Relation('"shop"."prod"."ma""rt"'),
        history=History((execution(runtime_ms=250),)),
        statements=("drop", "create"),
        required_epoch=17,
        description="why [it] was",
        explanation=(),
        stale=True,
    )
    response = submit_response(SUBMISSION, Answer(clone, "decision-1", "ticket-1"))
    ready = response.ready_to_clone
    assert response.WhichOneof("response") == "ready_to_clone"
    assert (ready.request_id, ready.execution_decision_id, ready.execution_runtime_ms) == (
        "ticket-1",
        "decision-1",
        250,
    )
    assert list(ready.clone_sqls) == ["drop", "create"]
    assert (ready.clone_source, ready.clone_target) == ('"shop"."prod"."ma""rt"', '"shop"."prod"."mart"')
    assert ready.clone_required_last_modified_epoch == 17
    explained = ready.explained_decision
    assert explained.decision == SubmitSQLResultType.READY_TO_CLONE
    assert explained.skip_rejection_reason == WireReason.TARGET_TABLE_MISMATCH
    assert (explained.is_stale, explained.decision_description) == (True, escaped("why [it] was"))


def test_a_clone_of_the_past_holds_the_source_to_nothing() -> None:
    clone = Clone(Relation('"a"."b"."c"'), History((execution(),)), ("x",), None, "why", ())
    ready = submit_response(SUBMISSION, Answer(clone, "d", "t")).ready_to_clone
    assert not ready.HasField("clone_required_last_modified_epoch")
