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
from dbt_state_oss.errors import Conflict, StoreError, StoreUnavailable
from dbt_state_oss.stores.bucket import Blob, Bucket, NoAnswer

_ATTEMPTS = 3
_PART_OF_A_SECOND_MS = 1000
"""What a store's time may leave out."""
_HARMLESS_DIFFERENCE_MS = 1000
_OVERWRITES = (
    "ignores the condition {} of a write: servers would overwrite each other's records there, so it cannot be used"
)

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Ask(Protocol):
    """Makes a blocking call away from the event loop, again where it got no answer."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]: ...


async def removes_conditionally(bucket: Bucket, prefix: str, ask: Ask) -> bool:
    """Whether objects can be removed on a condition, once all else was seen to hold with an object of its own under `prefix`.

    Raises `StoreUnavailable` where something else does not hold, and what the bucket raises.
    """
    for _ in range(_ATTEMPTS):
        try:
            return await _examined(bucket, _fresh_name(prefix), ask)
        except Conflict as error:  # a repeated write met what its first attempt, whose answer was lost, had written
            _log.info("store_probed_again", store=bucket.place, cause=str(error))
    raise NoAnswer(f"the store {bucket.place} loses too many answers")


async def compare_clocks(bucket: Bucket, prefix: str, ask: Ask, clock: Clock) -> None:
    """Warn in the log if `clock` and the store's differ: then those of servers that share the store may differ, too.

    Which of two builds came first is told by the clocks of the servers that answered.
    """
    name = _fresh_name(prefix)
    before = clock.now()
    try:
        await ask(partial(bucket.write, name, b"clock", None))
        after = clock.now()
        written = await ask(partial(bucket.written_at, name))
    except StoreError as error:
        _log.info("store_clock_unknown", store=bucket.place, cause=str(error))
        return
    finally:
        with suppress(StoreError):
            await _clean_up(bucket, name, ask)
    ahead_ms = max(0, before - written - _PART_OF_A_SECOND_MS) - max(0, written - after)
    if abs(ahead_ms) > _HARMLESS_DIFFERENCE_MS:
        _log.warning("clock_differs_from_store", store=bucket.place, seconds_ahead=round(ahead_ms / 1000, 1))


def _fresh_name(prefix: str) -> str:
    return f"{prefix}{SERVER_PREFIX}probe-{secrets.token_hex(8)}"


async def _examined(bucket: Bucket, name: str, ask: Ask) -> bool:
    def expect(holds: bool, otherwise: str) -> None:
        if not holds:
            raise StoreUnavailable(f"the store {bucket.place} {otherwise}")

    # Where rights lack, some stores hide that nothing is there: without this, no document could be made that is new.
    expect(await ask(partial(bucket.read, name, None)) is None, "shows an object that was never written")
    first = await ask(partial(bucket.write, name, b"first", None))
    try:
        found = await ask(partial(bucket.read, name, None))
        expect(found == Blob(b"first", first), "does not show an object as it was just written")
        expect(await _conflicts(ask, partial(bucket.write, name, b"again", None)), _OVERWRITES.format("If-None-Match"))
        second = await ask(partial(bucket.write, name, b"second", first))
        expect(await _conflicts(ask, partial(bucket.write, name, b"stale", first)), _OVERWRITES.format("If-Match"))
        found = await ask(partial(bucket.read, name, first))
        expect(found == Blob(b"second", second), "does not show that an object has changed")
        found = await ask(partial(bucket.read, name, second))
        expect(found in (UNCHANGED, Blob(b"second", second)), "does not show an object under the version that it has")
        return await _refuses_stale_removal(bucket, name, first, ask)
    finally:
        with suppress(StoreError):
            await _clean_up(bucket, name, ask)


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
        _log.info("store_removes_nothing", store=bucket.place, cause=str(error))
        return False


async def _clean_up(bucket: Bucket, name: str, ask: Ask) -> None:
    """Remove the object; where the store does not, leave an empty one."""
    found = await ask(partial(bucket.read, name, None))
    if isinstance(found, Blob) and found.data:
        try:
            await ask(partial(bucket.remove, name, found.version))
        except StoreError:
            await ask(partial(bucket.write, name, b"", found.version))
