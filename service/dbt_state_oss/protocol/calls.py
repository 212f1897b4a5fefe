"""The calls that run, and whether new ones are taken: what a server has to know to end without failing any of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from grpc.aio import ServicerContext

REFUSING_SECONDS = 0.5
"""The longest time for which calls are refused before their connections are closed. Clients try again a second later."""
_QUIET_SECONDS = 0.05
"""Without a call that arrives: what gRPC had accepted before has been answered by then."""
_LOOK_SECONDS = 0.01


class Calls:
    """Knows the calls of one server. For the event loop only."""

    def __init__(self) -> None:
        self.refusing = False
        """New calls are to be answered UNAVAILABLE."""
        self._running: set[ServicerContext[Any, Any]] = set()
        self._arrived = 0

    def begin(self, context: ServicerContext[Any, Any]) -> bool:
        """Whether the call is taken. It counts as running until its answer is sent or the client has gone."""
        self._arrived += 1
        if self.refusing:
            return False
        self._running.add(context)
        context.add_done_callback(self._running.discard)  # type: ignore[arg-type]  # the stubs name a call, not its context
        return True

    async def finish(self) -> None:
        """Wait for the calls that run now, and take others meanwhile."""
        running = set(self._running)
        while running & self._running:  # noqa: ASYNC110 - a drain comes once; an event would cost every call
            await asyncio.sleep(_LOOK_SECONDS)

    async def refuse(self, *, within_seconds: float) -> None:
        """Refuse new calls from now on. Wait until none arrives and none runs any longer, or until the time is over."""
        self.refusing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                arrived = -1
                while self._running or arrived != self._arrived:
                    arrived = self._arrived
                    await asyncio.sleep(_QUIET_SECONDS)
