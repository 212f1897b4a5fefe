"""Messages that no client of ours sends: each one gets a status, and all of them together a line or two in the log."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import StatusCode, aio
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitSQLResponse
from structlog.testing import capture_logs
from tests.protocol.conftest import Serving
from tests.protocol.raw_http2 import answer_to, message_frame

from dbt_state_oss.application.caller import Caller

SUBMIT = "/com.fivetran.query_cache.SQL/SubmitValues"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

UNREADABLE = {
    "bad UTF-8": b"\x0a\x03\xff\xfe\xfd",
    "a message that is cut off": b"\x0a\x30abc",
    "a tag that does not exist": b"\xff" * 40,
    "a group that never ends": b"\x0b" * 200,
}


async def answered(caller: Caller, request: Any) -> SubmitSQLResponse:
    return SubmitSQLResponse()


async def status_of(call: Any) -> StatusCode:
    try:
        await call
    except aio.AioRpcError as error:
        return error.code()
    return StatusCode.OK


async def status_of_stream(call: Any) -> StatusCode:
    """The status of a stream; the health service's first answer is read over."""
    try:
        async for _ in call:
            pass
    except aio.AioRpcError as error:
        return error.code()
    return StatusCode.OK


@pytest.fixture(autouse=True)
def _no_words_of_the_library(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    said = [record for record in caplog.get_records("call") if record.name.startswith("grpc")]
    assert said == []


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_unreadable_message_is_refused_with_one_line(serving: Serving, data: bytes) -> None:
    server, channel = await serving(SubmitValues=answered)
    with capture_logs() as logs:
        statuses = [await status_of(channel.unary_unary(SUBMIT, bytes, bytes)(data)) for _ in range(50)]
    assert statuses == [StatusCode.INVALID_ARGUMENT] * 50
    (line,) = logs
    assert (line["event"], line["rpc"], line["suppressed"]) == ("invalid_messages", "SQL/SubmitValues", 0)
    with capture_logs() as logs:
        await server.drain(0)
    assert [line["suppressed"] for line in logs] == [48]


async def test_what_grpcs_own_services_cannot_read_is_refused_too(serving: Serving) -> None:
    _, channel = await serving()
    data = UNREADABLE["a message that is cut off"]
    with capture_logs() as logs:
        statuses = [
            await status_of(channel.unary_unary(CHECK, bytes, bytes)(data)),
            await status_of_stream(channel.unary_stream(WATCH, bytes, bytes)(data)),
            await status_of_stream(channel.stream_stream(REFLECTION, bytes, bytes)(iter([data]))),
        ]
    assert statuses == [StatusCode.INVALID_ARGUMENT] * 3
    assert len(logs) == 1


@pytest.mark.parametrize("method", ["/com.fivetran.query_cache.SQL/Submit", "/SQL/SubmitValues", "/", "/../x"])
async def test_a_method_that_does_not_exist_is_unimplemented(serving: Serving, method: str) -> None:
    _, channel = await serving()
    with capture_logs() as logs:
        assert await status_of(channel.unary_unary(method, bytes, bytes)(b"")) is StatusCode.UNIMPLEMENTED
    assert logs == []


async def test_oversized_metadata_is_refused(serving: Serving) -> None:
    _, channel = await serving(SubmitValues=answered)
    with capture_logs() as logs:
        call = channel.unary_unary(SUBMIT, bytes, bytes)(b"", metadata=(("x-request-id", "y" * 100_000),))
        assert await status_of(call) is StatusCode.RESOURCE_EXHAUSTED
    assert logs == []


RAW = {
    "compressed garbage": (b"no gzip", {"grpc-encoding": "gzip"}),
    "an encoding that does not exist": (b"", {"grpc-encoding": "zip"}),
    "compressed without an encoding": (b"x", {}),
}
"""The payload of a message whose frame says that it is compressed, and further headers."""


@pytest.mark.parametrize(("payload", "headers"), RAW.values(), ids=RAW)
async def test_frames_that_no_library_sends_are_refused(
    serving: Serving, payload: bytes, headers: dict[str, str]
) -> None:
    server, channel = await serving(SubmitValues=answered)
    with capture_logs() as logs:
        answer = await answer_to(server.port, SUBMIT, message_frame(payload, compressed=True), headers=headers)
    assert b"grpc-status\x0213" in answer, answer
    assert logs == []
    assert await status_of(channel.unary_unary(SUBMIT, bytes, bytes)(b"")) is StatusCode.OK
