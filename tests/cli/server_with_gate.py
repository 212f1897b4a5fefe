"""Starts the server with a clock that stops the first call until the file `open` is in the directory given.

Run as `python server_with_gate.py DIR`; the settings come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import structlog

from dbt_state_oss.bootstrap import serve
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.settings import read_settings
from dbt_state_oss.telemetry.logs import configure_logs


class GatedClock(SystemClock):
    """Asking it the time takes until the gate is open; whoever asks is told in the log."""

    def __init__(self, gate: Path) -> None:
        self._gate = gate

    def now(self) -> int:
        if not self._gate.exists():
            structlog.get_logger().info("call_waits_at_the_gate")
        while not self._gate.exists():
            time.sleep(0.01)
        return super().now()


def main() -> None:
    settings = read_settings(os.environ, {})
    configure_logs(settings.logs.format, settings.logs.level)
    asyncio.run(serve(settings, clock=GatedClock(Path(sys.argv[1]) / "open")))


if __name__ == "__main__":
    main()
