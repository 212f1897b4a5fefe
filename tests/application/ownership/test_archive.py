"""An archive gives back what was put in, or nothing: whatever is cut off, changed or put in beside is noticed."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_state_oss.application.ownership.archive import ArchivedDocument, ArchiveWriter, Header, read_header, records_of
from dbt_state_oss.errors import InvalidRequest

HEADER = Header(made_at=1, server="1.0", ticket_keys=False)
RECORDS = [
    ArchivedDocument("a/1", b'{"text": "\xc3\xa4"}'),
    ArchivedDocument("a/2", b"\xff\x00 no text"),
    ArchivedDocument("b", b""),
]


def archive(records: list[ArchivedDocument]) -> io.BytesIO:
    file = io.BytesIO()
    writer = ArchiveWriter(file, HEADER)
    for record in records:
        writer.add(record)
    assert writer.finish() == len(records)
    return file


def lines_of(file: io.BytesIO) -> list[bytes]:
    return gzip.decompress(file.getvalue()).splitlines(keepends=True)


def zipped(lines: list[bytes]) -> io.BytesIO:
    """The lines as an archive whose footer fits them, if they end with one."""
    footer = json.loads(lines[-1])
    if footer.get("end"):
        body = lines[:-1]
        footer |= {"documents": len(body) - 1, "digest": sha256(b"".join(body)).hexdigest()}
        lines = [*body, json.dumps(footer).encode() + b"\n"]
    return io.BytesIO(gzip.compress(b"".join(lines)))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3})?", fullmatch=True), st.binary(max_size=50)))
def test_all_bytes_come_back(documents: dict[str, bytes]) -> None:
    records = [ArchivedDocument(key, documents[key]) for key in sorted(documents)]
    assert list(records_of(archive(records))) == records


def test_it_can_be_read_again_and_tells_of_itself() -> None:
    file = archive(RECORDS)
    assert read_header(file) == HEADER
    assert list(records_of(file)) == list(records_of(file)) == RECORDS


def test_equal_states_make_equal_archives() -> None:
    assert archive(RECORDS).getvalue() == archive(RECORDS).getvalue()


def test_a_file_that_ends_anywhere_too_early_is_noticed() -> None:
    whole = archive(RECORDS).getvalue()
    for length in range(len(whole)):
        with pytest.raises(InvalidRequest, match="nothing was written"):
            list(records_of(io.BytesIO(whole[:length])))


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    """But in the zip's own header, which says nothing of the content."""
    whole = archive(RECORDS).getvalue()
    for place in range(10, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        with pytest.raises(InvalidRequest, match="nothing was written"):
            list(records_of(io.BytesIO(bytes(damaged))))


def without_a_document(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[3:]]


def without_the_end(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def test_lines_that_are_missing_are_noticed_though_the_zip_is_whole() -> None:
    lines = lines_of(archive(RECORDS))
    for fewer in (without_a_document(lines), without_the_end(lines), lines[1:], [*lines, lines[1]]):
        with pytest.raises(InvalidRequest, match="nothing was written"):
            list(records_of(io.BytesIO(gzip.compress(b"".join(fewer)))))


def a_key_twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[1], *lines[2:]]


def keys_out_of_order(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def changed_text(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"text\\", b"TEXT\\"), *lines[2:]]


def broken_base64(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(base64.b64encode(RECORDS[1].data), b"*"), *lines[3:]]


def no_json(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"nonsense\n", *lines[1:]]


def of_a_newer_version(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b'"version":1', b'"version":2'), *lines[1:]]


def another_programs(lines: list[bytes]) -> list[bytes]:
    return [b'{"format":"other","version":1}\n', *lines[1:]]


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (a_key_twice, "duplicate"),
        (keys_out_of_order, "out of order"),
        (changed_text, "not what was exported"),
        (broken_base64, "can't be read"),
        (no_json, "can't be read"),
        (of_a_newer_version, "upgrade dbt-state-oss"),
        (another_programs, "not an archive"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_an_archive_that_was_tampered_with_is_refused_though_its_sums_fit(
    change: Callable[[list[bytes]], list[bytes]], because: str
) -> None:
    lines = lines_of(archive(RECORDS))
    assert list(records_of(zipped(lines))) == RECORDS
    changed = change(lines)
    assert changed != lines
    with pytest.raises(InvalidRequest, match=because):
        list(records_of(zipped(changed)))


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", gzip.compress(b"no json\n"), gzip.compress(b"")],
    ids=["empty", "no zip", "no json", "an empty zip"],
)
def test_another_file_is_told_from_an_archive(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="nothing was written"):
        read_header(io.BytesIO(content))
