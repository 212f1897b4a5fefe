"""What one dbt run did, read from what dbt and the client wrote down."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

CLIENT_EVENTS = ("State", "RunCache")
"""The names under which the client's generations log."""


class Decision(Enum):
    """What became of a node."""

    EXECUTE = "execute"
    NO_OP = "no-op"
    WITHIN_TOLERANCE = "no-op within tolerance"
    CLONE = "clone"
    NOT_ASKED = "not asked"
    """Built without a question to the server: views on PostgreSQL, for one."""
    FAILED = "failed"
    """dbt could not run it. A data test that ran and found rows is not failed."""
    SKIPPED = "skipped"
    """dbt did not try, because something upstream failed."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One node's result."""

    decision: Decision
    status: str
    """dbt's own: success, error, skipped; of tests pass, warn, fail."""
    message: str
    failures: int | None


@dataclass(frozen=True, slots=True)
class Build:
    """A finished dbt run. Nodes go by their names."""

    exit_code: int
    output: str
    results: Mapping[str, NodeResult]
    complaints: tuple[str, ...]
    """The client's warnings and errors."""

    @property
    def decisions(self) -> dict[str, str]:
        """What became of every node that ran."""
        return {name: result.decision.value for name, result in self.results.items()}

    @property
    def statuses(self) -> dict[str, str]:
        """dbt's status of every node that ran."""
        return {name: result.status for name, result in self.results.items()}

    @property
    def built(self) -> set[str]:
        """The nodes that the server was asked about and that were built."""
        return {name for name, result in self.results.items() if result.decision is Decision.EXECUTE}

    def assert_clean_log(self) -> None:
        """The client warned of nothing."""
        assert not self.complaints, "\n".join(self.complaints) + f"\n\n{self.output}"

    def assert_succeeded(self) -> None:
        assert self.exit_code == 0, self.output


def read_build(project: Path, *, exit_code: int, output: str) -> Build:
    """The account of the run that has just ended in `project`, whose folders `target` and `logs` it alone wrote to."""
    asked = {
        entry["node_name"]
        for log in (project / "logs").glob("*/responses_*.jsonl")
        for entry in _json_lines(log)
        if entry["entry_type"] == "node" and entry["execution_decision_id"]
    }
    return Build(
        exit_code=exit_code,
        output=output,
        results=dict(_results(project / "target" / "run_results.json", asked)),
        complaints=(*_log_complaints(project / "logs" / "dbt.log"), *_console_complaints(output)),
    )


def _results(run_results: Path, asked: set[str]) -> Iterator[tuple[str, NodeResult]]:
    if not run_results.exists():
        return
    for result in json.loads(run_results.read_text())["results"]:
        unique_id: str = result["unique_id"]
        name = unique_id.split(".")[2]
        message = result["message"] or ""
        response = result["adapter_response"].get("_message") or message
        yield (
            name,
            NodeResult(
                decision=_decision(result["status"], response, name in asked),
                status=result["status"],
                message=message,
                failures=result["failures"],
            ),
        )


def _decision(status: str, response: str, asked: bool) -> Decision:
    if status in ("error", "skipped"):
        return Decision.FAILED if status == "error" else Decision.SKIPPED
    for prefix, decision in _PREFIXES.items():
        if response.startswith(prefix):
            return decision
    return Decision.EXECUTE if asked else Decision.NOT_ASKED


_PREFIXES = {
    "NO-OP (within tolerance)": Decision.WITHIN_TOLERANCE,
    "NO-OP": Decision.NO_OP,
    "CLONE": Decision.CLONE,
}


def _log_complaints(log: Path) -> Iterator[str]:
    for event in _json_lines(log):
        info, data = event["info"], event["data"]
        if info["level"] in ("warn", "error") and data.get("name") in CLIENT_EVENTS:
            yield info["msg"]


def _console_complaints(output: str) -> Iterator[str]:
    """Complaints that the client writes past dbt's log."""
    for line in output.splitlines():
        if line.startswith(("WARNING:", "ERROR:", "Traceback")):
            yield line


def _json_lines(path: Path) -> Iterator[Any]:
    if path.exists():
        yield from (json.loads(line) for line in path.read_text().splitlines())
