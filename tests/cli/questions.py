"""What tests of the command ask a server: about one table of a recorded project."""

from __future__ import annotations

import grpc
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.protocol.recordings import recorded_requests

TOTALS = '"shop"."prod"."order_totals"'
BUILT_AT = 1795352217956


def table_model(*, own_epoch: int | None = None) -> SubmitEnrichedSQLRequest:
    (request, _) = recorded_requests("table_over_staging_view", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)
    for table in request.tables:
        if table.name == TOTALS and own_epoch is not None:
            table.last_modified_epoch = own_epoch
    return request  # fmt: skip


def build(channel: grpc.Channel, request: SubmitEnrichedSQLRequest) -> str:
    """Ask, be told to build, confirm; the execution's id."""
    answer = SQLStub(channel).SubmitEnrichedSQL(request)
    ticket = answer.ready_to_execute.request_id
    confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT, execution_runtime_ms=255)
    confirmed = ExecutionStub(channel).ConfirmExecution(confirmation)
    assert confirmed.success
    return str(confirmed.execution_id)
