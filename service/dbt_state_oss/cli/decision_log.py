"""Reads the client's decision log: a file for each dbt run with a line for each node. It holds ids, but no reasons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_state_oss.domain.explanation import ExplainLine, Marker
from dbt_state_oss.errors import InvalidRequest

DIRECTORY = Path("logs") / "state"
"""Where the client writes the logs of a project, unless dbt's log-path is changed."""


@dataclass(frozen=True, slots=True)
class LoggedNode:
    """A node of a run. An id is empty if the log has none."""

    name: str
    decision_id: str
    execution_id: str
    is_view: bool
    remarks: tuple[ExplainLine, ...]
    """What only the client knows: pre-clones, deferral, stored failures."""


def newest_log(directory: Path = DIRECTORY) -> Path | None:
    """Return the log of the last run, or None if there is none."""
    return max(directory.glob("responses_*.jsonl"), key=lambda path: path.name, default=None)


def read_log(path: Path) -> list[LoggedNode]:
    """Return the nodes in the order in which they finished.

    Raises `InvalidRequest` if the file cannot be read or is not a decision log.
    """
    try:
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return [_node(entry) for entry in entries if entry["entry_type"] == "node"]
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            f"{path} is not a decision log of dbt-state; they are named responses_….jsonl and are in {DIRECTORY}"
        ) from error


def _node(entry: dict[str, Any]) -> LoggedNode:
    node_info = entry["node_info"]
    return LoggedNode(
        name=entry["node_name"],
        decision_id=entry.get("execution_decision_id") or "",
        execution_id=entry.get("execution_id") or "",
        is_view=bool(node_info.get("is_view")),
        remarks=tuple(ExplainLine(text, Marker.INFO) for text in _remarks(node_info)),
    )


def _remarks(node_info: dict[str, Any]) -> list[str]:
    remarks = []
    if node_info.get("dev_clone"):
        remarks.append(f"it was copied from {node_info['dev_clone']['source_table_fqn']} first")
    remarks += [f"{name} was deferred to {place}" for name, place in (node_info.get("deferrals") or {}).items()]
    if node_info.get("stored_failures"):
        remarks.append(f"stored failures: {node_info['stored_failures'].get('decision_description')}")
    return remarks
