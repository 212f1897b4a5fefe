"""A server of a test run, as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.emulators.ports import wait_for


class EmulatorProcess:
    """Listens on `port` of loopback once it is made; says what it has to say in `log`."""

    def __init__(self, command: Sequence[str | Path], port: int, log: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        wait_for(port, self._process, log)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
