"""The object stores of a test run: started when they are first asked for, and what leads a server to a place in them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from tests.emulators import s3
from tests.emulators.azure import Azurite
from tests.emulators.gcs import FakeGcsServer
from tests.emulators.process import EmulatorProcess

SHARED_BUCKET = "shared"

REMOTE_STORES = ("s3", "azure", "gcs")
"""The kinds of store that have an emulator."""

E = TypeVar("E", bound=EmulatorProcess)


class Emulators:
    """The servers that this test process has started so far."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stops: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)

    @cached_property
    def moto(self) -> EmulatorProcess:
        return self._started(s3.moto)

    @cached_property
    def seaweedfs(self) -> EmulatorProcess:
        server = self._started(s3.seaweedfs)
        s3.client(server.endpoint).create_bucket(Bucket=SHARED_BUCKET)
        return server

    @cached_property
    def azurite(self) -> Azurite:
        server = self._started(Azurite)
        server.new_container(SHARED_BUCKET).close()
        return server

    @cached_property
    def fake_gcs(self) -> FakeGcsServer:
        server = self._started(FakeGcsServer)
        server.new_bucket(SHARED_BUCKET)
        return server

    def _started(self, start: Callable[[Path], E]) -> E:
        server = start(self._directory)
        self._stops.append(server.stop)
        return server

    def fresh_name(self) -> str:
        """A name that no bucket has yet."""
        return f"bucket-{next(self._numbers)}"

    def variables(self, store: str, prefix: str) -> dict[str, str]:
        """The environment of a server that keeps its state in this kind of store, under `prefix`."""
        match store:
            case "s3":
                return s3_variables(self.seaweedfs.endpoint, SHARED_BUCKET, prefix)
            case "azure":
                return {
                    "STATE_STORE": "azure",
                    "DBTSTATE_AZURE_CONNECTION_STRING": self.azurite.connection_string,
                    "DBTSTATE_AZURE_CONTAINER": SHARED_BUCKET,
                    "DBTSTATE_AZURE_PREFIX": prefix,
                }
            case "gcs":
                return {
                    "STATE_STORE": "gcs",
                    "DBTSTATE_GCS_ENDPOINT": self.fake_gcs.endpoint,
                    "DBTSTATE_GCS_BUCKET": SHARED_BUCKET,
                    "DBTSTATE_GCS_PREFIX": prefix,
                }
            case _:
                raise ValueError(f"there is no emulator of {store}")

    def stop(self) -> None:
        for stop in self._stops:
            stop()


def s3_variables(endpoint: str, bucket: str, prefix: str) -> dict[str, str]:
    """The environment of a server on a store that speaks as S3 does."""
    return {
        "STATE_STORE": "s3",
        "DBTSTATE_S3_ENDPOINT": endpoint,
        "DBTSTATE_S3_BUCKET": bucket,
        "DBTSTATE_S3_PREFIX": prefix,
        "DBTSTATE_S3_PATH_STYLE": "yes",
        **s3.CREDENTIALS,
    }
