"""When dbt runs were first heard of, as far as this process remembers: none of their builds began earlier (rule T9)."""

from __future__ import annotations

from collections import OrderedDict

_MOST_REMEMBERED = 10_000


class Sessions:
    """The beginnings of dbt processes by their session ids. Times are Unix milliseconds."""

    def __init__(self) -> None:
        self._begun: OrderedDict[str, int] = OrderedDict()

    def begin(self, session_id: str, *, at: int) -> None:
        """A process begins; one that says so again has begun before."""
        if session_id:
            self._begun.setdefault(session_id, at)
            while len(self._begun) > _MOST_REMEMBERED:
                self._begun.popitem(last=False)

    def heard_of_at(self, session_id: str) -> int | None:
        """When the process began at the earliest; None where it was not heard of, or too long ago."""
        return self._begun.get(session_id)
