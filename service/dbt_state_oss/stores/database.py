"""Creates, recognizes, locks and opens the SQLite file of the local store.

`local` and `group_commit` use it. It handles no documents and no event loop.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dbt_state_oss.errors import StoreMisconfigured, StoreReadOnly, StoreUnavailable
from dbt_state_oss.stores.sqlite_errors import explain

FileIdentity = tuple[int, int] | None
"""Device and inode; None if there is no file."""

FILE_NAME = "state.sqlite3"
APPLICATION_ID = 0x64627374
"""SQLite's `application_id` of this store's files ("dbst"). It keeps the store from writing to another program's database."""
SCHEMA_VERSION = 1
LOCK_TIMEOUT = 5.0
"""Seconds to wait for another process's transaction before the store counts as unavailable."""

_LOCK_POLL = 0.001
_PAGE_SIZE = 4096
_JOURNAL_LIMIT = 64 << 20
_SCHEMA = "CREATE TABLE documents (key TEXT PRIMARY KEY NOT NULL, version TEXT NOT NULL, data BLOB NOT NULL)"


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """One connection. Only one thread at a time may use it."""

    connection: sqlite3.Connection
    path: Path
    identity: FileIdentity

    def is_current(self) -> bool:
        """Return whether the open file is still the one at the path.

        A user who deletes the directory of a running server wants an empty state, not writes to a deleted file.
        """
        return _identity(self.path) == self.identity

    def close(self) -> None:
        """Close the file. An open transaction is rolled back."""
        self.connection.close()


class Database:
    """`state.sqlite3` in `directory`, shared by all server processes of this host.

    *Durability.* WAL with `synchronous=FULL`. According to SQLite's documentation of that pragma, FULL adds a sync of the
    WAL after each commit, so a committed transaction survives a power loss. NORMAL keeps the file consistent but may lose
    the last commits. Readers see a commit only after that sync.

    *Exclusion.* SQLite's own locks exclude concurrent writers. In addition, every transaction and every checkpoint (which
    happens within COMMIT) runs under an advisory lock on the directory. With it, a waiting process continues within one or
    two milliseconds, instead of after SQLite's growing pauses. It also prevents a checkpoint during another process's
    write, which can corrupt the file in SQLite before 3.51.3 (https://sqlite.org/wal.html#walresetbug). Nothing else in
    this process may open and close the file: by POSIX rules that would release SQLite's locks on it.

    *Layout.* A rowid table with an index on the key, in pages of 4 KiB. For documents of 2 to 20 kB it writes 50 to 80 % of
    the WAL that a WITHOUT ROWID table writes, and lists keys 6 to 20 times as fast, because no documents lie between keys.
    """

    def __init__(self, directory: Path, *, vfs: str | None = None, lock_timeout: float = LOCK_TIMEOUT) -> None:
        """`vfs` names a SQLite VFS other than the default; `lock_timeout` is in seconds."""
        self._directory = directory.absolute()
        self.path = self._directory / FILE_NAME
        self.lock_timeout = lock_timeout
        self._query = "mode=rw" if vfs is None else f"mode=rw&vfs={vfs}"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the directory's lock, which excludes all other processes and all other stores of this process.

        Creates the directory if it does not exist. Raises `StoreUnavailable` if the lock is not free within the timeout,
        `StoreReadOnly` or `StoreMisconfigured` if the directory cannot be created or opened. The system releases the lock of
        a process that died.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise explain(error, self.path) from error
        try:
            self._take_lock(descriptor)
            yield
        finally:
            fcntl.flock(
                descriptor, fcntl.LOCK_UN
            )  # if it were only closed, a child that was forked meanwhile would keep it
            os.close(descriptor)

    def connect(self, *, busy_timeout: float) -> OpenDatabase:
        """Open the file, or create it if there is none. Call this inside `exclusive`.

        A file that belongs to another program, is damaged, or has a newer version is refused and not changed.
        `busy_timeout`: seconds to wait for SQLite's own locks. Raises `StoreReadOnly`, `StoreMisconfigured` or
        `StoreUnavailable`, with the path and what to do.
        """
        try:
            self._create_file()
            connection = self._open(busy_timeout)
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self.path) from error
        return OpenDatabase(connection, self.path, _identity(self.path))

    def _take_lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + self.lock_timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"{self._directory} has been locked by another process for too long; "
                        "check for a hanging dbt-state-oss process"
                    ) from None
                time.sleep(random.uniform(0.5, 1.5) * _LOCK_POLL)  # noqa: S311 - spreads waiters, guards nothing
            else:
                return

    def _create_file(self) -> None:
        """Create the file with mode 0600 from the start, and sync its directory before any write is acknowledged."""
        if self.path.exists():
            return
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _sync_directory(self._directory)
        for parent in self._directory.parents:
            with suppress(OSError):  # no permission, so this process did not create it
                _sync_directory(parent)

    def _open(self, busy_timeout: float) -> sqlite3.Connection:
        for needed in (self._directory, self.path):
            if not os.access(needed, os.W_OK):
                raise StoreReadOnly(f"{needed} is read-only; the server needs to write to it")
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?{self._query}",
            uri=True,
            timeout=self.lock_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._check_origin(connection)
            self._set_up(connection)
            connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_origin(self, connection: sqlite3.Connection) -> None:
        """Refuse a database of another program or a newer version. Writes nothing."""
        application_id = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        if not (application_id or version or names):
            return
        if application_id != APPLICATION_ID:
            raise StoreMisconfigured(f"{self.path} is the database of another program; use another directory")
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise StoreMisconfigured(
                f"{self.path} was written by a newer version of this server (format {version}; this version "
                f"reads up to {SCHEMA_VERSION}); upgrade the server or use another directory"
            )
        if "documents" not in names:
            raise StoreMisconfigured(
                f"{self.path} is damaged: its table of documents is missing. "
                "Move it away to start with an empty state, or put a backup in its place"
            )

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        mode = _pragma(connection, "journal_mode = WAL")
        if mode != "wal":
            raise StoreMisconfigured(
                f"{self.path} is on a file system without the shared memory that SQLite's write-ahead log needs "
                f"(journal mode {mode}); network file systems have none. Use a directory on a local disk"
            )
        for setting in ("synchronous = FULL", "fullfsync = ON", f"journal_size_limit = {_JOURNAL_LIMIT}"):
            connection.execute(f"PRAGMA {setting}").close()
        if _pragma(connection, "user_version") == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA}; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
            )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _identity(path: Path) -> FileIdentity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _pragma(connection: sqlite3.Connection, text: str) -> object:
    with closing(connection.execute(f"PRAGMA {text}")) as cursor:
        (value,) = cursor.fetchone()
    return value
