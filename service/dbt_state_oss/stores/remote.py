"""Documents in a remote object store: the code that all of them share, on top of a `Bucket`.

*Versions* must never repeat, but an ETag may be a digest of the bytes. So every write has a unique stamp, which is the
object's first line. After a lost answer, the stamp also shows whether the current object is what this process wrote.

*An empty object counts as absent.* An empty write deletes a document in stores without conditional deletes. An object whose
name is not a valid key is ignored too, because this server did not write it.

*Calls* run in this store's own threads, one for each connection, so none blocks the event loop. They are retried after
random pauses, until the caller gives up or `attempts` is reached.
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
    """An `ObjectStore` on a bucket, under a prefix. Use it only on the event loop that opened it."""

    def __init__(self, bucket: Bucket, *, prefix: str, attempts: int, connections: int) -> None:
        self._bucket = bucket
        self._prefix = prefix and f"{prefix}/"
        self._attempts = attempts
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="store")
        self._writable = False
        self._deletes_conditionally = False
        self._unresponsive = False
        """The last failed call got no answer to any attempt, and the store has not answered since."""
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
        """Open the store after checking that it fulfills the contract of the port (`probe`). `read_only` skips the check.

        `prefix` precedes every key and has no slash at its ends. `connections` bounds concurrent calls, `attempts` the number
        of attempts of each. `clock`: log a warning if it differs from the store's clock.

        Raises `StoreUnavailable` if the bucket does not answer, `StoreMisconfigured` if it refuses this process or ignores
        conditions, `StoreReadOnly` if it refuses writes. The bucket is closed with the store, and also if this raises.
        """
        store = cls(bucket, prefix=prefix, attempts=attempts, connections=connections)
        if read_only:
            return store
        try:
            store._deletes_conditionally = await removes_conditionally(bucket, store._prefix, store._call, clock)
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
        if self._deletes_conditionally:
            await self._remove(name, expected)
        else:
            await self._write(name, b"", expected)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        check_prefix(prefix)
        following: str | None = None
        while True:
            page = await self._call(partial(self._bucket.page, self._prefix + prefix, following))
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
        attempts = 1 if self._unresponsive else self._attempts
        found = await self._call(partial(self._bucket.read, name, unless), attempts)
        return None if isinstance(found, Blob) and not found.data else found

    async def _write(self, name: str, data: bytes, expected: str | None) -> str:
        try:
            return await self._call(partial(self._bucket.write, name, data, expected))
        except Conflict as conflict:
            repeated = isinstance(conflict, _RepeatedConflict)
            if expected is not None and not repeated:
                raise
        current = await self._call(partial(self._bucket.read, name, None))
        if isinstance(current, Blob):
            if repeated and current.data == data:
                return current.version
            if expected is None and not current.data:
                return await self._write(name, data, current.version)
        raise Conflict(f"{name} has changed")

    async def _remove(self, name: str, expected: str) -> None:
        try:
            await self._call(partial(self._bucket.remove, name, expected))
        except _RepeatedConflict:
            if await self._read(name, None) is not None:
                raise

    async def _call(self, call: Callable[[], T], attempts: int | None = None) -> T:
        """Run `call` in a thread and return its result. Retry it if it got no answer."""
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
                        self._unresponsive = True
                        raise
                    _log.info("store_request_retried", cause=str(error), attempts_left=left)
                except Conflict as error:
                    self._unresponsive = False
                    if repeated:
                        raise _RepeatedConflict(*error.args) from error
                    raise
                else:
                    self._unresponsive = False
                    return answer
                repeated = True
                await asyncio.sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except asyncio.CancelledError:
            self._unresponsive |= repeated
            raise

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"the store {self._bucket.place} is closed")

    def _refuse_reader(self) -> None:
        self._refuse_closed()
        if not self._writable:
            raise StoreReadOnly(f"the store {self._bucket.place} was opened read-only")


class _RepeatedConflict(Conflict):
    """The condition did not hold in a retry. An earlier attempt without an answer may have been carried out."""


def _with_stamp(data: bytes) -> bytes:
    return _STAMP_START + secrets.token_hex(_STAMP_BYTES).encode() + _STAMP_END + data


def _without_stamp(data: bytes) -> bytes:
    """Return the document of an object. An object that was written by hand has no stamp."""
    if not data.startswith(_STAMP_START):
        return data
    _, end, document = data.partition(_STAMP_END)
    return document if end else data
