"""The machine's clock."""

from __future__ import annotations

import time


class SystemClock:
    """A `Clock` that tells the machine's time."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000
