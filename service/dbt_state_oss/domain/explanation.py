"""The explanation of a decision: every rule that was checked, with its result and its evidence (decision-rules: Explanation).

Texts are plain here. The protocol escapes them for the client's rich markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, IntEnum

from dbt_state_oss.domain.relation import Epoch


class Section(Enum):
    """The top-level lines. The client looks for the first two by their beginning."""

    TABLE = "table analysis"
    QUERY = "query analysis"
    FRESHNESS = "data freshness analysis"
    CLONES = "clone analysis"


class Marker(IntEnum):
    """The sign before a line; the numbers are those of the wire."""

    UNSPECIFIED = 0
    SUCCESS = 1
    FAIL = 2
    INFO = 3


class Badge(IntEnum):
    """The coloured tag of a line; the numbers are those of the wire."""

    UNSPECIFIED = 0
    FRESH = 1
    WITHIN_TOLERANCE = 2
    OUTDATED = 3
    NODE_QUERY_CHANGED = 4
    NODE_QUERY_UNCHANGED = 5
    UPSTREAM_QUERY_CHANGED = 6
    UPSTREAM_QUERY_UNCHANGED = 7
    TARGET_TABLE_EXISTS = 8


@dataclass(frozen=True, slots=True)
class ExplainLine:
    """One line of the explanation, and the lines under it."""

    text: str
    marker: Marker = Marker.UNSPECIFIED
    badge: Badge = Badge.UNSPECIFIED
    children: tuple[ExplainLine, ...] = ()


MOST_LINES = 200
MOST_TEXT = 12_000
"""Limits of one explanation, in lines and in characters: a response with a hundred stays below the client's 4 MiB (rule X5)."""


def abridged(
    lines: Sequence[ExplainLine], *, most_lines: int = MOST_LINES, most_text: int = MOST_TEXT
) -> tuple[ExplainLine, ...]:
    """The explanation within the limits. A line says how many lines were left out."""
    rest = _Room(most_lines, most_text)
    return rest.fitting(lines)


@dataclass(slots=True)
class _Room:
    """What still fits into an explanation."""

    lines: int
    text: int

    def fitting(self, lines: Sequence[ExplainLine]) -> tuple[ExplainLine, ...]:
        kept: list[ExplainLine] = []
        for place, line in enumerate(lines):
            self.lines -= 1
            self.text -= len(line.text)
            if self.lines < 0 or self.text < 0:
                self.lines = self.text = -1
                return (*kept, ExplainLine(f"… and {len(lines) - place} more", Marker.INFO))
            children = self.fitting(line.children) if line.children else ()
            kept.append(line if children == line.children else replace(line, children=children))
        return tuple(kept)


def duration_text(milliseconds: int) -> str:
    """A duration for people: "3 minutes", "2 hours", "1 day"."""
    seconds = max(0, milliseconds) // 1000
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "less than a second"


def ago_text(epoch: Epoch, now: int) -> str:
    """How long ago `epoch` was. Epochs of a clock that is ahead are "just now"."""
    return f"{duration_text(now - epoch)} ago" if now - epoch >= 1000 else "just now"


def moment_text(epoch: Epoch | None, now: int) -> str:
    """The time in UTC, and how long before `now` it was."""
    return "an unknown time" if epoch is None else f"{time_text(epoch)} ({ago_text(epoch, now)})"


def time_text(milliseconds: int | None) -> str:
    """A time in UTC, to the millisecond."""
    if milliseconds is None:
        return "unknown"
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"
