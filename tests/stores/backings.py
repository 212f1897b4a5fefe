"""What the contract suite runs against: for each store, how to make a fresh backing and how to open it.

A new backend or wrapper joins with one entry in `BACKINGS`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from tests.emulators import s3
from tests.emulators.s3 import S3Server

from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.stores.local import LocalStore
from dbt_state_oss.stores.memory import MemoryStore
from dbt_state_oss.stores.remote import RemoteStore
from dbt_state_oss.stores.s3 import S3Bucket

CONNECTIONS = 16
TIMEOUT_SECONDS = 20.0
ATTEMPTS = 2
SHARED_BUCKET = "shared"


class Backing(Protocol):
    """Where the documents of one test lie."""

    async def open(self) -> ObjectStore:
        """A further store on these documents, as another replica would open it."""


class Emulators:
    """The servers that this test process has started so far."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stops: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)

    @cached_property
    def moto(self) -> S3Server:
        return self._started(s3.moto)

    @cached_property
    def seaweedfs(self) -> S3Server:
        server = self._started(s3.seaweedfs)
        s3.client(server.endpoint).create_bucket(Bucket=SHARED_BUCKET)
        return server

    def _started(self, start: Callable[[Path], S3Server]) -> S3Server:
        server = start(self._directory)
        self._stops.append(server.stop)
        return server

    def fresh_name(self) -> str:
        """A name that no bucket has yet."""
        return f"bucket-{next(self._numbers)}"

    def stop(self) -> None:
        for stop in self._stops:
            stop()


class MemoryBacking:
    def __init__(self, _directory: Path, _emulators: Emulators) -> None:
        self._first = MemoryStore()

    async def open(self) -> ObjectStore:
        return MemoryStore(sharing=self._first)


class LocalBacking:
    def __init__(self, directory: Path, _emulators: Emulators) -> None:
        self._directory = directory

    async def open(self) -> ObjectStore:
        return await LocalStore.open(self._directory)


class S3Backing:
    """A fresh bucket of moto."""

    def __init__(self, _directory: Path, emulators: Emulators) -> None:
        self._endpoint = emulators.moto.endpoint
        self._bucket, self._prefix = emulators.fresh_name(), ""
        s3.client(self._endpoint).create_bucket(Bucket=self._bucket)

    async def open(self) -> ObjectStore:
        bucket = S3Bucket(
            self._bucket,
            endpoint=self._endpoint,
            path_style=True,
            connections=CONNECTIONS,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        return await RemoteStore.open(bucket, prefix=self._prefix, attempts=ATTEMPTS, connections=CONNECTIONS)


class SeaweedBacking(S3Backing):
    """A fresh prefix in a bucket of SeaweedFS, with objects of somebody else beside it."""

    def __init__(self, _directory: Path, emulators: Emulators) -> None:
        self._endpoint = emulators.seaweedfs.endpoint
        self._bucket, self._prefix = SHARED_BUCKET, f"teams/{emulators.fresh_name()}"
        client = s3.client(self._endpoint)
        client.put_object(Bucket=self._bucket, Key=f"{self._prefix}-other", Body=b"of somebody else")
        client.put_object(Bucket=self._bucket, Key="other", Body=b"of somebody else")


@dataclass(frozen=True, slots=True)
class Tested:
    """A row of `BACKINGS`: the classes that a backing exercises, by which a store that has none is found."""

    name: str
    classes: tuple[type, ...]
    make: Callable[[Path, Emulators], Backing]


BACKINGS: tuple[Tested, ...] = (
    Tested("memory", (MemoryStore,), MemoryBacking),
    Tested("local", (LocalStore,), LocalBacking),
    Tested("s3", (RemoteStore, S3Bucket), S3Backing),
    Tested("seaweedfs", (RemoteStore, S3Bucket), SeaweedBacking),
)


def classes_in_suite() -> Iterator[type]:
    for each in BACKINGS:
        yield from each.classes
