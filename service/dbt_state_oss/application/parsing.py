"""Fingerprints made in worker processes, so that no parse can hold up the event loop or take the server down (rule L8).

Built by bootstrap, used through the `Workers` port. Rules about SQL live in the domain; this file only decides where
and for how long they run.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
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

_TASKS_OF_A_WORKER = 5_000
_LONGEST_SCANNED_HERE = 512 * 1024
"""Characters of a text that no worker has read in time up to which it is scanned in a thread of the server."""
_LOOK_SECONDS = 0.02
"""Between two looks at which workers have started."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ParsingLimits:
    """How much parsing may cost. Times in seconds."""

    workers: int = min(4, os.cpu_count() or 1)
    parse_seconds: float = 10.0
    """For one text, from the moment that a worker takes it."""
    patience_seconds: float = 20.0
    """For one request, waiting included: well inside of a client's deadline."""
    waiting: int = 1_024
    """Texts that may wait for a worker; one more is not parsed."""
    remembered: int = 4_096
    """Fingerprints kept by the digest of their raw code."""


class WorkerProcesses:
    """Makes fingerprints in a pool of worker processes; the port's contract is that it never fails.

    A text that takes too long, that finds too many before it, or whose worker dies gets its fall-back fingerprint, made
    in a thread of this process without parsing. Equal texts that are asked for at once are parsed once.
    """

    def __init__(self, limits: ParsingLimits | None = None) -> None:
        self._limits = limits or ParsingLimits()
        self._pool: ProcessPool | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._remembered: OrderedDict[str, Fingerprint] = OrderedDict()
        self._running: dict[str, asyncio.Task[Fingerprint]] = {}
        self._parses: set[asyncio.Future[Any]] = set()

    async def warm(self, *, within_seconds: float) -> None:
        """Start the workers and wait until each has parsed. A failure is logged: the workers start when they are needed."""
        ready: set[int] = set()
        cause = "not all workers started in time"
        try:
            async with asyncio.timeout(within_seconds):
                while missing := self._limits.workers - len(ready):
                    asked = [self._result(self._living_pool().schedule(os.getpid)) for _ in range(missing)]
                    for answer in await asyncio.gather(*asked, return_exceptions=True):
                        if isinstance(answer, int):
                            ready.add(answer)
                        else:
                            cause = f"{type(answer).__name__}: {answer}"
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            _log.warning("parse_workers_not_ready", seconds=within_seconds, cause=cause)
        except (RuntimeError, OSError) as error:
            _log.warning("parse_workers_not_ready", seconds=within_seconds, cause=f"{type(error).__name__}: {error}")

    async def fingerprint(self, code: Code) -> Fingerprint:
        """The code's fingerprint; a fall-back kind where it cannot be parsed in time."""
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
        """What `work` returns, as the `Workers` port says: done in a worker, within the time that one text may take."""
        try:
            future = self._living_pool().schedule(
                work, args=arguments, kwargs=named, timeout=self._limits.parse_seconds
            )
            return await self._result(future)
        except (TimeoutError, ProcessExpired, asyncio.CancelledError, RuntimeError, OSError):
            return None

    async def close(self) -> None:
        """End the workers; parses that run get their fall-back. May be called twice."""
        self._closed = True
        self._drop_pool()
        await asyncio.gather(*self._ending, *self._running.values())
        await asyncio.to_thread(_end_late_starters)

    async def _parse(self, digest: str, code: Code) -> Fingerprint:
        try:
            future = self._living_pool().schedule(fingerprint, args=(code,), timeout=self._limits.parse_seconds)
            made = await self._result(future)
        except TimeoutError:
            made = await _fallback(code, digest)
        except (ProcessExpired, asyncio.CancelledError, RuntimeError, OSError):
            return await _fallback(code, digest)
        finally:
            self._running.pop(digest, None)
        self._remember(digest, made)
        return made

    async def _result(self, future: ProcessFuture[T]) -> T:
        parse = asyncio.wrap_future(future)
        self._parses.add(parse)
        try:
            return await parse
        finally:
            self._parses.discard(parse)

    def _living_pool(self) -> ProcessPool:
        """The pool; a new one where it has broken, as it does when an idle worker is killed."""
        if self._closed:
            raise RuntimeError("closed")
        if self._pool is None or not self._pool.active:
            self._drop_pool()
            self._pool = ProcessPool(
                max_workers=self._limits.workers,
                max_tasks=_TASKS_OF_A_WORKER,
                initializer=prepare_worker,
                # The parent holds gRPC's threads, which a fork would copy in mid-air.
                context=multiprocessing.get_context("spawn"),
            )
        return self._pool

    def _drop_pool(self) -> None:
        """End the pool and give up on its parses: a pool that ends or breaks leaves some of them unanswered."""
        for parse in list(self._parses):
            parse.cancel()
        pool, self._pool = self._pool, None
        if pool is not None:
            ending = asyncio.create_task(asyncio.to_thread(_end, pool))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _remember(self, digest: str, made: Fingerprint) -> None:
        self._remembered[digest] = made
        while len(self._remembered) > self._limits.remembered:
            self._remembered.popitem(last=False)


async def _fallback(code: Code, digest: str) -> Fingerprint:
    """Made in this process, where a longer scan would hold up other calls, and come too late."""
    if code.weight > _LONGEST_SCANNED_HERE:
        return unread_fingerprint(code, digest)
    return await asyncio.to_thread(fallback_fingerprint, code)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _end_late_starters() -> None:
    """A worker that a pool was just starting when it was stopped escapes it, and would end with a traceback of its own."""
    for process in multiprocessing.active_children():
        process.terminate()
        process.join()
