"""Health, tied to the store and to the drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from grpc import aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.protocol.conftest import Serving

from dbt_state_oss.errors import StoreUnavailable
from dbt_state_oss.protocol.health import HealthServicer, follow_store

SQL = "com.fivetran.query_cache.SQL"
SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


class Probe:
    """A store that answers or not, as the test says."""

    def __init__(self) -> None:
        self.answers = True

    async def __call__(self) -> None:
        if not self.answers:
            raise StoreUnavailable("the disk is gone")


@asynccontextmanager
async def following(health: HealthServicer, probe: Probe) -> AsyncIterator[None]:
    task = asyncio.create_task(follow_store(health, probe, interval_seconds=0.01))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def watched(watch: aio.UnaryStreamCall[HealthCheckRequest, HealthCheckResponse]) -> int:
    answer = await watch.read()
    assert isinstance(answer, HealthCheckResponse)
    return int(answer.status)


@pytest.mark.parametrize("service", ["", SQL], ids=["overall", "the service"])
async def test_health_follows_the_store(serving: Serving, service: str) -> None:
    server, channel = await serving()
    probe = Probe()
    watch = HealthStub(channel).Watch(HealthCheckRequest(service=service))
    async with following(server.health, probe):
        while await watched(watch) != SERVING:
            pass
        probe.answers = False
        assert await watched(watch) == NOT_SERVING
        probe.answers = True
        assert await watched(watch) == SERVING
    watch.cancel()


async def test_before_the_store_has_answered_nothing_is_served(serving: Serving) -> None:
    _, channel = await serving()
    for service in ("", SQL):
        answer = await HealthStub(channel).Check(HealthCheckRequest(service=service))
        assert answer.status == NOT_SERVING


async def test_a_service_that_is_not_served_is_unknown_to_health(serving: Serving) -> None:
    _, channel = await serving()
    with pytest.raises(aio.AioRpcError) as caught:
        await HealthStub(channel).Check(HealthCheckRequest(service="com.fivetran.query_cache.Nothing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_drain_tells_watches_and_is_not_held_up_by_them(serving: Serving) -> None:
    server, channel = await serving()
    await server.health.set_serving(True)
    watch = HealthStub(channel).Watch(HealthCheckRequest())
    assert await watched(watch) == SERVING
    await server.drain(3600)
    assert await watched(watch) == NOT_SERVING
    assert not isinstance(await watch.read(), HealthCheckResponse)


async def test_while_draining_the_store_does_not_bring_health_back(serving: Serving) -> None:
    server, channel = await serving()
    await server.health.drain()
    await server.health.set_serving(True)
    answer = await HealthStub(channel).Check(HealthCheckRequest(service=SQL))
    assert answer.status == NOT_SERVING
