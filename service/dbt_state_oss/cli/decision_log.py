"""The client's decision log: a file for each dbt run, a line for each node: ids, but no reasons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_state_oss.domain.explanation import ExplainLine, Marker
from dbt_state_oss.errors import InvalidRequest

DIRECTORY = Path("logs") / "state"
"""Where dbt keeps the logs of a project, unless its log-path is another one."""


@dataclass(frozen=True, slots=True)
class LoggedNode:
    """A node of a run. The ids are empty where there are none."""

    name: str
    decision_id: str
    execution_id: str
    is_view: bool
    remarks: tuple[ExplainLine, ...]
    """What the client alone knows: copies made beforehand, deferral, stored failures."""


def newest_log(directory: Path = DIRECTORY) -> Path | None:
    """The log of the last run; None where there is none."""
    return max(directory.glob("responses_*.jsonl"), key=lambda path: path.name, default=None)


def read_log(path: Path) -> list[LoggedNode]:
    """The nodes in the order in which they finished. Raises `InvalidRequest` where the file is no decision log."""
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
    told = entry["node_info"]
    return LoggedNode(
        name=entry["node_name"],
        decision_id=entry.get("execution_decision_id") or "",
        execution_id=entry.get("execution_id") or "",
        is_view=bool(told.get("is_view")),
        remarks=tuple(ExplainLine(text, Marker.INFO) for text in _remarks(told)),
    )


def _remarks(told: dict[str, Any]) -> list[str]:
    remarks = []
    if told.get("dev_clone"):
        remarks.append(f"it was copied from {told['dev_clone']['source_table_fqn']} first")
    remarks += [f"{name} was deferred to {place}" for name, place in (told.get("deferrals") or {}).items()]
    if told.get("stored_failures"):
        remarks.append(f"stored failures: {told['stored_failures'].get('decision_description')}")
    return remarks
