"""A server of a test run, as a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

_PATIENCE_SECONDS = 60.0


class EmulatorProcess:
    """Listens on `port` of loopback once it is made; says what it has to say in `log`."""

    def __init__(self, command: Sequence[str | Path], port: int, log: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _wait_for(port, self._process, log)

    def freeze(self) -> None:
        """From now on nothing is answered, and no connection refused."""
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once `port` takes connections; raises RuntimeError with the log where the process ends or takes too long."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not listen on {port}:\n{log.read_text(errors='replace')[-4000:]}")
