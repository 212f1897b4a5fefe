"""dbt, real and unmodified, in any client generation: each run is a forked child of a process that has dbt imported."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120
RUN_SECONDS = 120
PROGRAM = Path(__file__).with_name("warm_dbt.py")


@dataclass(frozen=True, slots=True)
class Run:
    """A dbt process that has begun."""

    pid: int
    output_path: Path
    _answers: socket.socket

    def wait(self) -> int:
        """The exit code, negative where a signal ended the run. A run that does not end is killed: `TimeoutError`."""
        try:
            return int(_line(self._answers))
        except TimeoutError:
            self.kill()
            raise
        finally:
            self._answers.close()

    def fileno(self) -> int:
        """For `select`: readable once the run has ended."""
        return self._answers.fileno()

    def kill(self) -> None:
        """End the run with SIGKILL, as if the machine had gone."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the run; kills it if nobody has waited for its end."""
        if self._answers.fileno() >= 0:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
            self._answers.close()


class DbtProcess:
    """A process of one environment that has dbt imported, ready to fork runs."""

    def __init__(self, interpreter: Path) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="warm-dbt-")
        self._socket = str(Path(self._directory.name) / "socket")
        self._log = Path(self._directory.name) / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [interpreter, "-I", PROGRAM, self._socket, _project(Path(self._directory.name))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment({}),
            )

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """A whole environment for a run: nothing of the caller's but its path. The client's home is an empty folder."""
        home = self._directory.name
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": home,
            "RUN_CACHE_HOME": home,
            "RUN_CACHE_AUTH_URL": _NOWHERE,
            "RUN_CACHE_TOKEN_URL": _NOWHERE,
            "RUN_CACHE_OAUTH_CLIENT_ID": "unused",
            "RUN_CACHE_OAUTH_CLIENT_SECRET": "unused",
            "RUN_CACHE_API_SECURE": "false",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            **variables,
        }

    def start(
        self, arguments: Sequence[str], *, directory: Path, environment: Mapping[str, str], output_path: Path
    ) -> Run:
        """Begin `dbt <arguments>` in `directory`; stdout and stderr are appended to `output_path`."""
        connection = self._connect()
        request = {
            "arguments": list(arguments),
            "directory": str(directory),
            "environment": dict(environment),
            "output": str(output_path),
        }
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Run(pid=int(_line(connection)), output_path=output_path, _answers=connection)

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(RUN_SECONDS)
            try:
                connection.connect(self._socket)
            except OSError:
                connection.close()
                time.sleep(0.02)
            else:
                return connection
        raise RuntimeError(f"dbt could not be imported: {self._log.read_text()}")

    def stop(self) -> None:
        """End the process; runs that have begun go on."""
        self._process.terminate()
        self._process.wait(START_SECONDS)
        self._directory.cleanup()


_NOWHERE = "http://127.0.0.1:9"
"""Nobody listens there: the client must not log in anywhere."""


def _project(directory: Path) -> Path:
    """A dbt project with a node of each kind, to be parsed."""
    project = directory / "project"
    for part in ("project", "warming"):
        shutil.copytree(Path(__file__).with_name(part), project, dirs_exist_ok=True)
    connection = "{type: postgres, host: nowhere, port: 1, user: x, password: x, dbname: x, schema: x}"
    (project / "profiles.yml").write_text(f"shop: {{target: x, outputs: {{x: {connection}}}}}\n")
    return project


def _line(connection: socket.socket) -> str:
    """The next line, byte by byte so that nothing of the line after it is taken."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise RuntimeError("the dbt process went away")
        line += byte
    return line.decode()
