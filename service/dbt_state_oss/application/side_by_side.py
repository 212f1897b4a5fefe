"""Many calls of the store under way at once, in bounded number and memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from dbt_state_oss.application.ports import Document, ObjectStore, Unchanged

AT_ONCE = 16
"""Calls under way; as many results are in memory."""

T = TypeVar("T")
R = TypeVar("R")


async def side_by_side(
    items: AsyncIterator[T], work: Callable[[T], Awaitable[R]], *, at_once: int = AT_ONCE
) -> AsyncGenerator[R, None]:
    """What `work` makes of each item, in the items' order, up to `at_once` of them under way.

    The first failure is raised where its result would stand; what is under way is cancelled then, and where nobody reads on.
    """
    running: deque[asyncio.Future[R]] = deque()
    try:
        async for item in items:
            if len(running) >= at_once:
                yield await running.popleft()
            running.append(asyncio.ensure_future(work(item)))
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def documents_under(
    store: ObjectStore, prefix: str, *, wanted: Callable[[str], bool] = lambda _: True
) -> AsyncGenerator[tuple[str, Document], None]:
    """The documents whose keys start with `prefix`, in the order of their keys; what goes meanwhile is left out.

    The keys are in memory, the documents are not. Those whose keys are not `wanted` are not even read. Raises `StoreError`.
    """

    async def read(key: str) -> tuple[str, Document | Unchanged | None]:
        return key, await store.get(key)

    async def in_order() -> AsyncIterator[str]:
        for key in sorted([key async for key in store.list(prefix) if wanted(key)]):
            yield key

    async with aclosing(side_by_side(in_order(), read)) as found:
        async for key, document in found:
            if isinstance(document, Document):
                yield key, document
