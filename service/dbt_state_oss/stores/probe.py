"""Checks at startup that an object store fulfills the contract of the port, instead of trusting the vendor's claims.

In a store that ignores conditions, two servers would overwrite each other's records. A store that answers "unchanged" for
an old version would hide newer builds, which leads to a wrong skip.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

import structlog

from dbt_state_oss.application.keys import SERVER_PREFIX
from dbt_state_oss.application.ports import UNCHANGED, Clock
from dbt_state_oss.errors import Conflict, StoreError, StoreMisconfigured
from dbt_state_oss.stores.bucket import Blob, Bucket, NoAnswer

_ATTEMPTS = 3
_FRACTION_OF_A_SECOND_MS = 1000
"""The fraction of a second that a store's time may omit."""
_HARMLESS_DIFFERENCE_MS = 1000
_OVERWRITES = "ignores the condition {} of writes, so servers would overwrite each other's records; use another store"
_CREATES = (
    "ignores the condition If-Match of writes to a missing object, "
    "so deleted records would come back; use another store"
)

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Run(Protocol):
    """Runs a blocking call in a thread, and retries it if it got no answer."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]: ...


async def removes_conditionally(bucket: Bucket, prefix: str, run: Run, clock: Clock | None) -> bool:
    """Check the store with a temporary object under `prefix`, and return whether it supports conditional deletes.

    `clock`: log a warning if it differs from the store's clock. Then the clocks of servers that share the store may differ
    too, and clocks decide which of two builds came first. Raises `StoreMisconfigured` if any other condition does not hold,
    and what the bucket raises.
    """
    for _ in range(_ATTEMPTS):
        try:
            return await _check(bucket, f"{prefix}{SERVER_PREFIX}probe-{secrets.token_hex(8)}", run, clock)
        except Conflict as error:  # a retried write met the result of its first attempt, whose answer was lost
            _log.info("store_check_retried", store=bucket.place, cause=str(error))
    raise NoAnswer(f"the store {bucket.place} lost several responses during the check at startup; check the network")


async def _check(bucket: Bucket, name: str, run: Run, clock: Clock | None) -> bool:
    def expect(holds: bool, otherwise: str) -> None:
        if not holds:
            raise StoreMisconfigured(f"the store {bucket.place} {otherwise}")

    # Without sufficient permissions, some stores hide that an object does not exist, so no document could be created.
    expect(
        await run(partial(bucket.read, name, None)) is None,
        "returned an object that was never written; use another store, or remove a caching proxy",
    )
    absent = f"{name}-absent"
    before = clock.now() if clock is not None else 0
    first = await run(partial(bucket.write, name, b"first", None))
    try:
        if clock is not None:
            await _compare_clocks(bucket, name, run, before, clock.now())
        found = await run(partial(bucket.read, name, None))
        expect(
            found == Blob(b"first", first),
            "returned something else than was just written; use another store, or remove a caching proxy",
        )
        expect(await _conflicts(run, partial(bucket.write, name, b"again", None)), _OVERWRITES.format("If-None-Match"))
        second = await run(partial(bucket.write, name, b"second", first))
        expect(await _conflicts(run, partial(bucket.write, name, b"stale", first)), _OVERWRITES.format("If-Match"))
        expect(await _conflicts(run, partial(bucket.write, absent, b"new", second)), _CREATES)
        found = await run(partial(bucket.read, name, first))
        expect(
            found == Blob(b"second", second),
            "did not report that an object had changed; use another store, or remove a caching proxy",
        )
        found = await run(partial(bucket.read, name, second))
        expect(
            found in (UNCHANGED, Blob(b"second", second)),
            "did not return an object under its own version; use another store, or remove a caching proxy",
        )
        return await _refuses_stale_removal(bucket, name, first, run)
    finally:
        for each in (name, absent):
            with suppress(StoreError):
                await _clean_up(bucket, each, run)


async def _compare_clocks(bucket: Bucket, name: str, run: Run, before: int, after: int) -> None:
    """Log a warning if the store reports a write time outside of `before` and `after`.

    These are Unix milliseconds of this machine's clock. The write happened between them.
    """
    try:
        written = await run(partial(bucket.written_at, name))
    except StoreError as error:
        _log.info("store_clock_unknown", store=bucket.place, cause=str(error))
        return
    ahead_ms = max(0, before - written - _FRACTION_OF_A_SECOND_MS) - max(0, written - after)
    if abs(ahead_ms) > _HARMLESS_DIFFERENCE_MS:
        _log.warning("clock_differs_from_store", store=bucket.place, seconds_ahead=round(ahead_ms / 1000, 1))


async def _conflicts(run: Run, call: Callable[[], object]) -> bool:
    try:
        await run(call)
    except Conflict:
        return True
    return False


async def _refuses_stale_removal(bucket: Bucket, name: str, stale: str, run: Run) -> bool:
    try:
        return await _conflicts(run, partial(bucket.remove, name, stale))
    except NoAnswer:
        raise
    except StoreError as error:
        _log.info("store_ignores_conditional_deletes", store=bucket.place, cause=str(error))
        return False


async def _clean_up(bucket: Bucket, name: str, run: Run) -> None:
    """Delete the object. If the store refuses this, leave it empty."""
    found = await run(partial(bucket.read, name, None))
    if isinstance(found, Blob) and found.data:
        try:
            await run(partial(bucket.remove, name, found.version))
        except StoreError:
            await run(partial(bucket.write, name, b"", found.version))
