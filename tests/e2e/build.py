"""What one dbt run did, read from what dbt and the client wrote down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

CLIENT = "State"
"""The name under which the client writes to dbt's log."""


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
    failures: int
    because: str
    """What the server said of its decision, less the node's name; empty where it was not asked."""


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

    @property
    def reasons(self) -> dict[str, str]:
        """What the server said of every node that it was asked about."""
        return {name: result.because for name, result in self.results.items() if result.because}

    @property
    def complained_of(self) -> set[str]:
        """The nodes that the client warned of: what became of them did not reach the server, for one."""
        return {
            name for name in self.results if any(re.search(rf"\.{re.escape(name)}\b", told) for told in self.complaints)
        }

    def assert_clean_log(self) -> None:
        """The client warned of nothing."""
        assert not self.complaints, "\n".join(self.complaints) + f"\n\n{self.output}"

    def assert_succeeded(self) -> None:
        assert self.exit_code == 0, self.output


def read_build(logs: Path, *, exit_code: int, output: str) -> Build:
    """The account of the run that has just ended, from the folder `logs` that it alone wrote to."""
    events = _json_lines(logs / "dbt.log")
    client = [event["info"] for event in events if event["data"].get("name") == CLIENT]
    reasons = {match[1]: match[2] for info in client if (match := _EXPLAINED.search(info["msg"]))}
    complaints = [info["msg"] for info in client if info["level"] in ("warn", "error")]
    asked = set(reasons) | {
        entry["node_name"]
        for decisions in logs.glob("*/responses_*.jsonl")
        for entry in _json_lines(decisions)
        if entry["entry_type"] == "node" and entry["execution_decision_id"]
    }
    results = {}
    for event in events:
        if event["info"]["name"] == "NodeFinished":
            name = event["data"]["node_info"]["node_name"]
            results[name] = _result(event["data"]["run_result"], asked=name in asked, because=reasons.get(name, ""))
    return Build(
        exit_code=exit_code,
        output=output,
        results=results,
        complaints=(*complaints, *_console_complaints(output)),
    )


_EXPLAINED = re.compile(r"Explained state decision for node '([^']+)': (.*)")


def _result(result: dict[str, Any], *, asked: bool, because: str) -> NodeResult:
    message = result.get("message", "")
    status = result["status"]
    return NodeResult(
        decision=_decision(status, result["adapter_response"].get("_message") or message, asked),
        status=status,
        message=message,
        failures=result["num_failures"],
        because=because,
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


def _console_complaints(output: str) -> Iterator[str]:
    """Complaints that the client writes past dbt's log."""
    for line in output.splitlines():
        if line.startswith(("WARNING:", "ERROR:", "Traceback")):
            yield line


def _json_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
