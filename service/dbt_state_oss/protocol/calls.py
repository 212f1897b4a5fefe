"""The calls that run, and whether new ones are taken: what a server has to know to end without failing any of them."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc.aio import ServicerContext

QUIET_SECONDS = 0.05
"""Without a call that arrives: what gRPC had accepted before has been answered by then."""
REFUSING_SECONDS = 0.5
"""The longest time for which calls are refused before their connections are closed. Clients try again a second later."""


class Calls:
    """Counts the calls of one server. For the event loop only."""

    def __init__(self) -> None:
        self.refusing = False
        """New calls are to be answered UNAVAILABLE."""
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._arrived = asyncio.Event()

    def begin(self, context: ServicerContext[Any, Any]) -> bool:
        """Whether the call is taken. It counts as running until its answer is sent or the client has gone."""
        self._arrived.set()
        if self.refusing:
            return False
        self._running += 1
        self._idle.clear()
        context.add_done_callback(self._end)
        return True

    def _end(self, _: object) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def refuse(self) -> None:
        """Refuse new calls from now on, and wait until none arrives and none runs any longer."""
        self.refusing = True
        try:
            async with asyncio.timeout(REFUSING_SECONDS):
                await self._quiet()
        except TimeoutError:
            pass
        await self._idle.wait()

    async def _quiet(self) -> None:
        while True:
            self._arrived.clear()
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                return
