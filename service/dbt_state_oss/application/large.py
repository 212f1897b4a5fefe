"""Work that grows with a request: at once where the request is small, in a thread where it would hold up the event loop.

One thread does it all, one request after the other: Python runs one thread at a time, and each one more would hold up the event
loop for longer. Bootstrap lets the interpreter change threads often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LARGE = 64 * 1024
"""Bytes or characters above which a request is large: what is done for a smaller one takes a few milliseconds at most."""

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large")


async def by_size(size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `work`, which is pure, returns for a request of this size. Raises what it raises."""
    if size <= LARGE:
        return work(*arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_thread, lambda: work(*arguments, **named))
