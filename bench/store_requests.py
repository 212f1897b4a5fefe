"""How many requests the server makes to an object store, seen on the way there, and how many each call may cost.

    .venv/bin/python bench/store_requests.py

A real server process keeps its state on a real S3 server behind a proxy. Nodes are asked about as dbt does, many at once; what
the server writes in the background is shared out among them. Exits with 1 if a bound below is broken.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.explain_service_pb2 import GetExplainMessagesRequest
from query_cache_protobuf.query_cache.services.explain_service_pb2_grpc import ExplainStub
from query_cache_protobuf.query_cache.services.selector_service_pb2 import SelectorRequest
from query_cache_protobuf.query_cache.services.selector_service_pb2_grpc import SelectorServiceStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest, SubmitSQLResponse
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.durability.killable_server import KillableServer
from tests.emulators.proxy import Proxy
from tests.emulators.running import SHARED_BUCKET, Emulators, s3_variables
from tests.protocol.recordings import recorded_requests

MOST_OF_UNCHANGED = 1.0
MOST_PUTS_OF_BUILD = 3.0
MOST_OF_SELECTION = 40
MOST_OF_EXPLAIN = 5

NODES = 600
SELECTED = 10_000
EXPLAINED = 50
HISTORY = 30
THREADS = 8
QUIET_SECONDS = 5.0
"""Without a request for so long, nothing more comes in the background: longer than the server gathers what it writes."""
PREFIX = "state"
SOURCE = '"shop"."raw"."orders"'
IN_BACKGROUND = ("journal", "nodes", "projects")
METADATA = (("x-session-id", "bench"),)

T = TypeVar("T")
Requests = Counter[tuple[str, str]]
"""By method and kind of document."""


@dataclass(frozen=True, slots=True)
class Node:
    """A table; `build` counts how often its source has moved, 0 before its first build."""

    name: str
    build: int = 0

    def question(self, *, moved: bool) -> SubmitEnrichedSQLRequest:
        """The recorded request about this table as it stands, its source `moved` on since or not."""
        request = recorded_requests("table_over_staging_view", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)[-1]
        written, request.target_table = request.target_table, f'"shop"."prod"."{self.name}"'
        request.sql = request.sql.replace(" as total", f" as {self.name}", 1)  # a logic of its own, as models have
        request.freshness_tolerance_seconds = 0
        request.dbt_node_state.node_unique_id = f"model.shop.{self.name}"
        for table in request.tables:
            if table.name == SOURCE:
                table.last_modified_epoch = self.build + moved
            elif table.name == written:
                table.name = request.target_table
                table.ClearField("last_modified_epoch")
                if self.build:
                    table.last_modified_epoch = self.build
        return request


class Client:
    """Blocking calls on one channel."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        grpc.channel_ready_future(self._channel).result(30)
        self._sql = SQLStub(self._channel)
        self._execution = ExecutionStub(self._channel)
        self._explain = ExplainStub(self._channel)
        self._selector = SelectorServiceStub(self._channel)

    def build(self, node: Node) -> Node:
        """Ask about a node whose source has moved on, and confirm its build."""
        answer = self._sql.SubmitEnrichedSQL(node.question(moved=True), metadata=METADATA)
        built = Node(node.name, node.build + 1)
        ticket = answer.ready_to_execute.request_id
        assert ticket, f"it was not built: {answer}"
        self._execution.ConfirmExecution(ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=built.build))
        return built

    def skip(self, node: Node) -> str:
        """Ask about a node as it is; the id of the decision."""
        answer: SubmitSQLResponse = self._sql.SubmitEnrichedSQL(node.question(moved=False), metadata=METADATA)
        assert answer.WhichOneof("response") == "skip_execution", answer
        return answer.skip_execution.execution_decision_id

    def explain(self, decisions: Iterable[str]) -> int:
        """How many of the decisions could be explained."""
        asked = GetExplainMessagesRequest(execution_decision_ids=decisions)
        return len(self._explain.GetExplainMessages(asked).messages)

    def select(self, names: Iterable[str]) -> int:
        """How many of these nodes are modified."""
        request = recorded_requests("state_modified_selection", "SelectorService/GetStateSelection", SelectorRequest)[0]
        example = request.nodes.pop()
        del request.nodes[:]
        for name in names:
            request.nodes.add().CopyFrom(example)
            request.nodes[-1].node_unique_id = f"model.shop.{name}"
        return len(self._selector.GetStateSelection(request).node_unique_ids)

    def close(self) -> None:
        self._channel.close()


class Watch:
    """Reads what passes through the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def requests(self, work: Callable[[], T]) -> tuple[Requests, T]:
        """What `work` and all that goes on behind it asked of the store; the health check of every few seconds aside."""
        begin = len(self._proxy.seen)
        result = work()
        known, since = self._count(begin), time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            time.sleep(0.1)
            if (now := self._count(begin)) != known:
                known, since = now, time.monotonic()
        return known, result

    def _count(self, begin: int) -> Requests:
        return Counter(
            (method, kind) for method, path in self._proxy.seen[begin:] if (kind := _kind(path)) != "_server"
        )


def _kind(path: str) -> str:
    """What a request is about: the kind of document, from `/bucket/prefix/organization/kind/…`, or a listing."""
    name, _, query = path.partition("?")
    if "list-type" in query:
        return "list"
    organization, _, rest = name.removeprefix(f"/{SHARED_BUCKET}/{PREFIX}/").partition("/")
    return "_server" if organization == "_server" else rest.partition("/")[0]


def measure(directory: Path) -> bool:
    """Print what was counted; whether all bounds hold."""
    emulators = Emulators(directory)
    proxy = Proxy(emulators.seaweedfs.endpoint)
    try:
        return _measure(directory, proxy)
    finally:
        proxy.stop()
        emulators.stop()


def _measure(directory: Path, proxy: Proxy) -> bool:
    watch = Watch(proxy)
    settings = s3_variables(proxy.endpoint, SHARED_BUCKET, PREFIX)
    with (
        closing(KillableServer(directory / "one", settings=settings)) as server,
        closing(KillableServer(directory / "other", settings=settings)) as other,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        server.start()
        other.start()
        with closing(Client(server.address)) as client, closing(Client(other.address)) as elsewhere:
            fresh = [Node(f"n{number}") for number in range(NODES)]
            first, nodes = watch.requests(lambda: list(threads.map(client.build, fresh)))
            unchanged, decisions = watch.requests(lambda: list(threads.map(client.skip, nodes)))
            again, nodes = watch.requests(lambda: list(threads.map(client.build, nodes)))
            old, _ = watch.requests(lambda: _often(client, Node("old"), HISTORY))
            long_build, node = watch.requests(lambda: client.build(Node("old", HISTORY)))
            long_skip, _ = watch.requests(lambda: client.skip(node))
            explained, found = watch.requests(lambda: elsewhere.explain(decisions[:EXPLAINED]))
            assert found == EXPLAINED, f"{found} of {EXPLAINED} decisions could be explained"
            selected, count = watch.requests(lambda: elsewhere.select(f"n{number}" for number in range(SELECTED)))
            assert SELECTED - NODES <= count <= SELECTED, count
        server.terminate()
        other.terminate()
    print(f"{'requests':44}{'each':>8}   of these")
    _tell("first build, submit to confirm", first, NODES)
    _tell("unchanged", unchanged, NODES)
    _tell("a build again", again, NODES)
    _tell(f"the builds of one node, {HISTORY} times", old, HISTORY)
    _tell("its next build", long_build)
    _tell("unchanged after that", long_skip)
    _tell(f"explain {EXPLAINED} decisions, elsewhere", explained)
    _tell(f"select among {SELECTED:,} nodes, elsewhere", selected)
    on_the_path = sum(count for (_, kind), count in unchanged.items() if kind not in IN_BACKGROUND)
    bounds = {
        f"unchanged: {on_the_path / NODES:.2f} before the answer (at most {MOST_OF_UNCHANGED:g})": on_the_path
        <= MOST_OF_UNCHANGED * NODES,
        f"first build: {_puts(first) / NODES:.2f} puts (at most {MOST_PUTS_OF_BUILD:g})": _puts(first)
        <= MOST_PUTS_OF_BUILD * NODES,
        f"a build again: {_puts(again) / NODES:.2f} puts (at most {MOST_PUTS_OF_BUILD:g})": _puts(again)
        <= MOST_PUTS_OF_BUILD * NODES,
        f"selection: {selected.total()} (at most {MOST_OF_SELECTION})": selected.total() <= MOST_OF_SELECTION,
        f"explain: {explained.total()} (at most {MOST_OF_EXPLAIN})": explained.total() <= MOST_OF_EXPLAIN,
        "no more after a long history": _path(long_skip) <= MOST_OF_UNCHANGED
        and _path(long_build) <= _path(again) / NODES + 0.5,
    }
    print()
    for text, holds in bounds.items():
        print(f"{'ok  ' if holds else 'FAIL'}  {text}")
    return all(bounds.values())


def _often(client: Client, node: Node, times: int) -> Node:
    for _ in range(times):
        node = client.build(node)
    return node


def _puts(requests: Requests) -> int:
    return sum(count for (method, _), count in requests.items() if method == "PUT")


def _path(requests: Requests) -> int:
    """Those that an answer waited for."""
    return sum(count for (_, kind), count in requests.items() if kind not in IN_BACKGROUND)


def _tell(what: str, requests: Requests, times: int = 1) -> None:
    parts = ", ".join(f"{method} {kind} {count / times:.2f}" for (method, kind), count in sorted(requests.items()))
    print(f"{what:44}{requests.total() / times:8.2f}   {parts}")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bench-requests-") as name:
        return 0 if measure(Path(name)) else 1


if __name__ == "__main__":
    sys.exit(main())
