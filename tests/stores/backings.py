"""What the contract suite runs against: for each store, how to make a fresh backing and how to open it.

A new backend or wrapper joins with one entry in `BACKINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.emulators import s3
from tests.emulators.running import SHARED_BUCKET, Emulators

from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.stores.azure import AzureBucket
from dbt_state_oss.stores.gcs import GcsBucket
from dbt_state_oss.stores.local import LocalStore
from dbt_state_oss.stores.memory import MemoryStore
from dbt_state_oss.stores.remote import RemoteStore
from dbt_state_oss.stores.s3 import S3Bucket

CONNECTIONS = 16
TIMEOUT_SECONDS = 20.0
ATTEMPTS = 2
PAGE_SIZE = 250


class Backing(Protocol):
    """Where the documents of one test lie."""

    many: int
    """So many documents are listed in several pages."""
    rounds: int
    """How often each of many writers has its turn; less where a turn takes several requests."""

    async def open(self) -> ObjectStore:
        """A further store on these documents, as another replica would open it."""


class MemoryBacking:
    many = 3000
    rounds = 20

    def __init__(self, _directory: Path, _emulators: Emulators) -> None:
        self._first = MemoryStore()

    async def open(self) -> ObjectStore:
        return MemoryStore(sharing=self._first)


class LocalBacking:
    many = 3000
    rounds = 20

    def __init__(self, directory: Path, _emulators: Emulators) -> None:
        self._directory = directory

    async def open(self) -> ObjectStore:
        return await LocalStore.open(self._directory)


class S3Backing:
    """A fresh bucket of moto."""

    many = 600
    rounds = 4

    def __init__(self, _directory: Path, emulators: Emulators) -> None:
        self._endpoint = emulators.moto.endpoint
        self._bucket, self._prefix = emulators.fresh_name(), ""
        s3.client(self._endpoint).create_bucket(Bucket=self._bucket)

    async def open(self) -> ObjectStore:
        bucket = S3Bucket(
            self._bucket,
            endpoint=self._endpoint,
            path_style=True,
            page_size=PAGE_SIZE,
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


class AzureBacking:
    """A fresh container of azurite; a `prefix` makes others of it, with documents of somebody else beside ours."""

    many = 600
    rounds = 4
    prefix = ""

    def __init__(self, _directory: Path, emulators: Emulators) -> None:
        self._connection_string = emulators.azurite.connection_string
        self._container = emulators.fresh_name()
        with emulators.azurite.new_container(self._container) as client:
            if self.prefix:
                client.upload_blob(f"{self.prefix}-other", b"of somebody else")
                client.upload_blob("other", b"of somebody else")

    async def open(self) -> ObjectStore:
        bucket = AzureBucket(
            self._container,
            place=f"azure://emulator/{self._container}",
            connection_string=self._connection_string,
            page_size=PAGE_SIZE,
            connections=CONNECTIONS,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        return await RemoteStore.open(bucket, prefix=self.prefix, attempts=ATTEMPTS, connections=CONNECTIONS)


class OneLakeBacking(AzureBacking):
    """Names as OneLake has them; what else is its own, no emulator has."""

    prefix = "shop data.Lakehouse/Files/teams/dbt-state"


class GcsBacking:
    """A fresh bucket of fake-gcs-server; a `prefix` makes others of it, with documents of somebody else beside ours."""

    many = 600
    rounds = 4
    prefix = ""

    def __init__(self, _directory: Path, emulators: Emulators) -> None:
        self._endpoint = emulators.fake_gcs.endpoint
        self._bucket = emulators.fresh_name()
        emulators.fake_gcs.new_bucket(self._bucket)
        if self.prefix:
            emulators.fake_gcs.put(self._bucket, f"{self.prefix}-other", b"of somebody else")
            emulators.fake_gcs.put(self._bucket, "other", b"of somebody else")

    async def open(self) -> ObjectStore:
        bucket = GcsBucket(
            self._bucket,
            endpoint=self._endpoint,
            page_size=PAGE_SIZE,
            connections=CONNECTIONS,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        return await RemoteStore.open(bucket, prefix=self.prefix, attempts=ATTEMPTS, connections=CONNECTIONS)


class PrefixedGcsBacking(GcsBacking):
    prefix = "teams/data"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of `BACKINGS`: the classes that a backing exercises, by which a store that has none is found."""

    name: str
    classes: tuple[type, ...]
    make: Callable[[Path, Emulators], Backing]


BACKINGS: tuple[Candidate, ...] = (
    Candidate("memory", (MemoryStore,), MemoryBacking),
    Candidate("local", (LocalStore,), LocalBacking),
    Candidate("s3", (RemoteStore, S3Bucket), S3Backing),
    Candidate("seaweedfs", (RemoteStore, S3Bucket), SeaweedBacking),
    Candidate("azure", (RemoteStore, AzureBucket), AzureBacking),
    Candidate("shaped as OneLake", (RemoteStore, AzureBucket), OneLakeBacking),
    Candidate("gcs", (RemoteStore, GcsBucket), GcsBacking),
    Candidate("gcs under a prefix", (RemoteStore, GcsBucket), PrefixedGcsBacking),
)


def classes_in_suite() -> Iterator[type]:
    for each in BACKINGS:
        yield from each.classes
