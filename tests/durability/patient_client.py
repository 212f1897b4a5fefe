"""A caller that outlasts the server's deaths: real stubs on one channel, each call repeated while nobody answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
from query_cache_protobuf.query_cache.services.execution_service_pb2 import UpdateExecutionMetadataRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitSQLResponse, SubmitValuesRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.durability.journal import Acknowledged
from tests.durability.questions import Question, confirmation

ATTEMPTS = 2400
PAUSE_SECONDS = 0.05
CALL_SECONDS = 30.0

_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_http_proxy", 0),
)


class PatientClient:
    """Asks and confirms. Only UNAVAILABLE is borne, for about half a minute; any other status is raised."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._sql = SQLStub(self._channel)
        self._execution = ExecutionStub(self._channel)

    def ask(self, question: Question) -> SubmitSQLResponse:
        """The server's decision."""
        rpc = self._sql.SubmitValues if isinstance(question, SubmitValuesRequest) else self._sql.SubmitEnrichedSQL
        response, _ = _answered(rpc, question)
        assert isinstance(response, SubmitSQLResponse)
        return response

    def ticket(self, question: Question) -> str:
        """The ticket of a build; raises `AssertionError` where the server does not want one."""
        response = self.ask(question)
        assert response.WhichOneof("response") == "ready_to_execute", f"nothing was to be skipped: {response}"
        return response.ready_to_execute.request_id

    def confirm(self, ticket: str, *, epoch: int | None, failures: int | None = None) -> Acknowledged:
        """Confirm a build."""
        request = confirmation(ticket, epoch=epoch, failures=failures)
        response, attempts = _answered(self._execution.ConfirmExecution, request)
        assert response.success
        return Acknowledged(response.execution_id, epoch, failures, attempts)

    def raise_epoch(self, execution_id: str, epoch: int) -> Acknowledged:
        """Tell that hooks have moved the epoch of a target's latest execution (rule W5)."""
        request = UpdateExecutionMetadataRequest(execution_id=execution_id, last_modified_epoch=epoch)
        _, attempts = _answered(self._execution.UpdateExecutionMetadata, request)
        return Acknowledged(execution_id, epoch, None, attempts)

    def close(self) -> None:
        self._channel.close()


def _answered(rpc: Callable[..., Any], request: Any) -> tuple[Any, int]:
    """The response, and which attempt it answers; every attempt is the same call (rule W6)."""
    metadata = (("x-request-id", uuid4().hex),)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return rpc(request, timeout=CALL_SECONDS, metadata=metadata), attempt
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        time.sleep(PAUSE_SECONDS)
    raise TimeoutError(f"nobody answered {ATTEMPTS} attempts")
