"""What a client does not report is not evidence that it is unchanged (rules L6a, L13; decision record 0017)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest, SubmitValuesRequest
from tests.application.conftest import HandClock, Inside
from tests.application.runs import Runs, table
from tests.domain.building import MINUTE, ORDERS, T0
from tests.protocol.recordings import recorded_requests

from dbt_state_oss.domain.decision import Build, MissingEvidence, Skip
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import NodeHashes, Submission
from dbt_state_oss.protocol.from_proto import submission_of_query, submission_of_values
from dbt_state_oss.stores.memory import MemoryStore

PASSED = DataTestResults(0, should_warn=False, should_error=False)
MICROBATCH = '"shop"."prod"."mb"'
OLD_MODEL = '"shop"."prod"."order_totals"'


@pytest.fixture
async def lenient(store: MemoryStore, clock: HandClock) -> AsyncIterator[Inside]:
    """A server that is set to ignore missing evidence."""
    inside = Inside(store, clock, missing_evidence=MissingEvidence.IGNORE)
    yield inside
    await inside.close()


def query(recording: str, number: int = 0) -> SubmitEnrichedSQLRequest:
    return recorded_requests(recording, "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)[number]


def without_node_state(request: SubmitEnrichedSQLRequest) -> SubmitEnrichedSQLRequest:
    request.ClearField("dbt_node_state")
    return request


def without_window(request: SubmitEnrichedSQLRequest) -> SubmitEnrichedSQLRequest:
    for key in ("__microbatch_event_time_start", "__microbatch_event_time_end"):
        del request.semantic_extras[key]
    return request


def as_the_rust_client_of_july(test: SubmitEnrichedSQLRequest) -> SubmitEnrichedSQLRequest:
    """A data test: the bare query, no extras and no node state."""
    test.sql = 'select * from "shop"."prod"."order_totals" where total < 0'
    test.semantic_extras.clear()
    return without_node_state(test)


async def asked_again(inside: Inside, submission: Submission, *, results: DataTestResults | None = None) -> Submission:
    """Build it once, then say that its table stands as confirmed."""
    runs = Runs(inside)
    if results is None:
        return replace(submission, own_epoch=await runs.build(replace(submission, own_epoch=T0)))
    await runs.build_test(submission, results)
    return submission


async def decision(inside: Inside, submission: Submission) -> tuple[type, str]:
    answer = await Runs(inside, calls=1000).ask(submission)
    return type(answer.decision), answer.decision.description


async def test_a_microbatch_without_its_window_is_built_whatever_the_setting(lenient: Inside) -> None:
    again = await asked_again(lenient, submission_of_query(without_window(query("microbatch"))))
    assert await decision(lenient, again) == (
        Build,
        "model was executed because its client does not report the event-time window of the microbatch; upgrade the client",
    )


async def test_a_microbatch_of_the_same_window_is_skipped(inside: Inside) -> None:
    again = await asked_again(inside, submission_of_query(query("microbatch")))
    assert (await decision(inside, again))[0] is Skip


async def test_half_a_window_is_no_window(inside: Inside) -> None:
    request = query("microbatch")
    del request.semantic_extras["__microbatch_event_time_end"]
    again = await asked_again(inside, submission_of_query(request))
    assert (await decision(inside, again))[0] is Build


async def test_a_model_of_a_client_that_sends_no_node_state_is_built(inside: Inside) -> None:
    again = await asked_again(inside, submission_of_query(query("old_client_run-cache_2.17.1")))
    assert await decision(inside, again) == (
        Build,
        "model was executed because its configuration was not reported, now or at its last build (see DBTSTATE_MISSING_EVIDENCE)",
    )


async def test_such_a_model_is_skipped_where_missing_evidence_is_ignored(lenient: Inside) -> None:
    again = await asked_again(lenient, submission_of_query(query("old_client_run-cache_2.17.1")))
    assert (await decision(lenient, again))[0] is Skip


async def test_a_seed_of_a_client_that_sends_no_node_state_is_loaded(inside: Inside, lenient: Inside) -> None:
    (request,) = recorded_requests("session_and_seed", "SQL/SubmitValues", SubmitValuesRequest)
    request.ClearField("dbt_node_state")
    again = await asked_again(inside, submission_of_values(request))
    assert (await decision(inside, again))[0] is Build
    assert (await decision(lenient, again))[0] is Skip


async def test_a_record_without_node_state_proves_nothing_to_a_client_that_sends_one(inside: Inside) -> None:
    """The record says nothing of a hook; a node without any configuration has no hash of it."""
    node = table(Relation(OLD_MODEL), "select 1", {ORDERS: T0}, T0, hashes=NodeHashes())
    again = await asked_again(inside, node)
    now = replace(again, node=replace(again.node, hashes=NodeHashes(body="b1")))
    assert (await decision(inside, now))[0] is Build


async def test_a_node_without_any_configuration_is_skipped(inside: Inside) -> None:
    node = table(Relation(OLD_MODEL), "select 1", {ORDERS: T0}, T0, hashes=NodeHashes(body="b1"))
    assert (await decision(inside, await asked_again(inside, node)))[0] is Skip


async def test_a_data_test_without_thresholds_is_run(inside: Inside, lenient: Inside) -> None:
    again = await asked_again(
        inside, submission_of_query(as_the_rust_client_of_july(query("data_tests"))), results=PASSED
    )
    assert await decision(inside, again) == (
        Build,
        "test was executed because the thresholds of the test (severity, error_if, …) were not reported, now or at its last run "
        "(see DBTSTATE_MISSING_EVIDENCE)",
    )
    assert (await decision(lenient, again))[0] is Skip


async def test_a_data_test_with_thresholds_needs_no_node_state(inside: Inside) -> None:
    """All that decides its results is in its query and these (run-cache 2.17 sends them)."""
    again = await asked_again(inside, submission_of_query(without_node_state(query("data_tests"))), results=PASSED)
    assert (await decision(inside, again))[0] is Skip


async def test_a_verdict_by_unknown_thresholds_is_no_verdict_by_the_default_ones(inside: Inside) -> None:
    """The record of a client that sends no thresholds may be of others than dbt's defaults, which count as absent."""
    test = as_the_rust_client_of_july(query("data_tests"))
    await asked_again(inside, submission_of_query(test), results=PASSED)
    test.semantic_extras.update({"severity": '"ERROR"', "error_if": '"!= 0"', "warn_if": '"!= 0"'})
    now = submission_of_query(test)
    with_state = replace(now, node=replace(now.node, hashes=NodeHashes(body="b1")))
    assert (await decision(inside, now))[0] is Build
    assert (await decision(inside, with_state))[0] is Build


async def test_default_thresholds_of_an_old_client_are_evidence(inside: Inside) -> None:
    """They are reported, so that a client which leaves them out, but sends a node state, reports the same."""
    test = as_the_rust_client_of_july(query("data_tests"))
    test.semantic_extras.update({"severity": '"ERROR"', "error_if": '"!= 0"', "warn_if": '"!= 0"'})
    again = await asked_again(inside, submission_of_query(test), results=PASSED)
    with_state = replace(again, extras={}, node=replace(again.node, hashes=NodeHashes(body="b1")))
    assert (await decision(inside, again))[0] is Skip
    assert (await decision(inside, with_state))[0] is Skip


async def test_content_of_unreported_configuration_has_no_name_for_its_readers(inside: Inside) -> None:
    """Rules F2 and I1: a hook of the parent may have changed, so a parent that was built again builds its child."""
    runs = Runs(inside)
    parent = table(Relation('"shop"."prod"."parent"'), "select 1 as id", {ORDERS: T0}, T0, hashes=NodeHashes())
    assert parent.relation is not None
    first = await runs.build(parent)
    child = table(Relation('"shop"."prod"."child"'), "select * from prod.parent", {parent.relation: first}, T0)
    built = await runs.build(child)
    second = await runs.build(replace(parent, own_epoch=first))
    answer = await runs.ask(replace(child, inputs={parent.relation: second}, own_epoch=built))
    assert isinstance(answer.decision, Build)
    assert second > first + MINUTE
