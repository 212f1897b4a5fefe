"""Limits the time that is spent on reading the state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbt_state_oss.errors import StoreUnavailable


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Raise `StoreUnavailable` if the block takes longer than `seconds` (rule X1)."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StoreUnavailable("the store did not answer in time") from error
