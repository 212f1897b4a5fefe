"""The store that the settings name, opened for a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbt_state_oss.application.ports import Clock, ObjectStore
from dbt_state_oss.opening import open_store
from dbt_state_oss.settings import StoreSettings


@asynccontextmanager
async def opened(
    settings: StoreSettings, *, read_only: bool = False, make: bool = True, clock: Clock | None = None
) -> AsyncIterator[ObjectStore]:
    """The store, open; see `open_store`. Raises StoreError."""
    store = await open_store(settings, read_only=read_only, make=make, clock=clock)
    try:
        yield store
    finally:
        await store.close()
