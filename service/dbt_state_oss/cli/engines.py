"""Opens an engine for one command, on the store that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from dbt_state_oss.application.engine import Engine, EngineLimits
from dbt_state_oss.application.policy import Policy
from dbt_state_oss.application.ports import Workers
from dbt_state_oss.application.tickets import new_key_ring
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.sql.fingerprint import Fingerprint
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import Code
from dbt_state_oss.opening import open_store
from dbt_state_oss.settings import StoreSettings

P = ParamSpec("P")
T = TypeVar("T")


class WorkerThreads:
    """`Workers` that run in threads. A server runs the same work in processes."""

    async def fingerprint(self, code: Code) -> Fingerprint:
        return await asyncio.to_thread(fingerprint, code)

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        return await asyncio.to_thread(work, *arguments, **named)


@asynccontextmanager
async def opened(
    settings: StoreSettings,
    *,
    read_only: bool = False,
    make: bool = True,
    compare_clocks: bool = False,
    workers: Workers | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[Engine]:
    """Open an engine that issues no usable tickets. For `read_only` and `make` see `open_store`. Raises StoreError.

    `compare_clocks`: log a warning if this machine's clock differs from the store's.
    """
    clock = SystemClock()
    store = await open_store(settings, read_only=read_only, make=make, clock=clock if compare_clocks else None)
    try:
        engine = Engine(
            store,
            clock=clock,
            workers=workers or WorkerThreads(),
            key_ring=new_key_ring(),
            ticket_lifetime_ms=0,
            policy=policy,
            limits=EngineLimits(cache_bytes=settings.cache_bytes, store_sql=None),
        )
        try:
            yield engine
        finally:
            await engine.close()
    finally:
        await store.close()
