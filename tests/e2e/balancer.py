"""One address for several servers, as a Kubernetes Service is: every connection goes to one that takes it, in turns."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

_CHUNK_BYTES = 65_536


class Balancer:
    """Forwards connections to ports of loopback; one that refuses is passed over."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = itertools.cycle(ports)
        self._count = len(ports)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="balancer", daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = self._connect()
        if server is None:
            client.close()
            return
        back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
        back.start()
        _pipe(client, server)
        back.join()
        client.close()
        server.close()

    def _connect(self) -> socket.socket | None:
        with self._lock:
            ports = [next(self._ports) for _ in range(self._count)]
            next(self._ports)
        for port in ports:
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", port), 5)
        return None


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    """Copy until either side ends, and then end the other one."""
    with suppress(OSError):
        source.settimeout(None)
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    for side in (source, sink):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
