"""Starts the server with a clock that scenarios set: the machine's time plus the milliseconds found in a file.

Run as `python server_with_clock.py FILE`; the settings come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from dbt_state_oss.bootstrap import serve
from dbt_state_oss.settings import read_settings
from dbt_state_oss.telemetry.logs import configure_logs


class ShiftedClock:
    """The machine's clock, moved by the offset in a file."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + int(self._offset.read_text())


def main() -> None:
    settings = read_settings(os.environ, {})
    configure_logs(settings.logs.format, settings.logs.level)
    asyncio.run(serve(settings, clock=ShiftedClock(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
