"""Computes fingerprints in worker processes, so that no parse can block the event loop or crash the server (rule L8).

Bootstrap creates it, and the `Workers` port is its interface. The rules about SQL are in the domain. This file only decides
where and how long they run.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import synchronize
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ParamSpec, TypeVar

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.parse_worker import prepare_worker
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, raw_digest
from dbt_state_oss.domain.sql.fingerprinting import (
    fallback_fingerprint,
    fingerprint,
    unread_fingerprint,
)
from dbt_state_oss.domain.submission import Code

P = ParamSpec("P")
T = TypeVar("T")

_TASKS_PER_WORKER = 5_000
_LONGEST_FALLBACK_SCAN = 512 * 1024
"""The longest text, in characters, that a thread of the server scans if no worker could parse it in time."""
_POLL_SECONDS = 0.02
"""The time between two checks of which workers have started."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ParsingLimits:
    """The limits of parsing. Times are in seconds."""

    workers: int = min(4, os.cpu_count() or 1)
    parse_seconds: float = 10.0
    """The longest time for one text, from the moment that a worker takes it."""
    patience_seconds: float = 20.0
    """The longest time for one request, including the wait for a worker. It is well within a client's deadline."""
    waiting: int = 1_024
    """The most texts that may wait for a worker. Further texts are not parsed."""
    remembered: int = 4_096
    """The most fingerprints in memory, by the digest of the raw code."""


class WorkerProcesses:
    """Computes fingerprints in a pool of worker processes. By the port's contract it never fails.

    A text gets a fallback fingerprint if parsing takes too long, too many texts wait, or its worker dies. A thread of this
    process computes the fallback without parsing. Equal texts that are requested at the same time are parsed once.
    """

    def __init__(self, limits: ParsingLimits | None = None) -> None:
        self._limits = limits or ParsingLimits()
        self._pool: ProcessPool | None = None
        self._context = _PoolContext()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._remembered: OrderedDict[str, Fingerprint] = OrderedDict()
        self._running: dict[str, asyncio.Task[Fingerprint]] = {}
        self._parses: set[asyncio.Future[Any]] = set()

    async def warm(self, *, within_seconds: float) -> None:
        """Start the workers and wait until all are ready. A failure is only logged: the workers then start on demand."""
        ready: set[int] = set()
        cause = "not all workers started in time"
        try:
            async with asyncio.timeout(within_seconds):
                while missing := self._limits.workers - len(ready):
                    pids = [self._result(self._living_pool().schedule(os.getpid)) for _ in range(missing)]
                    for answer in await asyncio.gather(*pids, return_exceptions=True):
                        if isinstance(answer, int):
                            ready.add(answer)
                        else:
                            cause = f"{type(answer).__name__}: {answer}"
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            _log.warning("parse_workers_not_ready", seconds=within_seconds, cause=cause)
        except (RuntimeError, OSError) as error:
            _log.warning("parse_workers_not_ready", seconds=within_seconds, cause=f"{type(error).__name__}: {error}")

    async def fingerprint(self, code: Code) -> Fingerprint:
        """Return the code's fingerprint, or a fallback fingerprint if it cannot be parsed in time."""
        digest = await by_size(code.weight, raw_digest, code)
        known = self._remembered.get(digest)
        if known is not None:
            self._remembered.move_to_end(digest)
            return known
        task = self._running.get(digest)
        if task is None:
            if self._closed or len(self._running) >= self._limits.waiting:
                return await _fallback(code, digest)
            task = asyncio.create_task(self._parse(digest, code))
            self._running[digest] = task
        try:
            async with asyncio.timeout(self._limits.patience_seconds):
                return await asyncio.shield(task)
        except TimeoutError:
            if self._pool is not None and not self._pool.active:
                self._drop_pool()
            return await _fallback(code, digest)

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Run `work` in a worker, within the time limit of one text, and return its result. See the `Workers` port."""
        try:
            future = self._living_pool().schedule(
                work, args=arguments, kwargs=named, timeout=self._limits.parse_seconds
            )
            return await self._result(future)
        except (TimeoutError, ProcessExpired, asyncio.CancelledError, RuntimeError, OSError):
            return None

    async def close(self) -> None:
        """Stop the workers. Running parses get a fallback fingerprint. May be called twice."""
        self._closed = True
        self._drop_pool()
        await asyncio.gather(*self._ending, *self._running.values())

    async def _parse(self, digest: str, code: Code) -> Fingerprint:
        try:
            future = self._living_pool().schedule(fingerprint, args=(code,), timeout=self._limits.parse_seconds)
            result = await self._result(future)
        except TimeoutError:
            result = await _fallback(code, digest)
        except (ProcessExpired, asyncio.CancelledError, RuntimeError, OSError):
            return await _fallback(code, digest)
        finally:
            self._running.pop(digest, None)
        self._remember(digest, result)
        return result

    async def _result(self, future: ProcessFuture[T]) -> T:
        parse = asyncio.wrap_future(future)
        self._parses.add(parse)
        try:
            return await parse
        finally:
            self._parses.discard(parse)

    def _living_pool(self) -> ProcessPool:
        """Return the pool, or a new one if the pool is broken, for example because an idle worker was killed."""
        if self._closed:
            raise RuntimeError("closed")
        if self._pool is None or not self._pool.active:
            self._drop_pool()
            self._context = _PoolContext()
            self._pool = ProcessPool(
                max_workers=self._limits.workers,
                max_tasks=_TASKS_PER_WORKER,
                initializer=prepare_worker,
                context=self._context,
            )
        return self._pool

    def _drop_pool(self) -> None:
        """Stop the pool and cancel its parses, because a stopped or broken pool leaves some of them unanswered."""
        for parse in list(self._parses):
            parse.cancel()
        pool, self._pool = self._pool, None
        if pool is not None:
            ending = asyncio.create_task(asyncio.to_thread(_end, pool, self._context))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _remember(self, digest: str, result: Fingerprint) -> None:
        self._remembered[digest] = result
        while len(self._remembered) > self._limits.remembered:
            self._remembered.popitem(last=False)


async def _fallback(code: Code, digest: str) -> Fingerprint:
    """Return a fallback fingerprint, computed in this process.

    A text above the limit is not scanned, because that would delay other calls and take too long.
    """
    if code.weight > _LONGEST_FALLBACK_SCAN:
        return unread_fingerprint(code, digest)
    return await asyncio.to_thread(fallback_fingerprint, code)


class _PoolContext(SpawnContext):
    """Starts the workers of one pool. A new process is spawned, since the server runs gRPC's threads and cannot be forked.

    A pool that stops deletes its locks and does not wait for workers that are still starting. Such a worker would fail to
    open the locks and print a traceback. So this keeps the locks until `end_workers` has ended every worker.
    """

    def __init__(self) -> None:
        self._locks: list[synchronize.RLock] = []
        self._workers: list[SpawnProcess] = []

    def RLock(self) -> synchronize.RLock:  # noqa: N802 - the name is the context's
        lock = super().RLock()
        self._locks.append(lock)
        return lock

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override] # noqa: N802 - likewise
        self._workers = [worker for worker in self._workers if worker.is_alive()]
        worker = SpawnProcess(*arguments, **named)
        self._workers.append(worker)
        return worker

    def end_workers(self) -> None:
        """Terminate the workers that still run, and wait for their end."""
        for worker in self._workers:
            if worker.is_alive():
                worker.terminate()
                worker.join()


def _end(pool: ProcessPool, context: _PoolContext) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()
    context.end_workers()
