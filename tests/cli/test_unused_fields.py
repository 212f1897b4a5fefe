"""Fields of requests that `docs/conformance.md` calls unused: whatever they hold, the answers are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import grpc
import pytest
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.selector_service_pb2 import (
    DbtNodeData,
    SelectorCriteria,
    SelectorRequest,
)
from query_cache_protobuf.query_cache.services.selector_service_pb2_grpc import SelectorServiceStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest, SubmitValuesRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.commands import serving
from tests.protocol.recordings import recorded_requests

BUILT_AT = 1795352217956
DEFERRED = b'"shop"."dev"."countries"'
LENIENT_DEPENDENCY = bytes([12 << 3 | 2, len(DEFERRED)]) + DEFERRED
"""Field 12 of older clients, as it stands on the wire."""


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    with serving(tmp_path_factory.mktemp("state")) as server, grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture
def query() -> SubmitEnrichedSQLRequest:
    """A table model whose table is there, of a namespace that no other test has."""
    request = recorded_requests("table_over_staging_view", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)[1]
    request.table_namespace = request.dbt_node_state.project_id = uuid4().hex
    return request


@pytest.fixture
def seed() -> SubmitValuesRequest:
    (request,) = recorded_requests("session_and_seed", "SQL/SubmitValues", SubmitValuesRequest)
    request.table_namespace = uuid4().hex
    request.last_modified_epoch = BUILT_AT
    return request


def not_deferring(request: SubmitEnrichedSQLRequest | SubmitValuesRequest) -> None:
    request.defer_enabled = not request.defer_enabled


def of_another_hash(request: SubmitEnrichedSQLRequest | SubmitValuesRequest) -> None:
    request.dbt_node_state.node_hash = "0" * 32


def with_a_lenient_dependency(request: SubmitEnrichedSQLRequest | SubmitValuesRequest) -> None:
    request.MergeFromString(LENIENT_DEPENDENCY)


Change = Callable[[SubmitEnrichedSQLRequest | SubmitValuesRequest], None]


@pytest.mark.parametrize("change", [not_deferring, of_another_hash, with_a_lenient_dependency])
def test_a_query_is_answered_the_same_whatever_this_field_holds(
    channel: grpc.Channel, query: SubmitEnrichedSQLRequest, change: Change
) -> None:
    ask = SQLStub(channel).SubmitEnrichedSQL
    confirmed = confirm(channel, ask(query).ready_to_execute.request_id)
    change(query)
    assert ask(query).skip_execution.execution_id == confirmed


@pytest.mark.parametrize("change", [not_deferring, of_another_hash])
def test_a_seed_is_answered_the_same_whatever_this_field_holds(
    channel: grpc.Channel, seed: SubmitValuesRequest, change: Change
) -> None:
    ask = SQLStub(channel).SubmitValues
    confirmed = confirm(channel, ask(seed).ready_to_execute.request_id)
    change(seed)
    assert ask(seed).skip_execution.execution_id == confirmed


def test_the_labels_of_a_confirmation_name_no_other_node(
    channel: grpc.Channel, query: SubmitEnrichedSQLRequest
) -> None:
    ask = SQLStub(channel).SubmitEnrichedSQL
    others = {"dbt_node_unique_id": "model.shop.other", "dbt_node_name": "other"}
    confirmed = confirm(channel, ask(query).ready_to_execute.request_id, labels=others)
    assert ask(query).skip_execution.execution_id == confirmed


def test_a_selection_is_answered_the_same_whatever_its_id_and_the_hashes_of_nodes_are(
    channel: grpc.Channel, query: SubmitEnrichedSQLRequest
) -> None:
    SQLStub(channel).SubmitEnrichedSQL(query)
    looks = query.dbt_node_state
    node = DbtNodeData(
        node_unique_id=looks.node_unique_id,
        node_hash="0" * 32,
        node_body_hash=looks.node_body_hash,
        node_configs_hash=looks.node_configs_hash,
        node_persisted_descriptions_hash=looks.node_persisted_descriptions_hash,
        node_contract_hash=looks.node_contract_hash,
    )
    selection = SelectorRequest(
        target=looks.target_name,
        project_id=looks.project_id,
        selector_criteria=SelectorCriteria.UNMODIFIED,
        request_id="no such id",
        nodes=[node],
    )
    assert looks.node_hash not in ("", node.node_hash)
    selected = SelectorServiceStub(channel).GetStateSelection(selection).node_unique_ids
    assert list(selected) == [looks.node_unique_id]


def confirm(channel: grpc.Channel, ticket: str, *, labels: dict[str, str] | None = None) -> str:
    """The id of the execution that the ticket promised; the table is as the requests here tell it."""
    assert ticket
    confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT, labels=labels)
    return str(ExecutionStub(channel).ConfirmExecution(confirmation).execution_id)
