"""The stores that the contract suite runs against, and the local store's directories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.emulators import s3
from tests.emulators.proxy import Proxy
from tests.emulators.running import Emulators
from tests.emulators.s3 import CREDENTIALS
from tests.stores.backings import BACKINGS, Backing, Candidate

from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.stores.local import LocalStore


@pytest.fixture
def _s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=BACKINGS, ids=[tested.name for tested in BACKINGS])
def backing(request: pytest.FixtureRequest, tmp_path: Path, emulators: Emulators, _s3_credentials: None) -> Backing:
    tested: Candidate = request.param
    return tested.make(tmp_path / "state", emulators)


@pytest.fixture
def moto_bucket(emulators: Emulators, _s3_credentials: None) -> str:
    """A fresh bucket of moto, whose credentials stand in the environment."""
    bucket = emulators.fresh_name()
    s3.client(emulators.moto.endpoint).create_bucket(Bucket=bucket)
    return bucket


@pytest.fixture
def moto_proxy(emulators: Emulators) -> Iterator[Proxy]:
    """A way to moto that can be disturbed."""
    proxy = Proxy(emulators.moto.endpoint)
    yield proxy
    proxy.stop()


@pytest.fixture
def many(backing: Backing) -> int:
    """So many documents are listed in several pages."""
    return backing.many


@pytest.fixture
async def store(backing: Backing) -> AsyncIterator[ObjectStore]:
    opened = await backing.open()
    yield opened
    await opened.close()


@pytest.fixture
async def other_store(backing: Backing) -> AsyncIterator[ObjectStore]:
    """A second store on the documents of `store`."""
    opened = await backing.open()
    yield opened
    await opened.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def local(directory: Path) -> AsyncIterator[LocalStore]:
    """A local store that gives up a lock soon."""
    opened = await LocalStore.open(directory, lock_timeout=0.05)
    yield opened
    await opened.close()
