"""The server under test, as a real process on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.ports import free_port

START_SECONDS = 30
STOP_SECONDS = 40
LAUNCHER = Path(__file__).with_name("server_with_clock.py")


class Serving(Protocol):
    """What a shop and a hunt need of a server, or of several that stand for one."""

    @property
    def address(self) -> str:
        """Where clients connect."""

    @property
    def store(self) -> Mapping[str, str]:
        """The variables that lead to the state."""

    @property
    def running(self) -> bool: ...

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def restart(self) -> None: ...

    def stop(self) -> None: ...


class StateServer:
    """`dbt-state-oss serve`, which may be killed and started again on the same port and state."""

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        controllable_clock: bool = False,
        store: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "dbt_state_oss"),
    ) -> None:
        """Keep the log in `directory`, and the state too unless `store`, variables as `settings` are, leads elsewhere.

        `program` is what the interpreter is to run where it is not the server as it is.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.store: Mapping[str, str] = dict(store or local_store(directory / "state"))
        self.log = directory / "server.log"
        self.port = free_port()
        self._environment = {
            "PATH": os.environ["PATH"],
            **self.store,
            "DBTSTATE_PORT": str(self.port),
            **(settings or {}),
        }
        self._clock = directory / "clock_offset_ms"
        self._clock.write_text("0")
        self._program = [str(LAUNCHER), str(self._clock)] if controllable_clock else list(program)
        self._process = self._spawn()
        self.wait_until_ready()

    @property
    def state(self) -> Path:
        """The directory of the local store."""
        return Path(self.store["DBTSTATE_LOCAL_DIR"])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *self._program],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Wait until somebody listens; raises `RuntimeError` with the log where the server ends instead."""
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"the server did not start: {self.log.read_text()}")

    def start(self) -> None:
        """Start again, with the state and the port of before."""
        self._process = self._spawn()
        self.wait_until_ready()

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def terminate(self) -> int:
        """SIGTERM, then wait for the drain; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def restart(self) -> None:
        """An orderly stop and a new start."""
        self.terminate()
        self.start()

    def advance_clock(self, *, seconds: float) -> None:
        """Let the server's clock jump ahead; it needs a controllable one."""
        offset = int(self._clock.read_text()) + int(seconds * 1000)
        self._clock.write_text(str(offset))

    def stop(self) -> None:
        """End the process, however it is."""
        if self.running:
            self.kill()


def local_store(directory: Path) -> dict[str, str]:
    """The variables of a local store in this directory."""
    return {"STATE_STORE": "local", "DBTSTATE_LOCAL_DIR": str(directory)}
