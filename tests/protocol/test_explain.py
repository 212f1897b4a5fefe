"""Explanations on the wire: decisions by their numbers, lines with signs and tags, texts that survive rich markup."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from query_cache_common.models.services.explain_service_models import GetExplainMessagesResponse
from query_cache_protobuf.query_cache.services import explain_service_pb2 as wire
from query_cache_protobuf.query_cache.shared_pb2 import SubmitSQLResultType

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import JournalEntry, Verdict
from dbt_state_oss.application.explain import MOST_ASKED
from dbt_state_oss.domain.explanation import Badge, ExplainLine, Marker, abridged
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.protocol.explain import ExplainServicer

CALLER = Caller("default", "r")
CLIENTS_LIMIT = 4 * 1024 * 1024
LINES = (
    ExplainLine(
        "table analysis", Marker.FAIL, children=(ExplainLine("a [b]", Marker.SUCCESS, Badge.TARGET_TABLE_EXISTS),)
    ),
)


def entry(verdict: Verdict = Verdict.BUILD, lines: Sequence[ExplainLine] = LINES, text: str = "why") -> JournalEntry:
    return JournalEntry(1, 0, "model.shop.m", TargetKey("ns", "m"), verdict, text, tuple(lines), "e1")


async def messages(*entries: JournalEntry) -> wire.GetExplainMessagesResponse:
    """What is answered where these are on record as d0, d1 and so on."""

    async def explain(caller: Caller, ids: Sequence[str]) -> dict[str, JournalEntry]:
        return {name: entries[int(name[1:])] for name in ids if int(name[1:]) < len(entries)}

    async def changes(caller: Caller, ids: Sequence[str]) -> dict[str, Sequence[ExplainLine]]:
        raise AssertionError

    request = wire.GetExplainMessagesRequest(
        execution_decision_ids=[f"d{number}" for number in range(len(entries) + 1)]
    )
    return await ExplainServicer(explain, changes).get_explain_messages(CALLER, request)


@pytest.mark.parametrize(
    ("verdict", "number"),
    [
        (Verdict.SKIP, SubmitSQLResultType.SKIP_EXECUTION),
        (Verdict.CLONE, SubmitSQLResultType.READY_TO_CLONE),
        (Verdict.BUILD, SubmitSQLResultType.READY_TO_EXECUTE),
    ],
)
async def test_a_decision_has_the_number_that_its_submit_had(verdict: Verdict, number: int) -> None:
    (message,) = (await messages(entry(verdict))).messages
    assert (message.execution_decision_id, message.decision, message.decision_description) == ("d0", number, "why")


async def test_lines_keep_their_order_signs_and_tags_and_are_escaped() -> None:
    (message,) = (await messages(entry())).messages
    (section,) = message.explain_lines
    (line,) = section.children
    assert (section.text, section.marker) == ("table analysis", wire.FAIL)
    assert (line.text, line.marker, line.badge) == (r"a \[b]", wire.SUCCESS, wire.TARGET_TABLE_EXISTS)


@pytest.mark.parametrize("kind", [Marker, Badge])
def test_every_sign_and_tag_has_the_number_of_the_wire(kind: type[Marker | Badge]) -> None:
    on_the_wire = dict(wire.ExplainMarker.items() if kind is Marker else wire.ExplainBadge.items())
    names = {name.removeprefix("EM_").removeprefix("EB_"): number for name, number in on_the_wire.items()}
    assert {each.name: each.value for each in kind} == names


async def test_the_client_reads_what_is_written() -> None:
    response = GetExplainMessagesResponse.from_proto(await messages(entry(), entry(Verdict.SKIP)))
    assert response.by_id.keys() == {"d0", "d1"}


async def test_the_longest_answer_is_below_the_clients_limit() -> None:
    endless = abridged([ExplainLine("[ü" * 500, Marker.INFO, Badge.OUTDATED)] * 10_000)
    response = await messages(*[entry(lines=endless, text="[" * 100_000)] * MOST_ASKED)
    assert CLIENTS_LIMIT / 4 < response.ByteSize() < CLIENTS_LIMIT


async def test_upstream_changes_are_told_by_execution() -> None:
    async def explain(caller: Caller, ids: Sequence[str]) -> dict[str, JournalEntry]:
        raise AssertionError

    async def changes(caller: Caller, ids: Sequence[str]) -> dict[str, Sequence[ExplainLine]]:
        return {ids[0]: LINES}

    request = wire.GetUpstreamDependencyChangesRequest(execution_ids=["e1", "e2"])
    response = await ExplainServicer(explain, changes).get_upstream_dependency_changes(CALLER, request)
    (change,) = response.dependency_changes
    assert (change.execution_id, change.lines[0].text) == ("e1", "table analysis")
