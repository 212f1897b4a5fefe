"""The archive: a whole state in one file whose completeness can be checked.

The format is gzipped JSON Lines: a header, a line for each document in the order of their keys, and a footer with the
number of documents and a digest of all lines before it. An archive is written and read as a stream, one document at a time.
This module does not access a store.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Literal, TypeVar

import msgspec

from dbt_state_oss.errors import InvalidRequest

VERSION = 1
"""The version of the format. Archives with another version are refused."""

_FORMAT = "dbt-state-oss archive"
_LONGEST_LINE = 512 * 1024 * 1024
_COMPRESSION = 6

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ArchivedDocument:
    """A document as it is stored."""

    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The metadata of an archive."""

    made_at: int
    """When the export began, in Unix milliseconds."""
    server: str
    """The version of dbt-state-oss that wrote it."""
    ticket_keys: bool
    """Whether it contains the secrets that sign tickets."""
    version: int = VERSION
    format: str = _FORMAT


@dataclass(frozen=True, slots=True)
class _Line:
    key: str
    sha256: str
    text: str | None = None
    base64: str | None = None
    """Exactly one of `text` and `base64` is set: `base64` for bytes that are not UTF-8."""


@dataclass(frozen=True, slots=True)
class _Footer:
    documents: int
    digest: str
    """SHA-256, in hex, of every line before this one."""
    end: Literal[True] = True


@dataclass(frozen=True, slots=True)
class _Kind:
    """The fields that distinguish a footer from a document, and an archive from another file."""

    end: bool = False
    format: str = ""
    version: int = 0


_encode = msgspec.json.Encoder().encode
_header = msgspec.json.Decoder(Header)
_kind = msgspec.json.Decoder(_Kind)
_line = msgspec.json.Decoder(_Line)
_footer = msgspec.json.Decoder(_Footer)


class ArchiveWriter:
    """Writes one archive. It is complete once `finish` has returned."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._zip = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=_COMPRESSION, mtime=0)
        self._digest = sha256()
        self._documents, self._last = 0, ""
        self._write(_encode(header))

    def add(self, record: ArchivedDocument) -> None:
        """Write a document. Keys must be in ascending order."""
        assert record.key > self._last, "documents are written in the order of their keys"
        self._last = record.key
        digest = sha256(record.data).hexdigest()
        try:
            line = _Line(record.key, digest, text=record.data.decode("utf-8"))
        except UnicodeDecodeError:
            line = _Line(record.key, digest, base64=base64.b64encode(record.data).decode("ascii"))
        self._write(_encode(line))
        self._documents += 1

    def finish(self) -> int:
        """Write the footer and return the number of documents. The file itself stays open."""
        self._write(_encode(_Footer(self._documents, self._digest.hexdigest())))
        self._zip.close()
        return self._documents

    def _write(self, line: bytes) -> None:
        self._digest.update(line + b"\n")
        self._zip.write(line + b"\n")


def read_header(file: BinaryIO) -> Header:
    """Return the header. Raises `InvalidRequest` if the file is not an archive that this version can read."""
    return _header_of(next(_lines(file), b""))


def records_of(file: BinaryIO) -> Iterator[ArchivedDocument]:
    """Yield the documents of an archive. Each is checked. The whole archive is only proven after the last one was read.

    Raises `InvalidRequest` if the file is not an archive, has another version, is truncated or damaged, or contains a key
    twice.
    """
    lines = _lines(file)
    first = next(lines, b"")
    _header_of(first)
    digest, last = sha256(first), ""
    for number, line in enumerate(lines, start=1):
        if _decoded(_kind, line, number).end:
            footer = _decoded(_footer, line, number)
            if (footer.documents, footer.digest) != (number - 1, digest.hexdigest()) or next(lines, None) is not None:
                raise _damaged("its last line does not match its documents")
            return
        digest.update(line)
        record = _record_of(_decoded(_line, line, number), number)
        if record.key <= last:
            raise _damaged(f"document {number}, {record.key[:200]!a}, is a duplicate or out of order")
        last = record.key
        yield record
    raise InvalidRequest(
        "the archive is cut off: its end is missing; nothing was written. Copy the file again or use an older archive"
    )


def _lines(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as unzipped:
            while line := unzipped.readline(_LONGEST_LINE):
                yield line
    except EOFError as error:
        raise InvalidRequest(
            "the archive is cut off: the file ends too early; nothing was written. Copy the file again or use an older archive"
        ) from error
    except gzip.BadGzipFile as error:
        raise InvalidRequest(
            "the file is not an archive of `state export`, or is damaged; nothing was written"
        ) from error
    except zlib.error as error:
        raise _damaged("its gzip data is corrupt") from error


def _header_of(line: bytes) -> Header:
    try:
        kind = _kind.decode(line)
    except msgspec.DecodeError as error:
        raise InvalidRequest("the file is not an archive of `state export`; nothing was written") from error
    if kind.format != _FORMAT:
        raise InvalidRequest("the file is not an archive of `state export`; nothing was written")
    if kind.version != VERSION:
        raise InvalidRequest(
            f"the archive has format {kind.version}, and this version reads format {VERSION}; "
            "upgrade dbt-state-oss; nothing was written"
        )
    return _decoded(_header, line, 0)


def _decoded(decoder: msgspec.json.Decoder[T], line: bytes, number: int) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(f"line {number + 1} can't be read") from error


def _record_of(line: _Line, number: int) -> ArchivedDocument:
    try:
        binary = base64.b64decode(line.base64 or "", validate=True)
        data = binary if line.text is None else line.text.encode("utf-8")
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise _damaged(f"document {number} can't be read") from error
    if sha256(data).hexdigest() != line.sha256:
        raise _damaged(f"document {number}, {line.key[:200]!a}, is not what was exported")
    return ArchivedDocument(line.key, data)


def _damaged(how: str) -> InvalidRequest:
    return InvalidRequest(
        f"the archive is damaged: {how}; nothing was written. Copy the file again or use an older archive"
    )
