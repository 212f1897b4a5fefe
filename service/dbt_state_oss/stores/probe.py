"""Sees at the start whether a store keeps what the port promises; what a vendor says of his store, nobody needs to believe.

Two servers would overwrite each other's records in a store that ignores conditions, and one that answers "unchanged" to a
version that is gone would hide what has been built: a false skip.
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
_PART_OF_A_SECOND_MS = 1000
"""What a store's time may leave out."""
_HARMLESS_DIFFERENCE_MS = 1000
_OVERWRITES = "ignores the condition {} of writes, so servers would overwrite each other's records; use another store"
_CREATES = (
    "ignores the condition If-Match of writes to a missing object, "
    "so deleted records would come back; use another store"
)

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Ask(Protocol):
    """Makes a blocking call away from the event loop, again where it got no answer."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]: ...


async def removes_conditionally(bucket: Bucket, prefix: str, ask: Ask, clock: Clock | None) -> bool:
    """Whether objects can be removed on a condition, once all else was seen to hold with an object of its own under `prefix`.

    A `clock` that differs from the store's is warned of in the log: then those of servers that share the store may differ,
    too, and they tell which of two builds came first. Raises `StoreMisconfigured` where something else does not hold, and what
    the bucket raises.
    """
    for _ in range(_ATTEMPTS):
        try:
            return await _examined(bucket, f"{prefix}{SERVER_PREFIX}probe-{secrets.token_hex(8)}", ask, clock)
        except Conflict as error:  # a repeated write met what its first attempt, whose answer was lost, had written
            _log.info("store_check_retried", store=bucket.place, cause=str(error))
    raise NoAnswer(f"the store {bucket.place} lost several responses during the check at startup; check the network")


async def _examined(bucket: Bucket, name: str, ask: Ask, clock: Clock | None) -> bool:
    def expect(holds: bool, otherwise: str) -> None:
        if not holds:
            raise StoreMisconfigured(f"the store {bucket.place} {otherwise}")

    # Where rights lack, some stores hide that nothing is there: without this, no document could be made that is new.
    expect(await ask(partial(bucket.read, name, None)) is None, "returned an object that was never written")
    absent = f"{name}-absent"
    before = clock.now() if clock is not None else 0
    first = await ask(partial(bucket.write, name, b"first", None))
    try:
        if clock is not None:
            await _compare_clocks(bucket, name, ask, before, clock.now())
        found = await ask(partial(bucket.read, name, None))
        expect(found == Blob(b"first", first), "did not return an object as it was just written")
        expect(await _conflicts(ask, partial(bucket.write, name, b"again", None)), _OVERWRITES.format("If-None-Match"))
        second = await ask(partial(bucket.write, name, b"second", first))
        expect(await _conflicts(ask, partial(bucket.write, name, b"stale", first)), _OVERWRITES.format("If-Match"))
        expect(await _conflicts(ask, partial(bucket.write, absent, b"new", second)), _CREATES)
        found = await ask(partial(bucket.read, name, first))
        expect(found == Blob(b"second", second), "did not report that an object had changed")
        found = await ask(partial(bucket.read, name, second))
        expect(found in (UNCHANGED, Blob(b"second", second)), "did not return an object under its own version")
        return await _refuses_stale_removal(bucket, name, first, ask)
    finally:
        for each in (name, absent):
            with suppress(StoreError):
                await _clean_up(bucket, each, ask)


async def _compare_clocks(bucket: Bucket, name: str, ask: Ask, before: int, after: int) -> None:
    """Warn if the store says that it wrote the object outside of these Unix milliseconds, between which it did."""
    try:
        written = await ask(partial(bucket.written_at, name))
    except StoreError as error:
        _log.info("store_clock_unknown", store=bucket.place, cause=str(error))
        return
    ahead_ms = max(0, before - written - _PART_OF_A_SECOND_MS) - max(0, written - after)
    if abs(ahead_ms) > _HARMLESS_DIFFERENCE_MS:
        _log.warning("clock_differs_from_store", store=bucket.place, seconds_ahead=round(ahead_ms / 1000, 1))


async def _conflicts(ask: Ask, call: Callable[[], object]) -> bool:
    try:
        await ask(call)
    except Conflict:
        return True
    return False


async def _refuses_stale_removal(bucket: Bucket, name: str, stale: str, ask: Ask) -> bool:
    try:
        return await _conflicts(ask, partial(bucket.remove, name, stale))
    except NoAnswer:
        raise
    except StoreError as error:
        _log.info("store_ignores_conditional_deletes", store=bucket.place, cause=str(error))
        return False


async def _clean_up(bucket: Bucket, name: str, ask: Ask) -> None:
    """Remove the object; where the store does not, leave an empty one."""
    found = await ask(partial(bucket.read, name, None))
    if isinstance(found, Blob) and found.data:
        try:
            await ask(partial(bucket.remove, name, found.version))
        except StoreError:
            await ask(partial(bucket.write, name, b"", found.version))
