"""Ports for servers that are started again on the same one."""

from __future__ import annotations

import random
import socket

_PORTS = range(20000, 30000)
"""Below the range that systems hand out by themselves, so that nobody takes the port while a server is down."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def free_ports(count: int) -> list[int]:
    """As many such ports, no two the same."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)
