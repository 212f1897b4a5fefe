"""Several servers on one store behind one address, of which any may be killed at any moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.balancer import Balancer
from tests.e2e.server import StateServer

LONGEST_PEACE_SECONDS = 2.0


class Replicas:
    """Stands where one `StateServer` stands for a shop; what is done to it is done to one of them, drawn at random."""

    def __init__(
        self,
        directory: Path,
        *,
        count: int,
        store: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        seed: int = 0,
    ) -> None:
        self.servers = [
            StateServer(directory / f"replica_{number}", store=store, settings=settings) for number in range(count)
        ]
        self.store: Mapping[str, str] = dict(store)
        self._drawn = random.Random(seed)
        self._chosen = self.servers[0]
        self._balancer = Balancer([server.port for server in self.servers])

    @property
    def address(self) -> str:
        return self._balancer.address

    @property
    def running(self) -> bool:
        return any(server.running for server in self.servers)

    def kill(self) -> None:
        """SIGKILL one of them."""
        self._chosen = self._drawn.choice(self.servers)
        self._chosen.kill()

    def start(self) -> None:
        """Start the one again that was killed."""
        self._chosen.start()

    def restart(self) -> None:
        """A rolling restart: one after the other ends in order and starts again."""
        for server in self.servers:
            server.restart()

    @contextmanager
    def killing_one(self) -> Iterator[None]:
        """Kill one at some moment of the block, and start it again at once."""
        over = threading.Event()

        def kill() -> None:
            over.wait(self._drawn.uniform(0, LONGEST_PEACE_SECONDS))
            self.kill()
            self.start()

        killer = threading.Thread(target=kill, name="killer")
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
        self._balancer.stop()
