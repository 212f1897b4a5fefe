"""Closes the connections of a stopping server, so that every call in flight fails with UNAVAILABLE and clients retry it.

A stopping gRPC server cancels calls that arrive before the clients notice the stop (grpc/grpc#29462). Clients do not retry
a call that ended with CANCELLED. gRPC has no way to close connections, so this module finds their sockets among the open
files of the process.
"""

from __future__ import annotations

import os
import socket

_OPEN_FILES = "/dev/fd"


def close_connections(port: int) -> int:
    """Shut down every TCP connection to `port` of this process, and return their number. Data that was sent still arrives.

    Does nothing if the system does not list open files. gRPC then cancels the calls in flight.
    """
    try:
        names = os.listdir(_OPEN_FILES)
    except OSError:
        return 0
    return sum(_shut_down(int(name), port) for name in names)


def _shut_down(descriptor: int, port: int) -> bool:
    """Shut down the file if it is a connected socket with the local port `port`. Return whether it was.

    gRPC still owns the file. It is not closed or duplicated here, because gRPC's poller would keep watching a duplicate.
    """
    try:
        candidate = socket.socket(fileno=descriptor)
    except OSError:
        return False
    try:
        if not _is_connection(candidate, port):
            return False
        candidate.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    finally:
        candidate.detach()
    return True


def _is_connection(candidate: socket.socket, port: int) -> bool:
    """Return whether this is a TCP connection to `port`. Raises OSError if the socket is not connected."""
    if candidate.family not in (socket.AF_INET, socket.AF_INET6) or candidate.type != socket.SOCK_STREAM:
        return False
    candidate.getpeername()
    return bool(candidate.getsockname()[1] == port)
