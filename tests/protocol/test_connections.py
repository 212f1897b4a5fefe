"""The connections of one port are shut down; whatever else the process has open is left alone."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from dbt_state_oss.protocol.connections import close_connections


def pair(stack: ExitStack, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a new connection, the client's first."""
    client = stack.enter_context(socket.create_connection(listener.getsockname()[:2], timeout=10))
    server, _ = listener.accept()
    return client, stack.enter_context(server)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_clients_of_one_port_are_told_and_others_are_not(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        ours, other = (stack.enter_context(socket.create_server((host, 0), family=family)) for _ in range(2))
        connections = [pair(stack, ours) for _ in range(3)]
        elsewhere, its_server = pair(stack, other)
        connections[0][1].sendall(b"an answer")

        assert close_connections(ours.getsockname()[1]) == 3

        assert connections[0][0].recv(100) == b"an answer"
        assert [client.recv(100) for client, _ in connections] == [b""] * 3
        its_server.sendall(b"still here")
        assert elsewhere.recv(100) == b"still here"
        late, _ = pair(stack, ours)
        assert late.fileno() >= 0
