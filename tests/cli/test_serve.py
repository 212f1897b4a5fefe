"""A real server process and the client's own stubs: a build, its confirmation, the skip; signals and the log."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from query_cache_protobuf.query_cache.services.client_telemetry_service_pb2 import (
    ClientTelemetryEvent,
    SessionStartRequest,
    SubmitTelemetryBatchRequest,
)
from query_cache_protobuf.query_cache.services.client_telemetry_service_pb2_grpc import ClientTelemetryStub
from query_cache_protobuf.query_cache.services.client_validation_service_pb2 import ValidateClientVersionRequest
from query_cache_protobuf.query_cache.services.client_validation_service_pb2_grpc import ClientValidationStub
from query_cache_protobuf.query_cache.services.execution_service_pb2 import (
    ConfirmExecutionRequest,
    RecordExecutionsRequest,
    ResolveDeferredRelationsRequest,
    UpdateExecutionMetadataRequest,
)
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.commands import PATIENCE_SECONDS, Serving, serving
from tests.cli.questions import BUILT_AT, build, table_model
from tests.protocol.recordings import recorded_requests

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="child processes are found in /proc")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "state") as server:
        yield server


@pytest.fixture
def channel(server: Serving) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def test_what_was_built_and_confirmed_is_skipped(channel: grpc.Channel) -> None:
    execution_id = build(channel, table_model())
    skip = SQLStub(channel).SubmitEnrichedSQL(table_model(own_epoch=BUILT_AT)).skip_execution
    assert skip.execution_id == execution_id
    assert skip.execution_runtime_ms == 255


def test_a_repeated_submit_and_a_repeated_confirm_name_the_same_execution(channel: grpc.Channel) -> None:
    metadata = (("x-request-id", uuid4().hex),)
    stub = SQLStub(channel)
    tickets = [stub.SubmitEnrichedSQL(table_model(), metadata=metadata).ready_to_execute.request_id for _ in range(2)]
    confirmed = {
        ExecutionStub(channel)
        .ConfirmExecution(ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT))
        .execution_id
        for ticket in (*tickets, *tickets)
    }
    assert len(confirmed) == 1


def test_a_record_counts_like_a_confirmation(channel: grpc.Channel) -> None:
    requests = recorded_requests("write_only", "Execution/RecordExecutions", RecordExecutionsRequest)
    assert [ExecutionStub(channel).RecordExecutions(request).records_stored for request in requests] == [1, 1]


def test_hooks_move_the_epoch_of_the_execution_and_unknown_ids_are_ignored(channel: grpc.Channel) -> None:
    execution_id = build(channel, table_model())
    stub = ExecutionStub(channel)
    for unknown in ("", "no such id", "ns.0123456789012345678901234567890123456789.x"):
        stub.UpdateExecutionMetadata(UpdateExecutionMetadataRequest(execution_id=unknown, last_modified_epoch=1))
    moved = UpdateExecutionMetadataRequest(execution_id=execution_id, last_modified_epoch=BUILT_AT + 5)
    stub.UpdateExecutionMetadata(moved)
    answer = SQLStub(channel).SubmitEnrichedSQL(table_model(own_epoch=BUILT_AT + 5))
    assert answer.WhichOneof("response") == "skip_execution"


def test_a_forged_ticket_is_refused_with_a_sentence(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ExecutionStub(channel).ConfirmExecution(ConfirmExecutionRequest(request_id="b18bf5ba"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "nothing was recorded" in str(caught.value.details())


def test_a_speculative_question_is_left_undecided(channel: grpc.Channel) -> None:
    answer = SQLStub(channel).SubmitEnrichedSQLSpeculative(table_model())
    assert answer.WhichOneof("response") == "undecided"


def test_no_deferred_relation_is_made_up(channel: grpc.Channel) -> None:
    request = ResolveDeferredRelationsRequest(node_unique_ids=["model.shop.x"])
    assert not ExecutionStub(channel).ResolveDeferredRelations(request).fqn_by_unique_id


def test_telemetry_is_acknowledged(channel: grpc.Channel) -> None:
    stub = ClientTelemetryStub(channel)
    event = ClientTelemetryEvent(event_order=1, session_start=SessionStartRequest(dbt_version="1.11"))
    assert stub.SubmitTelemetryBatch(SubmitTelemetryBatchRequest(events=[event, ClientTelemetryEvent()])).success
    started = stub.RegisterSessionStart(SessionStartRequest(), metadata=(("x-session-id", "fd47"),))
    assert (started.success, started.session_id) == (True, "fd47")


@pytest.mark.parametrize(
    ("version", "supported"), [("2.62.3", True), ("2.17.1", True), ("2.16.0", False), ("3.0.0b1", True), ("main", True)]
)
def test_a_clients_version_is_judged_explicitly(channel: grpc.Channel, version: str, supported: bool) -> None:
    request = ValidateClientVersionRequest(dbt_run_cache_version=version)
    assert ClientValidationStub(channel).ValidateClientVersion(request).is_supported is supported


def test_the_log_has_a_line_for_each_decision_and_none_of_sql_or_tickets(
    server: Serving, channel: grpc.Channel
) -> None:
    request = table_model()
    build(channel, request)
    SQLStub(channel).SubmitEnrichedSQL(table_model(own_epoch=BUILT_AT), metadata=(("x-session-id", "fd47"),))
    server.process.send_signal(signal.SIGTERM)
    assert server.ended() == 0
    built, skipped = [line for line in server.lines if line["event"] == "decision"]
    assert (built["node"], built["decision"], built["saved_ms"]) == ("model.shop.order_totals", "build", 0)
    assert (skipped["decision"], skipped["saved_ms"], skipped["session_id"]) == ("skip", 255, "fd47")
    assert built["description"].startswith("model was executed because")
    written = str(server.lines)
    assert "select" not in written
    assert "t1." not in written
    assert not any("left_out" in line for line in server.lines)


def test_the_state_outlives_the_process_and_its_tickets_do_too(tmp_path: Path) -> None:
    with serving(tmp_path) as first, grpc.insecure_channel(first.address) as channel:
        ticket = SQLStub(channel).SubmitEnrichedSQL(table_model()).ready_to_execute.request_id
        first.process.kill()
    with serving(tmp_path) as second, grpc.insecure_channel(second.address) as channel:
        confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT)
        ExecutionStub(channel).ConfirmExecution(confirmation)
        answer = SQLStub(channel).SubmitEnrichedSQL(table_model(own_epoch=BUILT_AT))
    assert answer.WhichOneof("response") == "skip_execution"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_ends_an_idle_server_with_0(server: Serving, number: signal.Signals) -> None:
    server.process.send_signal(number)
    assert server.ended() == 0
    assert [line["event"] for line in server.lines] == ["listening", "draining", "stopped"]


@needs_proc
def test_a_signal_ends_the_processes_that_parse_too(server: Serving, channel: grpc.Channel) -> None:
    build(channel, table_model())
    workers = _children(server.process.pid)
    assert workers
    server.process.send_signal(signal.SIGTERM)
    assert server.ended() == 0
    assert all(_gone(worker) for worker in workers)


def test_a_call_that_runs_when_the_signal_comes_is_answered(tmp_path: Path) -> None:
    program = (sys.executable, str(Path(__file__).with_name("server_with_gate.py")), str(tmp_path))
    with serving(tmp_path / "state", program=program) as server, grpc.insecure_channel(server.address) as channel:
        call = SQLStub(channel).SubmitEnrichedSQL.future(table_model())
        server.wait_for("call_waits_at_the_gate")
        server.process.send_signal(signal.SIGTERM)
        (tmp_path / "open").touch()
        assert call.result().WhichOneof("response") == "ready_to_execute"
        assert server.ended() == 0


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_second_signal_ends_the_server_at_once(
    server: Serving, channel: grpc.Channel, number: signal.Signals
) -> None:
    _wait_until_serving(channel)
    before = {child: _ticks(child) for child in _children(server.process.pid)}
    request = table_model()
    request.sql = "select 1 as a" + " union all select 1 as a" * 20_000  # takes seconds to parse
    call = SQLStub(channel).SubmitEnrichedSQL.future(request)
    while all(_ticks(child) < ticks + 10 for child, ticks in before.items()):
        time.sleep(0.01)
    server.process.send_signal(number)
    server.wait_for("draining")
    server.process.send_signal(number)
    assert server.process.wait(PATIENCE_SECONDS) == -number
    with pytest.raises(grpc.RpcError):
        call.result()


def test_health_is_serving_once_the_store_has_answered(server: Serving, channel: grpc.Channel) -> None:
    _wait_until_serving(channel)


@needs_proc
def test_the_processes_that_parse_have_started_when_health_is_serving(server: Serving, channel: grpc.Channel) -> None:
    """Multiprocessing starts a helper of its own beside them."""
    _wait_until_serving(channel)
    ready = _children(server.process.pid)
    build(channel, table_model())
    assert len(ready) >= 2
    assert _children(server.process.pid) == ready


def test_listening_beyond_this_machine_is_warned_about(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0") as server:
        assert server.wait_for("listening_without_authentication")["level"] == "warning"


def _wait_until_serving(channel: grpc.Channel) -> None:
    watch = HealthStub(channel).Watch(HealthCheckRequest(service="com.fivetran.query_cache.SQL"))
    assert any(answer.status == HealthCheckResponse.SERVING for answer in watch)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _ticks(pid: int) -> int:
    """Processor time of a process in its own code, in ticks of 10 ms."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def _gone(pid: int) -> bool:
    """Whether the process ends; multiprocessing's own helper does so a moment after its parent."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
