"""The local store in trouble: full and read-only disks, locks held by others; and after it is over."""

# ruff: noqa: ASYNC221 - no other task runs while a test prepares its directory

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.stores.asking import stored
from tests.stores.faults import directory_lock, file_size_limit

from dbt_state_oss.application.ports import Version
from dbt_state_oss.errors import Conflict, StoreMisconfigured, StoreReadOnly, StoreUnavailable
from dbt_state_oss.stores.database import FILE_NAME
from dbt_state_oss.stores.local import LocalStore

pytestmark = pytest.mark.process

KEY = "org/namespace/0a1b"
DISK_BYTES = 2 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of `DISK_BYTES`."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root, and not in every container, may mount a file system; the file size limit is tested")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def fill(store: LocalStore) -> Version:
    """Put growing documents until the disk takes no more; the version of the last one that it took."""
    version = await store.put(KEY, b"", expected=None)
    size = 0
    with suppress(StoreReadOnly):
        while size < DISK_BYTES:
            size += 4096
            version = await store.put(KEY, b"x" * size, expected=version)
    with pytest.raises(StoreReadOnly, match="no space left"):
        await store.put(KEY, b"x" * size, expected=version)
    return version


async def test_a_full_disk_refuses_writes_and_still_answers_reads(small_disk: Path) -> None:
    store = await LocalStore.open(small_disk / "state")
    version = await fill(store)
    assert (await stored(store, KEY)).version == version
    await store.close()


async def test_a_full_disk_that_has_room_again_is_written_again(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * (DISK_BYTES // 4))
    store = await LocalStore.open(small_disk / "state")
    version = await fill(store)
    (small_disk / "ballast").unlink()
    await store.put(KEY, b"after", expected=version)
    await store.close()
    reopened = await LocalStore.open(small_disk / "state")
    assert (await stored(reopened, KEY)).data == b"after"
    await reopened.close()


async def test_a_document_too_large_for_the_disk_fails_alone(small_disk: Path) -> None:
    store = await LocalStore.open(small_disk / "state")
    with directory_lock(small_disk / "state"):
        puts = [
            asyncio.create_task(store.put(f"org/{size}", b"x" * size, expected=None))
            for size in (10, 20, DISK_BYTES, 30)
        ]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, str, StoreReadOnly, str]
    await store.close()


async def test_a_full_disk_is_refused_at_open_with_the_path(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "ballast").write_bytes(b"x" * (DISK_BYTES + 1))
    with pytest.raises(StoreReadOnly, match=str(small_disk)):
        await LocalStore.open(small_disk / "state")


async def test_a_read_only_file_system_is_refused_at_open(small_disk: Path) -> None:
    await (await LocalStore.open(small_disk / "state")).close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreReadOnly, match=f"{small_disk / 'state'} is read-only"):
        await LocalStore.open(small_disk / "state")
    with pytest.raises(StoreReadOnly, match="cannot be written"):
        await LocalStore.open(small_disk / "another")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes whatever the mode; the read-only file system is tested")
@pytest.mark.parametrize("name", ["", FILE_NAME])
async def test_a_directory_or_file_without_permission_is_refused_at_open(directory: Path, name: str) -> None:
    await (await LocalStore.open(directory)).close()
    mode = (directory / name).stat().st_mode
    (directory / name).chmod(0o500 if name == "" else 0o400)
    with pytest.raises(StoreReadOnly, match=str(directory)):
        await LocalStore.open(directory)
    (directory / name).chmod(mode)


async def test_an_exhausted_quota_refuses_writes_until_it_is_lifted(local: LocalStore) -> None:
    version = await local.put(KEY, b"before", expected=None)
    with file_size_limit(1 << 20), pytest.raises(StoreReadOnly, match="quota"):
        await local.put(KEY, b"x" * (2 << 20), expected=version)
    assert (await stored(local, KEY)).data == b"before"
    await local.put(KEY, b"after", expected=version)
    assert (await stored(local, KEY)).data == b"after"


async def test_a_directory_locked_for_too_long_is_unavailable_until_it_is_free(
    directory: Path, local: LocalStore
) -> None:
    version = await local.put(KEY, b"before", expected=None)
    with directory_lock(directory):
        with pytest.raises(StoreUnavailable, match="locked"):
            await local.put(KEY, b"during", expected=version)
        with pytest.raises(StoreUnavailable, match="locked"):
            await LocalStore.open(directory, lock_timeout=0.05)
        assert (await stored(local, KEY)).data == b"before"
    await local.put(KEY, b"after", expected=version)


async def test_another_programs_transaction_delays_a_put_and_no_get(directory: Path, local: LocalStore) -> None:
    version = await local.put(KEY, b"before", expected=None)
    with closing(sqlite3.connect(directory / FILE_NAME, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await local.put(KEY, b"during", expected=version)
        assert (await stored(local, KEY)).data == b"before"
        connection.execute("ROLLBACK")
    await local.put(KEY, b"after", expected=version)


async def test_a_file_that_another_program_keeps_to_itself_is_unavailable_until_it_lets_go(directory: Path) -> None:
    await (await LocalStore.open(directory)).close()
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("SELECT count(*) FROM documents")
        with pytest.raises(StoreUnavailable, match="locked"):
            await LocalStore.open(directory, lock_timeout=0.05)
    await (await LocalStore.open(directory)).close()


async def test_damage_on_the_disk_is_told_and_a_backup_put_in_its_place_is_read(
    directory: Path, local: LocalStore
) -> None:
    await local.put(KEY, b"x" * 5000, expected=None)
    path = directory / FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = directory / "backup"
    backup.write_bytes(path.read_bytes())
    damaged = directory / "damaged"
    damaged.write_bytes(b"\x00" * path.stat().st_size)
    damaged.replace(path)
    with pytest.raises(StoreMisconfigured, match="damaged"):
        await local.get(KEY)
    with pytest.raises(StoreMisconfigured, match="damaged"):
        await local.put("org/other", b"x", expected=None)
    backup.replace(path)
    assert (await stored(local, KEY)).data == b"x" * 5000
    with pytest.raises(Conflict):
        await local.put(KEY, b"x", expected=None)
