"""Files and streams of bytes that a command writes or reads as a whole."""

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
    """A file to write, which is there under its name once all is written, and is not touched where something fails.

    It is the owner's alone (mode 0600). `-` is standard output; that and what is no file (a pipe, a device) is written as it
    is. Raises `InvalidRequest` where it cannot be written.
    """
    if name == STANDARD_STREAM:
        if sys.stdout.isatty():
            raise InvalidRequest("an archive is not written to a terminal; name a file or redirect the output")
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere
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
    """A file that can be read several times over; `-` is standard input, kept in a temporary file of the owner's alone.

    Raises `InvalidRequest` where it cannot be read.
    """
    try:
        if name == STANDARD_STREAM:
            with tempfile.TemporaryFile() as kept:
                shutil.copyfileobj(sys.stdin.buffer, kept)
                yield kept
            return
        with Path(name).open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidRequest(f"{name} cannot be read: {error.strerror}") from error
