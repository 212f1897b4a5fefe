"""Runs work that grows with the size of a request: directly for small requests, in a thread for large ones.

A large request would block the event loop. One thread handles all large requests in turn: Python runs one thread at a time,
so more threads would delay the event loop more. Bootstrap makes the interpreter switch threads often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LARGE = 64 * 1024
"""A request with more bytes or characters is large. Work for a smaller request takes a few milliseconds at most."""

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large")


async def by_size(size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Return the result of `work`, which must be pure, for a request of this size. Raises what `work` raises."""
    if size <= LARGE:
        return work(*arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_thread, lambda: work(*arguments, **named))
