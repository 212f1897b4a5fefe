"""Health checks by grpc.health.v1: NOT_SERVING while the store does not answer or the server drains, otherwise SERVING.

Never import the client package's own health messages: they clash with these in the descriptor pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from grpc.aio import ServicerContext
from grpc_health.v1.health import OVERALL_HEALTH, aio  # type: ignore[attr-defined]
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from dbt_state_oss.errors import StoreError

PROBE_INTERVAL_SECONDS = 5.0
PROBE_TIMEOUT_SECONDS = 3.0

_log = structlog.get_logger(__name__)


class HealthServicer(aio.HealthServicer):  # type: ignore[misc]  # ships no types
    """The library's servicer, changed so that watches end when the server drains and do not delay the drain."""

    def __init__(self, services: Iterable[str]) -> None:
        super().__init__()
        self._services = (OVERALL_HEALTH, *services)
        self._draining = asyncio.Event()

    async def set_serving(self, serving: bool) -> None:
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self.set(service, status)

    async def drain(self) -> None:
        """Report NOT_SERVING from now on, whatever the store's state. Watches receive this status and end."""
        await self.enter_graceful_shutdown()
        self._draining.set()

    async def Watch(  # noqa: N802 - the name in the protocol
        self, request: HealthCheckRequest, context: ServicerContext[Any, Any]
    ) -> None:
        watch = asyncio.ensure_future(super().Watch(request, context))
        drained = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((watch, drained), return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
            watch.cancel()


async def follow_store(
    health: HealthServicer,
    probe: Callable[[], Awaitable[object]],
    *,
    interval_seconds: float = PROBE_INTERVAL_SECONDS,
) -> None:
    """Update `health` from the state of the store, in an endless loop. `probe` reads a small document from the store."""
    reported: bool | None = None
    while True:
        cause = await _failure_cause(probe)
        serving = cause is None
        if serving is not reported:
            await health.set_serving(serving)
            if cause is not None:
                _log.error("store_unavailable", cause=cause)
            elif reported is False:
                _log.info("store_recovered")
            reported = serving
        await asyncio.sleep(interval_seconds)


async def _failure_cause(probe: Callable[[], Awaitable[object]]) -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            await probe()
    except StoreError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {PROBE_TIMEOUT_SECONDS:.0f} seconds"
    return None
