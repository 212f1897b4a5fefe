"""Documents in somebody's object store: what all of them have in common, over the few calls of a `Bucket`.

*Versions* must never come back, but an ETag may be a digest of the bytes: so every write has a stamp of its own, as the
object's first line. It also tells, when an answer got lost, whether what is there now is what this process wrote.

*An empty object counts as none.* That is how a document is deleted in stores that delete whatever the version. Nor does one
count whose name no document could have: somebody else put it there.

*Calls* run in threads of this store's own, one for each connection, so none holds up the event loop. They are repeated after
random pauses, until the caller gives up or `attempts` are made.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog

from dbt_state_oss.application.ports import Clock, Document, Unchanged, Version
from dbt_state_oss.errors import Conflict, StoreReadOnly, StoreUnavailable
from dbt_state_oss.stores.bucket import Blob, Bucket, NoAnswer
from dbt_state_oss.stores.keys import check_key, check_prefix, is_key
from dbt_state_oss.stores.probe import removes_conditionally

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_STAMP_START = b'{"write":"'
_STAMP_END = b'"}\n'
_STAMP_BYTES = 16

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class RemoteStore:
    """An `ObjectStore` over a bucket, under a prefix; belongs to the event loop that opened it."""

    def __init__(self, bucket: Bucket, *, prefix: str, attempts: int, connections: int) -> None:
        self._bucket = bucket
        self._prefix = prefix and f"{prefix}/"
        self._attempts = attempts
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="store")
        self._writable = False
        self._removes = False
        self._silent = False
        """The store has not answered any attempt of the last call that was given up, and nothing since."""
        self._closed = False

    @classmethod
    async def open(
        cls,
        bucket: Bucket,
        *,
        prefix: str,
        attempts: int,
        connections: int,
        read_only: bool = False,
        clock: Clock | None = None,
    ) -> RemoteStore:
        """The store, once it was seen to do what the port promises (`probe`); a `read_only` one is not asked to.

        `prefix` stands before every key, without a slash at its ends; `connections` bounds the calls that run at once, `attempts`
        how often each is made. A `clock` that differs from the store's is warned of in the log. The bucket is closed with the
        store, and where this raises: `StoreUnavailable` where the bucket does not answer, `StoreMisconfigured` where it refuses
        this process or ignores conditions, `StoreReadOnly` where it takes no writes.
        """
        store = cls(bucket, prefix=prefix, attempts=attempts, connections=connections)
        if read_only:
            return store
        try:
            store._removes = await removes_conditionally(bucket, store._prefix, store._ask, clock)
        except BaseException:
            await store.close()
            raise
        store._writable = True
        return store

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        check_key(key)
        found = await self._read(self._prefix + key, unless)
        if isinstance(found, Blob):
            return Document(_without_stamp(found.data), Version(found.version))
        return found

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        check_key(key)
        self._refuse_reader()
        return Version(await self._write(self._prefix + key, _with_stamp(data), expected))

    async def delete(self, key: str, *, expected: Version) -> None:
        check_key(key)
        self._refuse_reader()
        name = self._prefix + key
        if self._removes:
            await self._remove(name, expected)
        else:
            await self._write(name, b"", expected)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        check_prefix(prefix)
        following: str | None = None
        while True:
            page = await self._ask(partial(self._bucket.page, self._prefix + prefix, following))
            for name in page.names:
                key = name.removeprefix(self._prefix)
                if is_key(key):
                    yield key
                self._refuse_closed()
            if page.following is None:
                return
            following = page.following

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        self._bucket.close()

    async def _read(self, name: str, unless: str | None) -> Blob | Unchanged | None:
        attempts = 1 if self._silent else self._attempts
        found = await self._ask(partial(self._bucket.read, name, unless), attempts)
        return None if isinstance(found, Blob) and not found.data else found

    async def _write(self, name: str, data: bytes, expected: str | None) -> str:
        try:
            return await self._ask(partial(self._bucket.write, name, data, expected))
        except Conflict as conflict:
            repeated = isinstance(conflict, _RepeatedConflict)
            if expected is not None and not repeated:
                raise
        there = await self._ask(partial(self._bucket.read, name, None))
        if isinstance(there, Blob):
            if repeated and there.data == data:
                return there.version
            if expected is None and not there.data:
                return await self._write(name, data, there.version)
        raise Conflict(f"{name} has changed")

    async def _remove(self, name: str, expected: str) -> None:
        try:
            await self._ask(partial(self._bucket.remove, name, expected))
        except _RepeatedConflict:
            if await self._read(name, None) is not None:
                raise

    async def _ask(self, call: Callable[[], T], attempts: int | None = None) -> T:
        """What `call` returns in a thread; made again where it got no answer."""
        left = attempts or self._attempts
        pause = _FIRST_PAUSE_SECONDS
        repeated = False
        try:
            while True:
                self._refuse_closed()
                try:
                    answer = await asyncio.get_running_loop().run_in_executor(self._threads, call)
                except NoAnswer as error:
                    left -= 1
                    if not left:
                        self._silent = True
                        raise
                    _log.info("store_request_retried", cause=str(error), attempts_left=left)
                except Conflict as error:
                    self._silent = False
                    if repeated:
                        raise _RepeatedConflict(*error.args) from error
                    raise
                else:
                    self._silent = False
                    return answer
                repeated = True
                await asyncio.sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except asyncio.CancelledError:
            self._silent |= repeated
            raise

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"the store {self._bucket.place} is closed")

    def _refuse_reader(self) -> None:
        self._refuse_closed()
        if not self._writable:
            raise StoreReadOnly(f"the store {self._bucket.place} was opened read-only")


class _RepeatedConflict(Conflict):
    """The condition did not hold when the call was repeated: perhaps since an attempt without an answer had been carried out."""


def _with_stamp(data: bytes) -> bytes:
    return _STAMP_START + secrets.token_hex(_STAMP_BYTES).encode() + _STAMP_END + data


def _without_stamp(data: bytes) -> bytes:
    """The document of an object; one that somebody put there by hand has no stamp."""
    if not data.startswith(_STAMP_START):
        return data
    _, end, document = data.partition(_STAMP_END)
    return document if end else data
