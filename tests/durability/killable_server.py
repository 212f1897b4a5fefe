"""The server as a real process that can be killed and started again on the same directory and port."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.ports import free_port

STOP_SECONDS = 40
ORPHAN_SECONDS = 15
"""How long a parse worker may outlive its server: it ends when it next looks for work."""

_POLL_SECONDS = 0.02


class KillableServer:
    """`dbt-state-oss serve` on the local store in `directory`; not running until `start`."""

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are environment variables of the server."""
        self.state = directory / "state"
        self.log = directory / "server.log"
        self.port = free_port()
        self._lives = directory / "lives"
        self._lives.mkdir(parents=True, exist_ok=True)
        self._life = self._lives / "0"
        self._started = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("DBTSTATE_")} | {
            "STATE_STORE": "local",
            "DBTSTATE_LOCAL_DIR": str(self.state),
            "DBTSTATE_PORT": str(self.port),
            "DBTSTATE_LOG_FORMAT": "json",
            **(settings or {}),
        }

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and do not wait for it.

        Its standard output, which its workers inherit, is a file under a lock of its own: the system frees the lock when
        the last of them has gone.
        """
        self._started += 1
        self._life = self._lives / str(self._started)
        with self._life.open("wb") as life, self.log.open("ab") as log:
            fcntl.flock(life, fcntl.LOCK_EX)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dbt_state_oss"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=life,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL the process, which must be running: no chance to tidy up."""
        assert self.running, f"the server has ended by itself: {self.tail()}"
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def terminate(self) -> int:
        """SIGTERM, then wait for the drain; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def leaves_orphans(self, life: int) -> bool:
        """Whether a process of that start (1 is the first), whose server has ended, lives on for too long."""
        deadline = time.monotonic() + ORPHAN_SECONDS
        with (self._lives / str(life)).open("rb") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        return True
                    time.sleep(_POLL_SECONDS)
                else:
                    return False

    @property
    def life(self) -> int:
        """How often it was started."""
        return self._started

    def tail(self) -> str:
        """The end of the server's log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-5:])

    def close(self) -> None:
        """End the process, however it is."""
        if self.running:
            self.kill()
