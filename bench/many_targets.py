"""How much memory a server takes that knows 100,000 targets: after their builds, and after each was found unchanged.

    .venv/bin/python bench/many_targets.py [--targets 100000]

Every target is built and confirmed, then asked about again, from sixteen threads, on a local store with default settings.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import grpc
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitSQLResponse
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cli.questions import BUILT_AT
from tests.durability.killable_server import KillableServer
from tests.durability.questions import model, seed

CALLERS = 16
STEP = 10_000
MODELS_EACH = 10
"""One target of so many is a model, which is parsed; the others are seeds."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=100_000)
    targets = parser.parse_args().targets
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix=".targets-") as name:
        server = KillableServer(Path(name))
        server.start()
        try:
            with grpc.insecure_channel(server.address) as channel:
                grpc.channel_ready_future(channel).result(60)
                print(f"{'':>24}{'server, MiB':>12}{'file, MiB':>12}{'seconds':>10}")
                _print("started", server.pid, Path(name), 0)
                _pass("built", server, Path(name), targets, lambda number: _built(channel, number))
                _pass("unchanged", server, Path(name), targets, lambda number: _unchanged(channel, number))
        finally:
            server.close()
    return 0


def _pass(what: str, server: KillableServer, directory: Path, targets: int, call: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(CALLERS) as threads:
        for begin in range(0, targets, STEP):
            began = time.monotonic()
            _all(threads.map(call, range(begin, min(begin + STEP, targets))))
            done = min(begin + STEP, targets)
            _print(f"{done:,} {what}", server.pid, directory, time.monotonic() - began)


def _all(calls: Iterable[None]) -> None:
    for _ in calls:
        pass


def _ask(channel: grpc.Channel, number: int, own_epoch: int | None) -> SubmitSQLResponse:
    """Ask about a target; its decision id is of a session with a thousand others."""
    metadata = (("x-request-id", uuid4().hex), ("x-session-id", f"run-{number // 1000}"))
    stub, name = SQLStub(channel), f"totals_{number}"
    if number % MODELS_EACH == 0:
        question = model(name, factor=number, source_epoch=BUILT_AT - 1, own_epoch=own_epoch)
        answer: SubmitSQLResponse = stub.SubmitEnrichedSQL(question, metadata=metadata)
        return answer
    values = seed(name, content=str(number))
    if own_epoch is not None:
        values.last_modified_epoch = own_epoch
    seeded: SubmitSQLResponse = stub.SubmitValues(values, metadata=metadata)
    return seeded


def _built(channel: grpc.Channel, number: int) -> None:
    ticket = _ask(channel, number, None).ready_to_execute.request_id
    confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT)
    assert ExecutionStub(channel).ConfirmExecution(confirmation).success


def _unchanged(channel: grpc.Channel, number: int) -> None:
    assert _ask(channel, number, BUILT_AT).HasField("skip_execution"), number


def _print(what: str, pid: int, directory: Path, seconds: float) -> None:
    resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    size = sum(path.stat().st_size for path in directory.rglob("state.sqlite3*"))
    print(f"{what:>24}{int(resident.split()[1]) / 1024:12,.0f}{size / 1024 / 1024:12,.0f}{seconds:10.0f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
