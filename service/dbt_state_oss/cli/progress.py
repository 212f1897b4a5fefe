"""Shows the progress of a long command on standard error, if that is a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_EVERY_SECONDS = 0.2


class Progress:
    """One line that is rewritten while the command runs and erased at the end."""

    def __init__(self, verb: str) -> None:
        """`verb` is the word before the number, such as "exported"."""
        self._doing = verb
        self._shown = sys.stderr.isatty()
        self._next = 0.0
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._width:
            sys.stderr.write(f"\r{' ' * self._width}\r")
            sys.stderr.flush()

    def update(self, number: int, noun: str = "documents") -> None:
        """Show that `number` items are done. The line is rewritten a few times a second at most."""
        if not self._shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_SECONDS
        text = f"{self._doing} {number:,} {noun}"
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = max(self._width, len(text))
