"""The client processes of the load: started together, watched, ended together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "tests.durability.load_process"
ROOT = Path(__file__).parents[2]
CLIENTS = 4
END_SECONDS = 60


class ClientLoad:
    """Running client processes. What they say of a failure is in `client_….log` in the directory of their journals."""

    def __init__(self, directory: Path, address: str, *, seed: int, seconds: float) -> None:
        """They end by themselves after `seconds`."""
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        for name in (f"client_{number}" for number in range(CLIENTS)):
            arguments = [address, name, str(seed), str(directory / f"{name}.journal"), str(seconds)]
            log = directory / f"{name}.log"
            with log.open("wb") as errors:
                self._processes[log] = subprocess.Popen(
                    [sys.executable, "-m", PROGRAM, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stderr=errors
                )

    def assert_alive(self) -> None:
        """Raise `AssertionError` where a client has given up."""
        for log, process in self._processes.items():
            assert process.poll() is None, f"a client has ended in mid-load:\n{log.read_text()}"

    def end(self) -> None:
        """Let every client finish what it does; raise `AssertionError` where one has failed."""
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for log, process in self._processes.items():
            assert process.wait(END_SECONDS) == 0, f"a client has failed:\n{log.read_text()}"

    def kill(self) -> None:
        """End the processes that still run."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


@contextmanager
def client_load(directory: Path, address: str, *, seed: int, seconds: float) -> Iterator[ClientLoad]:
    """A load that does not outlive the block."""
    load = ClientLoad(directory, address, seed=seed, seconds=seconds)
    try:
        yield load
    finally:
        load.kill()
