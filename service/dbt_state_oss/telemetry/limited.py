"""A rate-limited warning, for events that callers can cause at any rate: one line per interval, with a count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

INTERVAL_SECONDS = 10.0

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after some seconds, as an event loop's `call_later` does."""

_log = structlog.get_logger(__name__)


class LimitedWarning:
    """Logs the first warning at once. All warnings of the following interval become one line at its end."""

    def __init__(self, event: str, *, interval_seconds: float = INTERVAL_SECONDS, later: Later | None = None) -> None:
        self._event = event
        self._interval = interval_seconds
        self._later = later or _on_running_loop
        self._waiting = False
        self._suppressed = 0
        self._last: dict[str, object] = {}

    def __call__(self, **fields: object) -> None:
        """Log a line with these fields, or only count it. Call this on the event loop."""
        if self._waiting:
            self._suppressed += 1
            self._last = fields
        else:
            self._write(0, fields)

    def flush(self) -> None:
        """Log the warnings that were counted but not logged."""
        self._waiting = False
        if self._suppressed:
            suppressed, self._suppressed = self._suppressed, 0
            self._write(suppressed - 1, self._last)

    def _write(self, suppressed: int, fields: dict[str, object]) -> None:
        self._waiting = True
        self._later(self._interval, self.flush)
        _log.warning(self._event, suppressed=suppressed, **fields)


def _on_running_loop(seconds: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, call)
