"""A real gRPC server in this process on a free port, with methods that the test brings, and a channel to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from grpc import aio

from dbt_state_oss.protocol.interceptors import Method
from dbt_state_oss.protocol.server import SERVICES, Limits, Server

Serving = Callable[..., Awaitable[tuple[Server, aio.Channel]]]
"""`await serving(SubmitValues=method, limits=…)`: a server with that method of SQL, and a channel to it."""


async def _not_asked(caller: object, request: object) -> object:
    raise AssertionError("this test does not ask for that")


def server_of(limits: Limits, **sql: Method) -> Server:
    """A server that has yet to start; methods that are not given must not be called."""
    methods = {name: dict.fromkeys(service.methods_by_name, _not_asked) for name, service in SERVICES.items()}
    return Server(methods | {"SQL": methods["SQL"] | sql}, limits)


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    async with AsyncExitStack() as stack:

        async def serve(*, limits: Limits | None = None, **sql: Method) -> tuple[Server, aio.Channel]:
            server = server_of(limits or Limits(), **sql)
            port = await server.start("127.0.0.1", 0)
            stack.push_async_callback(server.drain, 0)
            channel = await stack.enter_async_context(aio.insecure_channel(f"127.0.0.1:{port}"))
            return server, channel

        yield serve
