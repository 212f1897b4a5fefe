"""The command as users run it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "dbt_state_oss")
PATIENCE_SECONDS = 60
"""How long a process may take before the test gives up; nothing is measured by it."""


def run(
    *arguments: str, environment: Mapping[str, str] | None = None, typed: str = "", directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `dbt-state-oss` to its end, with nothing but `environment` set and `typed` as what the user types.

    It runs in `directory`, or where the tests run.
    """
    return subprocess.run(
        [*COMMAND, *arguments],
        env=_environment(environment),
        input=typed,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


class Serving:
    """A server process that listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.address: str = self.wait_for("listening")["address"]

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next line of the log with this event; fails where the log ends before."""
        assert self.process.stderr is not None
        for text in self.process.stderr:
            line: dict[str, Any] = json.loads(text)
            self.lines.append(line)
            if line["event"] == event:
                return line
        raise AssertionError(f"the server ended without {event!r}: {self.lines}")

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        _, rest = self.process.communicate(timeout=PATIENCE_SECONDS)
        try:
            self.lines += [json.loads(text) for text in rest.splitlines()]
        except json.JSONDecodeError as error:
            raise AssertionError(f"the log has lines that are not JSON:\n{rest}") from error
        return self.process.returncode


@contextmanager
def serving(
    directory: Path,
    *arguments: str,
    program: tuple[str, ...] = (*COMMAND, "serve"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Serving]:
    """A server on `directory` and a free port, its log as JSON; killed at the end where it still runs."""
    settings = {"DBTSTATE_LOCAL_DIR": str(directory), "DBTSTATE_PORT": "0", "DBTSTATE_LOG_FORMAT": "json"}
    process = subprocess.Popen(
        [*program, *arguments],
        env=_environment({**settings, **(environment or {})}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Serving(process)
        finally:
            process.kill()


def _environment(settings: Mapping[str, str] | None) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **(settings or {})}
