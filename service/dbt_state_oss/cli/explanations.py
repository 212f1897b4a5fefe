"""Renders decisions with their explanations as text for people and as JSON for programs.

Pure: the current time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dbt_state_oss.application.codec import JournalEntry, Verdict
from dbt_state_oss.domain.explanation import Badge, ExplainLine, Marker, moment_text

_LABELS = {Verdict.SKIP: "No-op", Verdict.CLONE: "Clone", Verdict.BUILD: "Execute"}
_SIGNS = {Marker.SUCCESS: "✓ ", Marker.FAIL: "✗ ", Marker.INFO: "- ", Marker.UNSPECIFIED: ""}
_TAGS = {Badge.FRESH: "[fresh] ", Badge.WITHIN_TOLERANCE: "[within tolerance] ", Badge.OUTDATED: "[outdated] "}
_NOT_FOUND = "explanation unavailable"
_VIEW = "a view: dbt builds it at every run, and the client does not submit it"


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision to render. `entry` is None if no decision is recorded. `upstream` is None if upstream changes were not
    requested."""

    name: str
    decision_id: str
    entry: JournalEntry | None
    remarks: tuple[ExplainLine, ...] = ()
    upstream: tuple[ExplainLine, ...] | None = None
    is_view: bool = False


def explained_text(explained: Explained, *, verbosity: int, now: int) -> str:
    """Return the name and the decision. With `verbosity` above 0, also return the time and the explanation."""
    lines = [explained.name, f"  {_answer(explained)}"]
    if explained.entry is not None and verbosity:
        lines.append(f"  decided {moment_text(explained.entry.at, now)}")
        lines += tree(explained.entry.explanation)
        lines += tree(explained.remarks)
        if explained.upstream is not None:
            lines += tree((ExplainLine("all upstream dependency changes", children=explained.upstream),))
    return "\n".join(lines)


def explained_json(explained: Explained) -> dict[str, Any]:
    """Return the decision as plain values. Times are Unix milliseconds."""
    entry = explained.entry
    fields = (
        {}
        if entry is None
        else {
            "decision": _LABELS[entry.verdict],
            "stale": entry.stale,
            "description": entry.description,
            "decided_at": entry.at,
            "node": entry.node_id,
            "target": entry.target.name,
            "namespace": entry.target.namespace,
            "execution_id": entry.execution_id,
            "explanation": [line_json(line) for line in entry.explanation],
        }
    )
    return {
        "name": explained.name,
        "decision_id": explained.decision_id or None,
        "found": entry is not None,
        **fields,
        "remarks": [line_json(line) for line in explained.remarks],
        "upstream_changes": [line_json(line) for line in explained.upstream or ()],
    }


def _answer(explained: Explained) -> str:
    if explained.entry is not None:
        return f"[{_LABELS[explained.entry.verdict]}] {explained.entry.description}"
    return f"[Execute] {_VIEW}" if explained.is_view else _NOT_FOUND


def tree(lines: Iterable[ExplainLine], depth: int = 1) -> Iterator[str]:
    """Yield the lines of an explanation with their signs, each level indented."""
    for line in lines:
        yield f"{'  ' * depth}{_SIGNS[line.marker]}{_TAGS.get(line.badge, '')}{line.text}"
        yield from tree(line.children, depth + 1)


def line_json(line: ExplainLine) -> dict[str, Any]:
    """Return a line of an explanation and its children as plain values."""
    return {
        "text": line.text,
        "marker": line.marker.name.lower(),
        "badge": line.badge.name.lower(),
        "children": [line_json(child) for child in line.children],
    }
