"""Opens files and standard streams for a command that writes or reads a whole archive."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dbt_state_oss.errors import InvalidRequest

STANDARD_STREAM = "-"


@contextmanager
def written_whole(name: str) -> Iterator[BinaryIO]:
    """Open a file for writing. It appears under its name only when it is complete; after an error an old file is unchanged.

    Only its owner can access the file (mode 0600). `-` is standard output. Standard output, pipes and devices are written
    directly. Raises `InvalidRequest` if the file cannot be written.
    """
    if name == STANDARD_STREAM:
        if sys.stdout.isatty():
            raise InvalidRequest("an archive is not written to a terminal; name a file or redirect the output")
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discard the rest of the buffer
            raise InvalidRequest("standard output was closed before the archive was complete") from error
        return
    path = Path(name)
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
            return
        path = path.resolve()
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def read_again(name: str) -> Iterator[BinaryIO]:
    """Open a file for reading several times. `-` is standard input, which is copied to a private temporary file first.

    Raises `InvalidRequest` if the file cannot be read.
    """
    try:
        if name == STANDARD_STREAM:
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(sys.stdin.buffer, copy)
                yield copy
            return
        with Path(name).open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidRequest(f"{name} cannot be read: {error.strerror}") from error
