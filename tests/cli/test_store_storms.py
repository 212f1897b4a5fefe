"""An object store that says 503 to everything for a while: every call is answered, and afterwards nothing is missing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitSQLResponse
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.commands import serving
from tests.cli.questions import BUILT_AT
from tests.durability.questions import model
from tests.emulators import s3
from tests.emulators.proxy import Proxy
from tests.emulators.running import Emulators, s3_variables
from tests.emulators.s3_faults import TRANSIENT, some

TARGETS = 24
ATTEMPTS = 3
SETTINGS = {
    "DBTSTATE_STORE_ATTEMPTS": str(ATTEMPTS),
    "DBTSTATE_CALL_TIMEOUT_SECONDS": "20",
    "DBTSTATE_STORE_CONNECTIONS": "8",
}
REQUESTS_FOR_A_CALL = 3 * ATTEMPTS
"""At most: a submit reads a history, its input's and a list of candidates."""


@pytest.fixture
def proxy(emulators: Emulators) -> Iterator[Proxy]:
    proxy = Proxy(emulators.moto.endpoint)
    yield proxy
    proxy.stop()


@pytest.fixture
def channel(proxy: Proxy, emulators: Emulators, tmp_path: Path) -> Iterator[grpc.Channel]:
    """To a server whose store is behind the proxy."""
    bucket = emulators.fresh_name()
    s3.client(emulators.moto.endpoint).create_bucket(Bucket=bucket)
    environment = {**s3_variables(proxy.endpoint, bucket, ""), **SETTINGS}
    with (
        serving(tmp_path / "none", environment=environment) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield channel


def asked(channel: grpc.Channel, own_epoch: int | None) -> list[SubmitSQLResponse]:
    """What all targets are answered when they are asked about at once; every call has to end OK."""

    def ask(number: int) -> SubmitSQLResponse:
        question = model(f"t{number}", factor=number, source_epoch=BUILT_AT - 1, own_epoch=own_epoch)
        answer: SubmitSQLResponse = SQLStub(channel).SubmitEnrichedSQL(question)
        return answer

    with ThreadPoolExecutor(TARGETS) as threads:
        return list(threads.map(ask, range(TARGETS)))


def confirmed(channel: grpc.Channel, answer: SubmitSQLResponse) -> grpc.StatusCode:
    request = ConfirmExecutionRequest(request_id=answer.ready_to_execute.request_id, last_modified_epoch=BUILT_AT)
    try:
        assert ExecutionStub(channel).ConfirmExecution(request).success
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def test_a_storm_ends_no_call_with_an_error_and_repeats_no_request_without_end(
    channel: grpc.Channel, proxy: Proxy
) -> None:
    for answer in asked(channel, None):
        assert confirmed(channel, answer) is grpc.StatusCode.OK
    with proxy.fault(TRANSIENT["throttled"]) as done:
        answers = asked(channel, BUILT_AT)
        requests = done.total()
    assert all(answer.HasField("ready_to_execute") for answer in answers)
    assert TARGETS <= requests <= REQUESTS_FOR_A_CALL * TARGETS
    assert all(answer.HasField("skip_execution") for answer in asked(channel, BUILT_AT))


def test_what_was_asked_in_a_storm_is_confirmed_after_it(channel: grpc.Channel, proxy: Proxy) -> None:
    with proxy.fault(TRANSIENT["throttled"]):
        answers = asked(channel, None)
        refused = confirmed(channel, answers[0])
    assert refused is grpc.StatusCode.INTERNAL  # not UNAVAILABLE: each node would wait for seconds
    for answer in answers:
        assert confirmed(channel, answer) is grpc.StatusCode.OK
    assert all(answer.HasField("skip_execution") for answer in asked(channel, BUILT_AT))


def test_squalls_cost_time_and_nothing_else(channel: grpc.Channel, proxy: Proxy) -> None:
    with proxy.fault(TRANSIENT["throttled"], on=some(0.2, seed=3)) as done:
        for answer in asked(channel, None):
            while confirmed(channel, answer) is not grpc.StatusCode.OK:
                pass
    assert done.total() > 0
    assert all(answer.HasField("skip_execution") for answer in asked(channel, BUILT_AT))
