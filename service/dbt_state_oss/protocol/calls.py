"""Tracks running calls, and refuses new ones during a drain, so that a server can stop without failing a call."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from grpc.aio import ServicerContext

REFUSING_SECONDS = 0.5
"""The longest time for which calls are refused before their connections are closed. Clients retry a second later."""
_QUIET_SECONDS = 0.05
"""After this time without a new call, every call that gRPC had accepted before has been answered."""
_POLL_SECONDS = 0.01


class Calls:
    """The calls of one server. Use it on the event loop only."""

    def __init__(self) -> None:
        self.refusing = False
        """If true, new calls must be answered with UNAVAILABLE."""
        self._running: set[ServicerContext[Any, Any]] = set()
        self._arrived = 0

    def begin(self, context: ServicerContext[Any, Any]) -> bool:
        """Return whether the call is accepted. It counts as running until its answer is sent or the client disconnects."""
        self._arrived += 1
        if self.refusing:
            return False
        self._running.add(context)
        context.add_done_callback(self._running.discard)  # type: ignore[arg-type]  # the stubs name a call, not its context
        return True

    async def finish(self) -> None:
        """Wait for the calls that run now. New calls are still accepted."""
        running = set(self._running)
        while running & self._running:  # noqa: ASYNC110 - a drain happens once, and an event would cost time in every call
            await asyncio.sleep(_POLL_SECONDS)

    async def refuse(self, *, within_seconds: float) -> None:
        """Refuse new calls from now on. Wait until no call arrives and none is running, or until `within_seconds` have passed."""
        self.refusing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                arrived_before = -1
                while self._running or arrived_before != self._arrived:
                    arrived_before = self._arrived
                    await asyncio.sleep(_QUIET_SECONDS)
