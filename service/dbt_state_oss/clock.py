"""The system clock."""

from __future__ import annotations

import time


class SystemClock:
    """A `Clock` that returns this machine's time."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000
