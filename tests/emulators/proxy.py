"""A proxy before an emulator: it remembers requests, and does to some of them what networks and clouds do.

Faults are made here and not in our code, so that the real SDK meets them on a real connection.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "expect")


class Request:
    """A request as it comes in; its body is read when somebody asks for it."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        self._stream = handler.rfile
        self._chunked = handler.headers.get("Transfer-Encoding", "").lower() == "chunked"
        self._length = int(handler.headers.get("Content-Length", 0))

    @cached_property
    def body(self) -> bytes:
        if self._chunked:
            return b"".join(iter(self._chunk, b""))
        return self._stream.read(self._length)

    def read_half(self) -> None:
        """Read as much of the body as a connection that breaks in the middle brings."""
        self._stream.read(self._length // 2)

    def _chunk(self) -> bytes:
        data = self._stream.read(int(self._stream.readline().split(b";")[0], 16))
        self._stream.readline()
        return data


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; one with a `promised` length says so and ends before it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    promised: int | None = None


Forward = Callable[[], Answer]
"""Passes the request on."""

Fault = Callable[[Request, Forward], Answer | None]
"""What becomes of a request; None breaks the connection off."""


class Proxy:
    """Listens on a free port of loopback and passes requests on to `upstream`, an http:// address."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._lock = threading.Lock()
        self._faults: list[tuple[Callable[[Request], bool], Fault]] = []
        self.seen: list[tuple[str, str]] = []
        """Method and path of every request that came in."""
        threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def fault(self, fault: Fault, *, on: Callable[[Request], bool] = lambda _: True) -> Iterator[Counter[str]]:
        """Do this to every request that `on` holds for; counts what was done, by method."""
        done: Counter[str] = Counter()

        def counted(request: Request, forward: Forward) -> Answer | None:
            with self._lock:
                done[request.method] += 1
            return fault(request, forward)

        entry = (on, counted)
        with self._lock:
            self._faults.append(entry)
        try:
            yield done
        finally:
            with self._lock:
                self._faults.remove(entry)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> Answer | None:
        """For the handler alone."""
        with self._lock:
            self.seen.append((request.method, request.path))
            fault = next((fault for on, fault in self._faults if on(request)), None)
        if fault is None:
            return self._forward(request)
        return fault(request, lambda: self._forward(request))

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            if request.body or request.method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            kept = "content-length" if request.method == "HEAD" else ""
            headers = [
                (name, value)
                for name, value in response.getheaders()
                if name.lower() == kept or name.lower() not in _HOP_BY_HOP
            ]
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients go away when their time is up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        request = Request(self)
        answer = self.server.proxy.answer(request)
        if answer is None:
            self._break_off()
            return
        _ = request.body  # whatever was answered: the next request begins behind it
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        length = len(answer.body) if answer.promised is None else answer.promised
        if answer.status not in (204, 304) and self.command != "HEAD":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(answer.body)
        if answer.promised is not None:
            self._break_off()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _break_off(self) -> None:
        """Reset the connection: the peer hears of it at once."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base's name
        """Nothing: thousands of requests are made."""
