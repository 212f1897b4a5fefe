"""One thread that writes: it takes what has queued up and commits it in one transaction, so that many concurrent
changes share one sync of the disk. `local` says what a change is.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dbt_state_oss.errors import DbtStateError, StoreUnavailable
from dbt_state_oss.stores.database import Database, OpenDatabase
from dbt_state_oss.stores.sqlite_errors import explain

Write = Callable[[sqlite3.Connection], None]
"""Changes rows, or raises an error of this project before it has changed any."""

QUEUE_LENGTH = 1024
"""Changes that wait or are being committed; whoever comes then waits for a place."""
BATCH_CHANGES = 256
BATCH_BYTES = 8 << 20
"""A transaction takes no further change once it holds this many bytes."""


@dataclass(slots=True)
class _Request:
    change: Write
    size: int
    outcome: asyncio.Future[None]
    failure: Exception | None = field(default=None)


class GroupCommit:
    """Runs changes one after the other, many to a transaction; belongs to the event loop that made it.

    Each change succeeds or fails on its own: a change that raises leaves the rest of its transaction alone, and when a
    transaction fails, each of its changes gets one of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open: OpenDatabase | None = None
        self._loop = asyncio.get_running_loop()
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._places = asyncio.Semaphore(QUEUE_LENGTH)
        self._closed = False
        self._commits = 0
        self._thread = threading.Thread(target=self._run, name="local-store-writer", daemon=True)
        self._thread.start()

    @property
    def commits(self) -> int:
        """Transactions committed so far."""
        return self._commits

    async def run(self, change: Write, *, size: int) -> None:
        """Commit `change`; `size` is its weight in bytes. Returns when it is durable.

        Cancelled, it has happened wholly or not at all. Raises what the change raises, `StoreReadOnly`,
        `StoreUnavailable`.
        """
        await self._places.acquire()
        if self._closed:
            self._places.release()
            raise StoreUnavailable("the local store is closed")
        request = _Request(change, size, self._loop.create_future())
        self._requests.put(request)
        await request.outcome

    async def close(self) -> None:
        """Finish what was queued and end the thread. May be called twice."""
        if not self._closed:
            self._closed = True
            self._requests.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._commit(batch)
                self._report(batch)
        finally:
            self._drop_connection()

    def _next_batch(self) -> list[_Request] | None:
        """Everything that waits, at least one change, within the limits; None at the end."""
        request = self._requests.get()
        batch: list[_Request] = []
        size = 0
        while request is not None:
            batch.append(request)
            size += request.size
            if len(batch) == BATCH_CHANGES or size >= BATCH_BYTES:
                return batch
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._requests.put(None)
        return batch or None

    def _commit(self, batch: Sequence[_Request]) -> None:
        """Commit the batch, or set its requests' failures. A connection that failed is not used again."""
        try:
            self._transact(batch)
        except DbtStateError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._drop_connection()
            if len(batch) > 1:
                for request in batch:
                    request.failure = None
                    self._commit([request])
                return
            explained = explain(error, self._database.path)
            explained.__cause__ = error
            _fail(batch, explained)

    def _transact(self, batch: Iterable[_Request]) -> None:
        with self._database.exclusive():
            connection = self._begin()
            for request in batch:
                if request.outcome.cancelled():
                    continue
                try:
                    request.change(connection)
                except DbtStateError as error:
                    request.failure = error
            connection.execute("COMMIT")
            self._commits += 1

    def _begin(self) -> sqlite3.Connection:
        """A connection in a write transaction. What fails here would fail for each request alone too, after as long."""
        if self._open is None or not self._open.is_current():
            self._drop_connection()
            self._open = self._database.connect(busy_timeout=self._database.lock_timeout)
        try:
            self._open.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._drop_connection()
            raise explain(error, self._database.path) from error
        return self._open.connection

    def _drop_connection(self) -> None:
        dropped, self._open = self._open, None
        if dropped is not None:
            dropped.close()

    def _report(self, batch: list[_Request]) -> None:
        with suppress(RuntimeError):  # the loop is gone, and whoever waited with it
            self._loop.call_soon_threadsafe(self._settle, batch)

    def _settle(self, batch: Iterable[_Request]) -> None:
        for request in batch:
            self._places.release()
            if request.outcome.done():
                continue
            if request.failure is None:
                request.outcome.set_result(None)
            else:
                request.outcome.set_exception(request.failure)


def _fail(batch: Iterable[_Request], error: DbtStateError) -> None:
    """Each its own copy: an exception that several tasks raise would gather all their tracebacks."""
    for request in batch:
        request.failure = type(error)(*error.args)
        request.failure.__cause__ = error.__cause__
