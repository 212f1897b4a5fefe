"""SIGTERM the server under load, 200 times unless told otherwise, and count what the calls of its clients end with.

    .venv/bin/python bench/sigterm.py --signals 200 [--replicas 2]

Sixteen threads on one channel ask and confirm, as a dbt run does; the channel repeats a call only where it is UNAVAILABLE. With
one replica the server starts again on the same port; with more, one after the other is replaced behind one address. Exits
with 1 if a call failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.balancer import Balancer
from tests.e2e.server import StateServer, local_store
from tests.restarts.busy_client import BusyClient

CALLS_BETWEEN = 2
"""Of each thread."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between the calls of the slowest thread")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix=".sigterm-") as directory:
        store = local_store(Path(directory) / "state")
        servers = [StateServer(Path(directory) / str(number), store=store) for number in range(options.replicas)]
        balancer = Balancer([server.port for server in servers])
        address = servers[0].address if options.replicas == 1 else balancer.address
        began, stopping = time.monotonic(), 0.0
        with BusyClient(address, pause_seconds=options.pause) as client:
            for number in range(1, options.signals + 1):
                client.wait_for_calls(CALLS_BETWEEN)
                server = servers[number % len(servers)]
                at = time.monotonic()
                server.terminate()
                stopping = max(stopping, time.monotonic() - at)
                server.start()
                if number % 20 == 0:
                    print(f"{number:4} signals, {time.monotonic() - began:5.0f} s, {dict(client.ended)}", flush=True)
        for server in servers:
            server.stop()
        balancer.stop()
    print(f"calls by status: {dict(client.ended)}; the slowest took {client.slowest_seconds:.1f} s")
    print(f"the slowest end of a server took {stopping:.1f} s")
    for details, count in client.details.most_common():
        print(f"{count:5} {details}")
    return 1 if client.details else 0


if __name__ == "__main__":
    sys.exit(main())
