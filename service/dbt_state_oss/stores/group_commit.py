"""Commits queued changes in groups: one writer thread commits all waiting changes in one transaction.

So many concurrent changes share one sync of the disk. `local` defines the changes.
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
"""Changes rows, or raises an error of this project before it changes any."""

QUEUE_LENGTH = 1024
"""The most changes that wait or are being committed. Further callers wait for a free slot."""
BATCH_CHANGES = 256
BATCH_BYTES = 8 << 20
"""A transaction takes no more changes once it holds this many bytes."""


@dataclass(slots=True)
class _Request:
    change: Write
    size: int
    outcome: asyncio.Future[None]
    failure: Exception | None = field(default=None)


class GroupCommit:
    """Runs changes one after the other, many in one transaction. Use it only on the event loop that created it.

    Each change succeeds or fails on its own: a change that raises does not affect the rest of its transaction. If a
    transaction fails, each of its changes is retried in its own transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open: OpenDatabase | None = None
        self._loop = asyncio.get_running_loop()
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._slots = asyncio.Semaphore(QUEUE_LENGTH)
        self._closed = False
        self._commits = 0
        self._thread = threading.Thread(target=self._run, name="local-store-writer", daemon=True)
        self._thread.start()

    @property
    def commits(self) -> int:
        """The number of transactions committed so far."""
        return self._commits

    async def run(self, change: Write, *, size: int) -> None:
        """Commit `change` and return when it is durable. `size` is its size in bytes.

        If the call is cancelled, the change has happened completely or not at all. Raises what the change raises, and the
        store's errors, such as `StoreReadOnly` and `StoreUnavailable`.
        """
        await self._slots.acquire()
        if self._closed:
            self._slots.release()
            raise StoreUnavailable("the local store is closed")
        request = _Request(change, size, self._loop.create_future())
        self._requests.put(request)
        await request.outcome

    async def close(self) -> None:
        """Finish the queued changes and end the thread. May be called twice."""
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
        """Wait for a change, and return all waiting changes within the limits. Return None at the end."""
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
        """Commit the batch, or set the failures of its requests. A failed connection is not used again."""
        try:
            self._transact(batch)
        except DbtStateError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - the waiting callers must get every error
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
        """Return a connection in a write transaction.

        Errors here count for the whole batch: each request alone would fail in the same way, after the same time.
        """
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
        with suppress(RuntimeError):  # the event loop is closed, so no caller waits
            self._loop.call_soon_threadsafe(self._settle, batch)

    def _settle(self, batch: Iterable[_Request]) -> None:
        for request in batch:
            self._slots.release()
            if request.outcome.done():
                continue
            if request.failure is None:
                request.outcome.set_result(None)
            else:
                request.outcome.set_exception(request.failure)


def _fail(batch: Iterable[_Request], error: DbtStateError) -> None:
    """Set a copy of the error for each request: an exception that several tasks raise would collect all their tracebacks."""
    for request in batch:
        request.failure = type(error)(*error.args)
        request.failure.__cause__ = error.__cause__
