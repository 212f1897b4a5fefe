"""What the local store finds in its directory, and what it says where it cannot use it."""

# ruff: noqa: ASYNC240 - no other task runs while a test prepares its directory

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from dbt_state_oss.application.ports import Document
from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.stores.database import FILE_NAME, SCHEMA_VERSION, Database
from dbt_state_oss.stores.local import LocalStore

KEY = "org/namespace/0a1b"


async def refusal(directory: Path) -> str:
    """The message with which the store refuses the directory."""
    with pytest.raises(StoreMisconfigured) as refused:
        await LocalStore.open(directory)
    return str(refused.value)


@pytest.fixture
async def written(directory: Path) -> Path:
    """A state file with documents in it, closed."""
    store = await LocalStore.open(directory)
    for number in range(100):
        await store.put(f"org/{number}", b"x" * 2000, expected=None)
    await store.close()
    return directory / FILE_NAME


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_new_directory_is_private_to_its_owner(directory: Path, local: LocalStore) -> None:
    await local.put(KEY, b"one", expected=None)
    assert mode(directory) == 0o700
    assert {mode(path) for path in directory.iterdir()} == {0o600}


async def test_a_missing_path_is_made_whatever_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "one" / "two" / "a ?#%41 name"
    store = await LocalStore.open(directory)
    await store.put(KEY, b"one", expected=None)
    await store.close()
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        assert connection.execute("SELECT key, data FROM documents").fetchall() == [(KEY, b"one")]


async def test_a_file_in_place_of_the_directory_is_refused(directory: Path) -> None:
    directory.write_text("a file")
    assert f"{directory} is not a directory" in await refusal(directory)
    assert f"{directory / 'below'} is not a directory" in await refusal(directory / "below")


@pytest.mark.parametrize(
    "garbage",
    [b"\x00" * 5000, b"hello", b"no database " * 1000, b"SQLite format 3\x00" + b"\xff" * 5000],
    ids=["zeros", "a few letters", "text", "a good beginning"],
)
async def test_garbage_in_place_of_the_file_is_refused_and_left_as_it_is(directory: Path, garbage: bytes) -> None:
    directory.mkdir()
    (directory / FILE_NAME).write_bytes(garbage)
    message = await refusal(directory)
    assert str(directory / FILE_NAME) in message
    assert "Move it away" in message
    assert (directory / FILE_NAME).read_bytes() == garbage


async def test_a_truncated_file_is_refused_and_left_as_it_is(directory: Path, written: Path) -> None:
    half = written.read_bytes()[: written.stat().st_size // 2]
    written.write_bytes(half)
    assert "damaged" in await refusal(directory)
    assert written.read_bytes() == half


async def test_an_empty_file_becomes_an_empty_state(directory: Path) -> None:
    directory.mkdir()
    (directory / FILE_NAME).touch()
    store = await LocalStore.open(directory)
    assert await store.get(KEY) is None
    await store.close()


async def test_another_programs_database_is_refused(directory: Path) -> None:
    directory.mkdir()
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        connection.execute("CREATE TABLE theirs (column)")
    assert "database of another program" in await refusal(directory)


async def test_a_newer_format_is_refused(directory: Path, written: Path) -> None:
    with closing(sqlite3.connect(written)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    message = await refusal(directory)
    assert f"format {SCHEMA_VERSION + 1}" in message
    assert "upgrade the server" in message


async def test_a_file_of_ours_without_its_table_is_refused(directory: Path, written: Path) -> None:
    with closing(sqlite3.connect(written)) as connection:
        connection.execute("DROP TABLE documents")
    assert "damaged" in await refusal(directory)


async def test_garbage_beside_the_file_does_no_harm(directory: Path, written: Path) -> None:
    for name in ("-wal", "-shm", "-journal"):
        written.with_name(FILE_NAME + name).write_bytes(b"garbage" * 1000)
    (directory / "notes.txt").write_text("somebody's")
    store = await LocalStore.open(directory)
    assert isinstance(await store.get("org/99"), Document)
    await store.put(KEY, b"one", expected=None)
    await store.close()
    assert (directory / "notes.txt").read_text() == "somebody's"


def test_every_connection_syncs_the_log_at_each_commit(directory: Path) -> None:
    """No test can cut the power: WAL with FULL (2) is the setting that SQLite documents as surviving it."""
    database = Database(directory)
    for _ in ("the first makes the file", "the second finds it"):
        with database.exclusive(), closing(database.connect(busy_timeout=0)) as opened:
            assert opened.connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
            assert opened.connection.execute("PRAGMA synchronous").fetchall() == [(2,)]


def test_a_file_system_without_a_write_ahead_log_is_refused(directory: Path) -> None:
    """SQLite's dot-file VFS has no shared memory, as a network file system has none."""
    database = Database(directory, vfs="unix-dotfile")
    with database.exclusive(), pytest.raises(StoreMisconfigured, match="network file systems"):
        database.connect(busy_timeout=0)


async def test_a_directory_that_was_removed_under_the_store_is_an_empty_state(
    directory: Path, local: LocalStore
) -> None:
    await local.put(KEY, b"old", expected=None)
    shutil.rmtree(directory)
    assert await local.get(KEY) is None
    await local.put(KEY, b"new", expected=None)
    reopened = await LocalStore.open(directory)
    document = await reopened.get(KEY)
    assert isinstance(document, Document)
    assert document.data == b"new"
    await reopened.close()


async def test_a_put_never_goes_into_a_file_that_was_removed(directory: Path, local: LocalStore) -> None:
    version = await local.put(KEY, b"old", expected=None)
    shutil.rmtree(directory)
    await local.put("org/other", b"new", expected=None)
    assert await local.get(KEY, unless=version) is None
    assert isinstance(await local.get("org/other"), Document)
