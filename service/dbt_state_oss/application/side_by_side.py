"""Runs many calls of the store concurrently, with a bounded number of calls and bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from dbt_state_oss.application.ports import Document, ObjectStore, Unchanged

AT_ONCE = 16
"""The most concurrent calls, and the most results in memory."""

T = TypeVar("T")
R = TypeVar("R")


async def side_by_side(
    items: AsyncIterator[T], work: Callable[[T], Awaitable[R]], *, at_once: int = AT_ONCE
) -> AsyncGenerator[R, None]:
    """Yield the result of `work` for each item, in the order of the items. At most `at_once` calls run concurrently.

    A failure is raised at the position of its result. After a failure, or if the caller stops reading, running calls are
    cancelled.
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
    """Yield the documents whose keys start with `prefix`, in the order of their keys.

    Documents that are deleted meanwhile, and keys that are not `wanted`, are left out. All keys are in memory at once, but
    not the documents. Raises `StoreError`.
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
