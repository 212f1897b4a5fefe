"""What surrounds the servicers: statuses, limits, deadlines, reflection, the drain; seen through a channel."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitSQLResponse, SubmitValuesRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from structlog.testing import capture_logs
from tests.protocol.conftest import Serving, server_of

from dbt_state_oss.application.caller import Caller, ClientLine
from dbt_state_oss.errors import CannotListen, InvalidRequest
from dbt_state_oss.protocol.calls import Calls
from dbt_state_oss.protocol.interceptors import client_line_of, intercepted
from dbt_state_oss.protocol.server import Limits, Server
from dbt_state_oss.protocol.status import STATUS_WHEN_ENDING
from dbt_state_oss.telemetry.limited import LimitedWarning


async def answered(caller: Caller, request: Any) -> SubmitSQLResponse:
    return SubmitSQLResponse()


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


class Recorder:
    """A method that keeps who called."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []

    async def __call__(self, caller: Caller, request: Any) -> SubmitSQLResponse:
        self.callers.append(caller)
        return SubmitSQLResponse()


async def test_the_caller_is_told_by_the_metadata(serving: Serving) -> None:
    recorder = Recorder()
    _, channel = await serving(SubmitValues=recorder)
    metadata = (("x-request-id", "b18b"), ("x-session-id", "fd47-1"), ("x-organization-id", "mallory"))
    await SQLStub(channel).SubmitValues(SubmitValuesRequest(), metadata=metadata)
    assert recorder.callers == [Caller("default", "b18b", "fd47-1", ClientLine.PYTHON)]


@pytest.mark.parametrize("request_id", [None, "a b", "x" * 49, "../../x"], ids=["absent", "space", "long", "path"])
async def test_a_request_id_that_is_absent_or_malformed_is_replaced(serving: Serving, request_id: str | None) -> None:
    recorder = Recorder()
    _, channel = await serving(SubmitValues=recorder)
    metadata = () if request_id is None else (("x-request-id", request_id),)
    await SQLStub(channel).SubmitValues(SubmitValuesRequest(), metadata=metadata)
    await SQLStub(channel).SubmitValues(SubmitValuesRequest(), metadata=metadata)
    one, other = (caller.request_id for caller in recorder.callers)
    assert one != other
    assert re.fullmatch("[0-9a-f]{32}", one)


@pytest.mark.parametrize(
    ("user_agent", "line"),
    [
        ("grpc-python/1.85.1 grpc-c/55.0.0 (linux; chttp2)", ClientLine.PYTHON),
        ("tonic/0.14.6", ClientLine.RUST),
        ("dbt/2.0.9 tonic/0.15.0", ClientLine.RUST),
        ("tonic/0.14.6 grpc-python/1.85.1", None),
        ("grpc-go/1.70", None),
        ("", None),
    ],
)
def test_the_client_is_told_by_its_grpc_library(user_agent: str, line: ClientLine | None) -> None:
    assert client_line_of(user_agent) is line


OTHER_METADATA = {
    "authorization": "Bearer x.y.z",
    "grpc-previous-rpc-attempts": "2",
    "x-submitted-at-epoch": "1795352217956",
    "x-system-user-id": "4f",
    "x-os-name": "Linux",
    "x-dbt-invocation-id": "2fd87cd5",
    "x-dbt-cloud-run-id": "70403",
}


async def test_other_metadata_tells_nothing_of_the_caller(serving: Serving) -> None:
    recorder = Recorder()
    _, channel = await serving(SubmitValues=recorder)
    metadata = (*OTHER_METADATA.items(), ("x-request-id", "b18b"))
    with capture_logs() as logs:
        await SQLStub(channel).SubmitValues(SubmitValuesRequest(), metadata=metadata)
    assert recorder.callers == [Caller("default", "b18b", "", ClientLine.PYTHON)]
    assert not any(value in str(logs) for value in OTHER_METADATA.values() if len(value) > 4)


async def test_an_error_of_ours_is_told_to_the_user_and_logged(serving: Serving) -> None:
    async def refuse(caller: Caller, request: Any) -> Any:
        raise InvalidRequest("the request names no target")

    _, channel = await serving(SubmitValues=refuse)
    with capture_logs() as logs:
        code, details = await refusal(SQLStub(channel).SubmitValues(SubmitValuesRequest()))
    assert (code, details) == (grpc.StatusCode.INVALID_ARGUMENT, "the request names no target")
    (line,) = [line for line in logs if line["event"] == "call_failed"]
    assert (line["rpc"], line["status"], line["cause"]) == ("SQL/SubmitValues", "INVALID_ARGUMENT", details)


async def test_an_unexpected_error_leaves_only_a_reference_to_the_log(serving: Serving) -> None:
    async def fail(caller: Caller, request: Any) -> Any:
        raise KeyError("select secret from vault")

    _, channel = await serving(SubmitValues=fail)
    with capture_logs() as logs:
        call = SQLStub(channel).SubmitValues(SubmitValuesRequest(), metadata=(("x-request-id", "b18b"),))
        code, details = await refusal(call)
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in details
    assert "b18b" in details
    (line,) = [line for line in logs if line["event"] == "internal_error"]
    assert (line["request_id"], line["exc_info"]) == ("b18b", True)


async def test_a_call_is_given_up_at_the_servers_own_limit(serving: Serving) -> None:
    gave_up = asyncio.Event()

    async def hang(caller: Caller, request: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            gave_up.set()

    _, channel = await serving(SubmitValues=hang, limits=Limits(timeout_seconds=0.05))
    code, details = await refusal(SQLStub(channel).SubmitValues(SubmitValuesRequest(), timeout=60))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (
        details
        == "The server did not finish within 0.05 seconds and cancelled the call (DBTSTATE_CALL_TIMEOUT_SECONDS)."
    )
    assert gave_up.is_set()


async def test_a_call_is_given_up_when_the_client_has_stopped_waiting(serving: Serving) -> None:
    gave_up = asyncio.Event()

    async def hang(caller: Caller, request: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            gave_up.set()

    _, channel = await serving(SubmitValues=hang)
    code, _ = await refusal(SQLStub(channel).SubmitValues(SubmitValuesRequest(), timeout=0.05))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    await gave_up.wait()


async def test_a_timeout_within_the_server_is_not_the_calls_deadline(serving: Serving) -> None:
    async def fail(caller: Caller, request: Any) -> Any:
        raise TimeoutError

    _, channel = await serving(SubmitValues=fail)
    code, _ = await refusal(SQLStub(channel).SubmitValues(SubmitValuesRequest()))
    assert code is grpc.StatusCode.INTERNAL


async def test_a_request_up_to_the_limit_is_read_and_a_larger_one_refused(serving: Serving) -> None:
    mebibyte = 1024 * 1024
    _, channel = await serving(SubmitValues=answered, limits=Limits(max_request_bytes=8 * mebibyte))
    stub = SQLStub(channel)
    await stub.SubmitValues(SubmitValuesRequest(values_hash="x" * (8 * mebibyte - 100)))
    code, _ = await refusal(stub.SubmitValues(SubmitValuesRequest(values_hash="x" * 8 * mebibyte)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_requests_of_64_mib_are_read_unless_set_otherwise() -> None:
    assert Limits().max_request_bytes == 64 * 1024 * 1024


async def test_calls_beyond_the_bound_are_refused_at_once_and_never_with_unavailable(serving: Serving) -> None:
    entered, let_go = asyncio.Event(), asyncio.Event()

    async def wait(caller: Caller, request: Any) -> SubmitSQLResponse:
        entered.set()
        await let_go.wait()
        return SubmitSQLResponse()

    _, channel = await serving(SubmitValues=wait, limits=Limits(max_concurrent_calls=1))
    stub = SQLStub(channel)
    first = stub.SubmitValues(SubmitValuesRequest())
    waiting = asyncio.ensure_future(first)
    await entered.wait()
    code, _ = await refusal(stub.SubmitValues(SubmitValuesRequest()))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    let_go.set()
    await waiting


async def test_reflection_names_every_service_and_describes_it(serving: Serving) -> None:
    _, channel = await serving()
    calls = ServerReflectionStub(channel).ServerReflectionInfo(
        iter(
            [
                ServerReflectionRequest(list_services=""),
                ServerReflectionRequest(file_containing_symbol="com.fivetran.query_cache.SQL"),
            ]
        )
    )
    listing, file = [answer async for answer in calls]
    names = {service.name for service in listing.list_services_response.service}
    assert names == {
        "com.fivetran.query_cache.SQL",
        "com.fivetran.query_cache.Clone",
        "com.fivetran.query_cache.Execution",
        "com.fivetran.query_cache.Explain",
        "com.fivetran.query_cache.SelectorService",
        "com.fivetran.query_cache.ClientTelemetry",
        "com.fivetran.query_cache.ClientValidation",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert file.file_descriptor_response.file_descriptor_proto


async def test_every_method_of_a_served_service_has_to_be_there() -> None:
    with pytest.raises(KeyError):
        Server({"SQL": {"SubmitValues": answered}}, Limits())


class Gates:
    """A method whose calls wait until their gate, named by `values_hash`, is opened; calls without a name do not wait."""

    def __init__(self, *names: str) -> None:
        self.entered = {name: asyncio.Event() for name in names}
        self.gates = {name: asyncio.Event() for name in names}

    async def __call__(self, caller: Caller, request: Any) -> SubmitSQLResponse:
        if request.values_hash:
            self.entered[request.values_hash].set()
            await self.gates[request.values_hash].wait()
        return SubmitSQLResponse()

    async def call(self, channel: grpc.aio.Channel, name: str) -> asyncio.Future[Any]:
        """A call that runs and waits at its gate."""
        call = SQLStub(channel).SubmitValues(SubmitValuesRequest(values_hash=name))
        running: asyncio.Future[Any] = asyncio.ensure_future(call)
        await self.entered[name].wait()
        return running


async def test_the_calls_that_run_when_the_drain_begins_are_answered_and_others_too_meanwhile(serving: Serving) -> None:
    gates = Gates("first")
    server, channel = await serving(SubmitValues=gates)
    first = await gates.call(channel, "first")
    drain = asyncio.create_task(server.drain(60))
    for _ in range(3):
        await SQLStub(channel).SubmitValues(SubmitValuesRequest())
    assert not drain.done()
    gates.gates["first"].set()
    assert await first == SubmitSQLResponse()
    await drain
    code, _ = await refusal(SQLStub(channel).SubmitValues(SubmitValuesRequest()))
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_however_calls_have_ended_the_drain_does_not_wait_for_them(serving: Serving) -> None:
    hanging = asyncio.Event()

    async def by_name(caller: Caller, request: Any) -> SubmitSQLResponse:
        match request.values_hash:
            case "refused":
                raise InvalidRequest("no")
            case "failed":
                raise KeyError
            case "hanging":
                hanging.set()
                await asyncio.Event().wait()
        return SubmitSQLResponse()

    server, channel = await serving(SubmitValues=by_name)
    stub = SQLStub(channel)
    await stub.SubmitValues(SubmitValuesRequest())
    for name in ("refused", "failed"):
        await refusal(stub.SubmitValues(SubmitValuesRequest(values_hash=name)))
    code, _ = await refusal(stub.SubmitValues(SubmitValuesRequest(values_hash="hanging"), timeout=0.1))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    hanging.clear()
    cancelled = stub.SubmitValues(SubmitValuesRequest(values_hash="hanging"))
    await hanging.wait()
    cancelled.cancel()
    await refusal(channel.unary_unary("/com.fivetran.query_cache.SQL/SubmitValues", bytes, bytes)(b"\xff"))
    async with asyncio.timeout(30):
        await server.drain(3600)


async def test_a_call_that_began_during_the_drain_does_not_hold_it_up(serving: Serving) -> None:
    """Its client repeats it, and those that are refused meanwhile."""
    gates = Gates("first", "second")
    server, channel = await serving(SubmitValues=gates)
    first = await gates.call(channel, "first")
    drain = asyncio.create_task(server.drain(60))
    second = await gates.call(channel, "second")
    gates.gates["first"].set()
    assert await first == SubmitSQLResponse()
    await drain
    code, _ = await refusal(second)
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_a_call_that_is_refused_is_unavailable_with_a_sentence() -> None:
    calls = Calls()
    await calls.refuse(within_seconds=0)
    context = Context()
    behaviour = intercepted("x", answered, parse=bytes, calls=calls, unreadable=LimitedWarning("x"), timeout_seconds=1)
    await behaviour(b"", context)  # type: ignore[arg-type]
    assert context.aborted == (grpc.StatusCode.UNAVAILABLE, STATUS_WHEN_ENDING[1])


class Context:
    """Keeps what a call was aborted with."""

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.aborted = (code, details)


async def test_a_call_that_outlasts_the_grace_is_unavailable_so_that_the_client_repeats_it(serving: Serving) -> None:
    entered = asyncio.Event()

    async def hang(caller: Caller, request: Any) -> Any:
        entered.set()
        await asyncio.Event().wait()

    server, channel = await serving(SubmitValues=hang)
    running = asyncio.ensure_future(SQLStub(channel).SubmitValues(SubmitValuesRequest()))
    await entered.wait()
    await server.drain(0.05)
    code, _ = await refusal(running)
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_a_large_answer_to_a_slow_client_is_sent_before_the_connection_is_closed(serving: Serving) -> None:
    large = "x" * 3_000_000

    async def answer(caller: Caller, request: Any) -> SubmitSQLResponse:
        response = SubmitSQLResponse()
        response.ready_to_execute.request_id = large
        return response

    server, channel = await serving(SubmitValues=answer)
    calls = [asyncio.ensure_future(SQLStub(channel).SubmitValues(SubmitValuesRequest())) for _ in range(8)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    await server.drain(60)
    ended = [await each if each.exception() is None else await refusal(each) for each in calls]
    answers = [each for each in ended if isinstance(each, SubmitSQLResponse)]
    assert answers
    assert all(each.ready_to_execute.request_id == large for each in answers)
    assert {each[0] for each in ended if isinstance(each, tuple)} <= {grpc.StatusCode.UNAVAILABLE}


async def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"Cannot listen on 127\.0\.0\.1:{port}: Address already in use\."):
            await server_of(Limits()).start("127.0.0.1", port)


async def test_two_servers_never_share_a_port() -> None:
    first = server_of(Limits())
    port = await first.start("127.0.0.1", 0)
    with pytest.raises(CannotListen):
        await server_of(Limits()).start("127.0.0.1", port)
    await first.drain(0)
