"""How long small calls wait while huge requests are served: the latency of both, and what the huge ones end with.

    .venv/bin/python bench/huge_requests.py [KIND …]

Small calls are unchanged submits of one thread with a pause between them. Exits with 1 if their 99th percentile is above
50 ms while one kind of huge request is served, or if a huge request is not answered with something that can be confirmed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

import grpc
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cli.huge import HUGE
from tests.cli.questions import BUILT_AT, build, table_model
from tests.e2e.server import StateServer

MOST_MS = 50.0
SECONDS = 8.0
PAUSE_SECONDS = 0.005
_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0)]


def main() -> int:
    kinds = sys.argv[1:] or list(HUGE)
    failed = False
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix=".huge-") as directory:
        server = StateServer(Path(directory))
        try:
            for kind in kinds:
                failed = _measured(server.address, kind) or failed
        finally:
            server.stop()
    return 1 if failed else 0


def _measured(address: str, kind: str) -> bool:
    """Serve this kind for some seconds and print what was seen; whether a bound was broken."""
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other,
        grpc.insecure_channel(address, options=_OPTIONS) as channel,
    ):
        build(channel, table_model())
        quiet = _small_calls(channel, 2.0)
        asking = other.submit(_ask, address, kind, SECONDS)
        busy = _small_calls(channel, SECONDS + 1)
        ended, took = asking.result()
    p99 = quantiles(busy, n=100)[98]
    print(
        f"{kind:18} small calls: p99 {p99:6.1f} ms, most {max(busy):6.1f} ms (alone {quantiles(quiet, n=100)[98]:.1f} ms); "
        f"huge: {len(took)} took {median(took):.2f} s, at most {max(took):.2f} s: {', '.join(sorted(set(ended)))}",
        flush=True,
    )
    return p99 > MOST_MS or set(ended) != {"confirmed"}


def _ask(address: str, kind: str, seconds: float) -> tuple[list[str], list[float]]:
    """Ask one huge question after the other; what each one ended with, and its seconds."""
    until = time.perf_counter() + seconds
    ended: list[str] = []
    took: list[float] = []
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        while time.perf_counter() < until:
            request = HUGE[kind](len(ended))
            began = time.perf_counter()
            ended.append(_ended(channel, request))
            took.append(time.perf_counter() - began)
    return ended, took


def _small_calls(channel: grpc.Channel, seconds: float) -> list[float]:
    stub, question = SQLStub(channel), table_model(own_epoch=BUILT_AT)
    until, took = time.perf_counter() + seconds, []
    while time.perf_counter() < until:
        began = time.perf_counter()
        answer = stub.SubmitEnrichedSQL(question)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.HasField("skip_execution")
        time.sleep(PAUSE_SECONDS)
    return took


def _ended(channel: grpc.Channel, request: SubmitEnrichedSQLRequest) -> str:
    try:
        answer = SQLStub(channel).SubmitEnrichedSQL(request, timeout=60, metadata=(("x-request-id", uuid4().hex),))
        ticket = answer.ready_to_execute.request_id
        confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT)
        confirmed = ExecutionStub(channel).ConfirmExecution(confirmation, timeout=60)
    except grpc.RpcError as error:
        return f"{error.code().name} ({str(error.details())[:80]})"
    return "confirmed" if confirmed.success else "not confirmed"


if __name__ == "__main__":
    sys.exit(main())
