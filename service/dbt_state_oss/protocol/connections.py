"""Closes the connections of a server that ends, so that every call on its way fails as UNAVAILABLE, which clients repeat.

A gRPC server that stops cancels the calls that reach it before its clients know (grpc/grpc#29462). Clients do not repeat a
call that is CANCELLED. gRPC offers no way to close connections, so this looks for their sockets among the process's files.
"""

from __future__ import annotations

import os
import socket

_OPEN_FILES = "/dev/fd"


def close_connections(port: int) -> int:
    """Shut down every TCP connection of this process to its own `port`; how many there were. Sent data still arrives.

    Does nothing where the system does not tell which files are open: then gRPC cancels what is on its way.
    """
    try:
        names = os.listdir(_OPEN_FILES)
    except OSError:
        return 0
    return sum(_shut_down(int(name), port) for name in names)


def _shut_down(descriptor: int, port: int) -> bool:
    """Shut the file down if it is a connected socket whose local port is `port`.

    The file stays gRPC's: it is neither closed nor duplicated here, since gRPC's poller would go on to watch a duplicate.
    """
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        return False
    try:
        if not _is_connection(found, port):
            return False
        found.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    finally:
        found.detach()
    return True


def _is_connection(found: socket.socket, port: int) -> bool:
    """Raises OSError where it is not connected."""
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
        return False
    found.getpeername()
    return bool(found.getsockname()[1] == port)
