"""Just enough HTTP/2 to send what no gRPC library sends."""

from __future__ import annotations

import asyncio
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1


async def answer_to(port: int, method: str, message: bytes, *, headers: dict[str, str] | None = None) -> bytes:
    """The header blocks, undecoded, that answer a call with this message frame; empty where the call is only reset.

    gRPC's server sends header values without Huffman coding, so that the status can be read in them.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **(headers or {}),
    }
    block = b"".join(_literal(name, value) for name, value in fields.items())
    writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
    writer.write(_frame(_HEADERS, _END_HEADERS, 1, block) + _frame(_DATA, _END_STREAM, 1, message))
    try:
        return await _answer(reader, writer)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    blocks = b""
    while True:
        length, kind, flags, stream = struct.unpack(">IBBI", b"\0" + await reader.readexactly(9))
        payload = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        if kind == _HEADERS and stream == 1:
            blocks += payload
        if kind == _GOAWAY or (stream == 1 and (kind == _RST_STREAM or flags & _END_STREAM)):
            return blocks


def message_frame(data: bytes, *, compressed: bool = False) -> bytes:
    """A gRPC message as it stands in a DATA frame."""
    return struct.pack(">BI", compressed, len(data)) + data


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header field that is not indexed (HPACK), of less than 127 bytes."""
    return b"\0" + b"".join(bytes([len(part)]) + part.encode() for part in (name, value))
