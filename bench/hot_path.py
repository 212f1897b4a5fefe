"""What an unchanged submit costs, as a multiple of an empty call to the same server in the same run.

    .venv/bin/python bench/hot_path.py [DIRECTORY]

The request is one that a real client sent. The server is a real process with default settings, on a fresh store in
DIRECTORY: name one on a disk; it is beside this file by default. Exits with 1 if a bound below is broken.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import grpc
from query_cache_protobuf.query_cache.services.client_validation_service_pb2 import ValidateClientVersionRequest
from query_cache_protobuf.query_cache.services.client_validation_service_pb2_grpc import ClientValidationStub
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.durability.killable_server import KillableServer
from tests.protocol.recordings import recorded_requests

MOST_OF_EMPTY = 3.0
MOST_OF_SHORT_HISTORY = 1.2

MOST_PARSING = 0.02

LONG_HISTORY = 1_000
NEW_QUERIES = 50
WARM_UP = 300
ROUNDS = 3_000
CALLERS = 16
CONCURRENT_CALLS = 2_000
CONCURRENT_ROUNDS = 5
LARGE_SQL_BYTES = 11_000
SOURCE = '"shop"."raw"."orders"'

EMPTY, SHORT, LONG, LARGE = (
    "empty call",
    "unchanged, 1 build",
    f"unchanged, {LONG_HISTORY:,} builds",
    "unchanged, 11 kB SQL",
)

Calls = Mapping[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Node:
    """A table as it was built last; `sql` None is the query as recorded."""

    name: str
    sql: str | None = None
    source_epoch: int = 1
    own_epoch: int | None = None

    def question(self) -> SubmitEnrichedSQLRequest:
        """The recorded request about this table, without a lag tolerance."""
        request = recorded_requests("table_over_staging_view", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)[-1]
        written, request.target_table = request.target_table, f'"shop"."prod"."{self.name}"'
        for table in request.tables:
            if table.name == SOURCE:
                table.last_modified_epoch = self.source_epoch
            elif table.name == written:
                table.name = request.target_table
                table.ClearField("last_modified_epoch")
                if self.own_epoch is not None:
                    table.last_modified_epoch = self.own_epoch
        request.sql = self.sql or request.sql
        request.freshness_tolerance_seconds = 0
        return request


class Client:
    """Blocking calls on one channel, as dbt's threads make them."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        grpc.channel_ready_future(self._channel).result(30)
        self._sql = SQLStub(self._channel)
        self._execution = ExecutionStub(self._channel)
        self._validation = ClientValidationStub(self._channel)

    def build(self, name: str, *, times: int, sql: str | None = None) -> tuple[Node, list[float]]:
        """Build a table whenever its source has moved on; the table, and the seconds that each confirm took."""
        node, seconds = Node(name, sql), []
        for number in range(1, times + 1):
            question = Node(name, sql, source_epoch=number, own_epoch=node.own_epoch).question()
            ticket = self._sql.SubmitEnrichedSQL(question).ready_to_execute.request_id
            confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=number)
            began = perf_counter()
            self._execution.ConfirmExecution(confirmation)
            seconds.append(perf_counter() - began)
            node = Node(name, sql, source_epoch=number, own_epoch=number)
        return node, seconds

    def empty(self) -> Callable[[], object]:
        request = ValidateClientVersionRequest(dbt_run_cache_version="2.62.3")
        return lambda: self._validation.ValidateClientVersion(request)

    def unchanged(self, node: Node) -> Callable[[], object]:
        """A call that asks about the node as it is; the answer must be a skip."""
        request, submit = node.question(), self._sql.SubmitEnrichedSQL

        def call() -> None:
            assert submit(request).WhichOneof("response") == "skip_execution"

        return call

    def never_seen(self) -> Callable[[], object]:
        numbers = count()
        return lambda: self._sql.SubmitEnrichedSQL(Node("never_seen", f"select {next(numbers)} as one").question())

    def close(self) -> None:
        self._channel.close()


def large_sql() -> str:
    """The recorded query with many columns more."""
    recorded = Node("any").question().sql
    columns, number = "", 0
    while len(columns) < LARGE_SQL_BYTES:
        number += 1
        columns += f", sum(case when o.amount > {number} then o.amount else 0 end) as over_{number}"
    return recorded.replace(" as total", f" as total{columns}", 1)


def sequential(calls: Calls, rounds: int) -> Mapping[str, list[float]]:
    """Seconds of each call, taken in turns and in changing order, so that drift meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for _ in range(rounds):
        random.shuffle(names)
        for name in names:
            began = perf_counter()
            calls[name]()
            seconds[name].append(perf_counter() - began)
    return seconds


def concurrent(calls: Calls) -> Mapping[str, float]:
    """Median calls in a second with `CALLERS` threads, the calls taken in turns."""
    rates: dict[str, list[float]] = {name: [] for name in calls}
    with ThreadPoolExecutor(CALLERS) as threads:
        for _ in range(CONCURRENT_ROUNDS):
            for name, call in calls.items():
                began = perf_counter()
                for done in [threads.submit(call) for _ in range(CONCURRENT_CALLS)]:
                    done.result()
                rates[name].append(CONCURRENT_CALLS / (perf_counter() - began))
    return {name: median(each) for name, each in rates.items()}


def parse_seconds(pid: int) -> float | None:
    """Processor time of the processes that a server has started, which parse for it. None where the system does not tell."""
    listings = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    children = [child for listing in listings for child in listing.split()]
    if not children:
        return None
    return sum(int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) for child in children) / 1e9


def measure(directory: Path) -> bool:
    """Print the table; whether all bounds hold."""
    with closing(KillableServer(directory)) as server:
        server.start()
        with closing(Client(server.address)) as client:
            nodes = {
                SHORT: client.build("built_once", times=1)[0],
                LARGE: client.build("built_once_large", times=1, sql=large_sql())[0],
            }
            nodes[LONG], confirms = client.build("built_often", times=LONG_HISTORY)
        server.terminate()
        server.start()  # has parsed nothing, remembers nothing
        with closing(Client(server.address)) as client:
            submits = {name: client.unchanged(nodes[name]) for name in (SHORT, LONG, LARGE)}
            sequential({EMPTY: client.empty(), **submits}, WARM_UP)
            before = parse_seconds(server.pid)
            seconds = sequential({EMPTY: client.empty(), **submits}, ROUNDS)
            rates = concurrent({EMPTY: client.empty(), LONG: submits[LONG]})
            after_unchanged = parse_seconds(server.pid)
            new = client.never_seen()
            for _ in range(NEW_QUERIES):
                new()
            after_new = parse_seconds(server.pid)
        server.terminate()
    ratios = _print_sequential(seconds)
    print(f"\nconfirm, durable      {median(confirms) * 1e3:8.3f} ms")
    print(f"{CALLERS} callers, calls/s   {rates[LONG]:8,.0f} unchanged, {rates[EMPTY]:,.0f} empty")
    if before is None or after_unchanged is None or after_new is None:
        return _verdict(ratios, None)
    asked = ROUNDS * len(submits) + CONCURRENT_CALLS * CONCURRENT_ROUNDS
    unchanged, parsed = (after_unchanged - before) / asked, (after_new - after_unchanged) / NEW_QUERIES
    print(f"parsing, each         {unchanged * 1e3:8.3f} ms unchanged, {parsed * 1e3:.3f} ms a new query")
    return _verdict(ratios, unchanged / parsed)


def _print_sequential(seconds: Mapping[str, list[float]]) -> Mapping[str, float]:
    """Print a line for each call; the ratios of the medians to the empty call's."""
    middle = {name: median(each) for name, each in seconds.items()}
    print(f"{'one caller':24}{'median':>10}{'p95':>10}{'/ empty':>10}")
    for name, each in seconds.items():
        p95 = quantiles(each, n=20)[-1]
        print(f"{name:24}{middle[name] * 1e3:7.3f} ms{p95 * 1e3:7.3f} ms{middle[name] / middle[EMPTY]:10.2f}")
    return {name: each / middle[EMPTY] for name, each in middle.items()}


def _verdict(ratios: Mapping[str, float], parsing: float | None) -> bool:
    """`parsing`: the parse workers' time for an unchanged submit, as a part of that for a new query."""
    growth, worst = ratios[LONG] / ratios[SHORT], max(ratios.values())
    bounds = {
        f"unchanged / empty        {worst:6.2f} (below {MOST_OF_EMPTY:g})": worst < MOST_OF_EMPTY,
        f"{LONG_HISTORY:,} builds / 1 build   {growth:6.2f} (below {MOST_OF_SHORT_HISTORY:g})": growth
        < MOST_OF_SHORT_HISTORY,
    }
    if parsing is None:
        print("\nthis system does not tell whether anything was parsed")
    else:
        bounds["no unchanged submit was parsed"] = parsing < MOST_PARSING
    print()
    for bound, holds in bounds.items():
        print(f"{'ok  ' if holds else 'FAIL'}  {bound}")
    return all(bounds.values())


def main() -> int:
    beside = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent
    with tempfile.TemporaryDirectory(dir=beside, prefix=".bench-") as name:
        return 0 if measure(Path(name)) else 1


if __name__ == "__main__":
    sys.exit(main())
