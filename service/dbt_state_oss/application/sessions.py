"""Remembers when dbt processes began, in memory. No build of a process began earlier (rule T9)."""

from __future__ import annotations

from collections import OrderedDict

_MOST_REMEMBERED = 10_000


class Sessions:
    """The start times of dbt processes, by session id. Times are Unix milliseconds."""

    def __init__(self) -> None:
        self._started_at: OrderedDict[str, int] = OrderedDict()

    def begin(self, session_id: str, *, at: int) -> None:
        """Note the start of a process. If a session id is repeated, the first time counts."""
        if session_id:
            self._started_at.setdefault(session_id, at)
            while len(self._started_at) > _MOST_REMEMBERED:
                self._started_at.popitem(last=False)

    def began_at(self, session_id: str) -> int | None:
        """Return the earliest time at which the process can have begun. None if it is unknown or was forgotten."""
        return self._started_at.get(session_id)
