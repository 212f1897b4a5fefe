"""Threads of one dbt run, as the client makes them: one channel, which repeats a call only where it is UNAVAILABLE."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any
from uuid import uuid4

import grpc
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.questions import BUILT_AT, TOTALS, table_model

THREADS = 16
CALL_SECONDS = 60.0

_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "1s",
                "maxBackoff": "10s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


class BusyClient(AbstractContextManager["BusyClient"]):
    """Asks and confirms from many threads for as long as the block lasts; counts what the calls end with."""

    def __init__(self, address: str, *, threads: int = THREADS, pause_seconds: float = 0.0) -> None:
        """The last thread rests `pause_seconds` between its questions, the others less, the first one not at all."""
        options = [
            ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
            ("grpc.enable_retries", 1),
            ("grpc.enable_http_proxy", 0),
            # The successor on a port is there after a second or two; a longer pause would be the client's own.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        ]
        self._channel = grpc.insecure_channel(address, options=options)
        self._pause = pause_seconds
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.ended: Counter[str] = Counter()
        """Calls by the name of their status."""
        self.details: Counter[str] = Counter()
        """Calls that failed, by status and details."""
        self.slowest_seconds = 0.0
        self._answered = [0] * threads
        """By thread, the calls that ended OK."""
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]

    def __enter__(self) -> BusyClient:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._channel.close()

    def wait_for_calls(self, count: int) -> None:
        """Wait until every thread has been answered OK so many times more: no call of before is under way any longer."""
        enough = [answered + count for answered in self._answered]
        while any(answered < each for answered, each in zip(self._answered, enough, strict=True)):
            time.sleep(0.005)

    def _work(self, number: int) -> None:
        sql, execution = SQLStub(self._channel), ExecutionStub(self._channel)
        question = table_model(own_epoch=BUILT_AT)
        question.target_table = TOTALS.replace("order_totals", f"totals_{number}")
        question.tables.add(name=question.target_table, last_modified_epoch=BUILT_AT)
        while not self._over.is_set():
            answer = self._call(number, sql.SubmitEnrichedSQL, question)
            if answer is not None and answer.HasField("ready_to_execute"):
                ticket = answer.ready_to_execute.request_id
                confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT)
                self._call(number, execution.ConfirmExecution, confirmation)
            self._over.wait(self._pause * number / THREADS)

    def _call(self, number: int, method: Callable[..., Any], request: object) -> Any:
        began = time.monotonic()
        try:
            answer = method(request, timeout=CALL_SECONDS, metadata=(("x-request-id", uuid4().hex),))
            status, details = "OK", ""
        except grpc.RpcError as error:
            answer, status, details = None, error.code().name, str(error.details())
        with self._lock:
            self.ended[status] += 1
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
            if status == "OK":
                self._answered[number] += 1
            else:
                self.details[f"{status}: {details[:120]}"] += 1
        return answer
