"""Selector requests into selections, on a recorded request of the real client, and through a channel."""

from __future__ import annotations

import pytest
from query_cache_protobuf.query_cache.services.selector_service_pb2 import SelectorCriteria, SelectorRequest
from tests.protocol.recordings import recorded_requests

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.select_nodes import Selection
from dbt_state_oss.domain.selection import Criterion, NodeLook
from dbt_state_oss.domain.submission import NodeHashes
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.protocol.selector import SelectorServicer, selection_of


def recorded_request() -> SelectorRequest:
    (request,) = recorded_requests(
        "state_modified_selection", "SelectorService/GetStateSelection", SelectorRequest
    )  # fmt: skip
    return request


def test_a_request_becomes_a_selection_field_by_field() -> None:
    selection = selection_of(recorded_request())
    assert (selection.criterion, selection.project_id, selection.target_name) == (Criterion.MODIFIED, "4711", "prod")
    assert len(selection.nodes) == 10
    assert selection.nodes["model.shop.order_log"] == NodeLook(
        NodeHashes(
            body="e567d2f5b4ac95e72747795f69d94886",
            configs="695b04b7c412450fa5882efa29e8b96b",
            macros="39f83f9f110a719b20088f76c8a21bfe",
            persisted_descriptions="736da1988a4100574db218baaee1a1e5",
            contract="298a88779c630d09cfb26e926f3af91b",
        ),
        "shop.dev.order_log",
    )


def test_an_absent_hash_is_none() -> None:
    seed = selection_of(recorded_request()).nodes["seed.shop.countries"]
    assert (seed.hashes.configs, seed.hashes.macros) == (None, None)


@pytest.mark.parametrize("criterion", Criterion)
def test_every_criterion_of_the_wire_is_understood(criterion: Criterion) -> None:
    request = SelectorRequest(selector_criteria=SelectorCriteria.Value(criterion.name))
    assert selection_of(request).criterion is criterion


def test_no_criterion_of_the_wire_is_forgotten() -> None:
    assert set(SelectorCriteria.keys()) == {"SC_UNSPECIFIED", *(criterion.name for criterion in Criterion)}


@pytest.mark.parametrize("number", [0, 11, 99])
def test_a_criterion_that_is_absent_or_unknown_is_refused(number: int) -> None:
    request = SelectorRequest.FromString(SelectorRequest(target="prod").SerializeToString() + bytes([0x10, number]))
    assert request.selector_criteria == number
    with pytest.raises(InvalidRequest, match="is not supported"):
        selection_of(request)


def test_a_project_id_that_the_configuration_leaves_out_is_none() -> None:
    assert selection_of(SelectorRequest(selector_criteria=SelectorCriteria.NEW, project_id="None")).project_id == ""


async def test_the_answer_holds_the_ids_in_order() -> None:
    asked: list[Selection] = []

    async def select(caller: Caller, selection: Selection) -> list[str]:
        asked.append(selection)
        return ["model.shop.b", "model.shop.a"]

    answer = await SelectorServicer(select).get_state_selection(Caller("default", "r"), recorded_request())
    assert list(answer.node_unique_ids) == ["model.shop.b", "model.shop.a"]
    assert [each.project_id for each in asked] == ["4711"]
