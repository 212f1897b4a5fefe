"""Servers are told to end under load: whatever their clients asked, they get an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.balancer import Balancer
from tests.e2e.server import StateServer, local_store
from tests.restarts.busy_client import BusyClient

SIGNALS = 10


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[StateServer]]:
    """Two servers on one state."""
    store = local_store(tmp_path / "state")
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            started.append(StateServer(tmp_path / name, store=store))
            stack.callback(started[-1].stop)
        yield started


def test_no_call_fails_while_servers_are_told_to_end(servers: list[StateServer]) -> None:
    balancer = Balancer([server.port for server in servers])
    try:
        with BusyClient(balancer.address) as client:
            for number in range(SIGNALS):
                client.wait_for_calls(2)
                assert servers[number % 2].terminate() == 0
                servers[number % 2].start()
    finally:
        balancer.stop()
    assert client.details == {}
    assert client.ended.keys() == {"OK"}
