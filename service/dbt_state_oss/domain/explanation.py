"""The account of a decision: every question that was asked, with its answer and its evidence (section 8).

Texts are plain here; the protocol escapes them for the client's rich markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from dbt_state_oss.domain.relation import Epoch


class Section(Enum):
    """The top-level lines; the client looks for the first two by their beginning."""

    TABLE = "table analysis"
    QUERY = "query analysis"
    FRESHNESS = "data freshness analysis"
    CLONES = "clone analysis"


class Marker(IntEnum):
    """The sign before a line; the wire's numbers."""

    UNSPECIFIED = 0
    SUCCESS = 1
    FAIL = 2
    INFO = 3


class Badge(IntEnum):
    """The coloured tag of a line; the wire's numbers."""

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
    """One line of the account and what stands under it."""

    text: str
    marker: Marker = Marker.UNSPECIFIED
    badge: Badge = Badge.UNSPECIFIED
    children: tuple[ExplainLine, ...] = ()


def duration_text(milliseconds: int) -> str:
    """A duration as people say it: "3 minutes", "2 hours", "1 day"."""
    seconds = max(0, milliseconds) // 1000
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "less than a second"


def ago_text(epoch: Epoch, now: int) -> str:
    """How long ago `epoch` was; epochs of a clock that runs ahead are "just now"."""
    return f"{duration_text(now - epoch)} ago" if now - epoch >= 1000 else "just now"
