"""Translates errors of SQLite and of the operating system to errors of this project."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from dbt_state_oss.errors import StoreError, StoreMisconfigured, StoreReadOnly, StoreUnavailable

_REFUSALS = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT}
_PRIMARY_CODE = 0xFF
_FAILED_WRITES = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection holds a lock, so that a retry may succeed."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def explain(error: Exception, path: Path) -> StoreError:
    """Translate `error`, which came from the database at `path`. The caller chains it."""
    if isinstance(error, OSError):
        return _explain_system(error, path.parent)
    if not isinstance(error, sqlite3.Error):
        return StoreUnavailable(f"{path}: {error!r}")
    if is_busy(error):
        return StoreUnavailable(f"{path} has been locked by another process for too long")
    if _extended_code(error) in _FAILED_WRITES:
        return StoreReadOnly(f"{path} cannot be written: {error}; check free space, quota and disk health")
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return StoreReadOnly(f"{path} cannot be written: no space left; free some on its file system")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StoreReadOnly(f"{path} is read-only; the server needs to write to it and to its directory")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreMisconfigured(
                f"{path} is not a SQLite database or is damaged; it was left as it is. "
                "Move it away to start with an empty state, or put a backup in its place"
            )
        case _:
            return StoreUnavailable(f"{path}: {error}")


def _extended_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code


def _code(error: sqlite3.Error) -> int:
    return _extended_code(error) & _PRIMARY_CODE


def _explain_system(error: OSError, directory: Path) -> StoreError:
    if error.errno in _REFUSALS:
        return StoreReadOnly(f"{directory} cannot be written: {error.strerror}")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreMisconfigured(f"{directory} is not a directory; use a directory for the state")
    return StoreUnavailable(f"{directory}: {error.strerror}")
