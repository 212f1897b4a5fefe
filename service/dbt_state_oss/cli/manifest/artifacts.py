"""What dbt left behind of a run: `manifest.json` and `run_results.json`, read as far as they are evidence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dbt_state_oss.errors import InvalidRequest

_COMMANDS = ("build", "run", "seed", "snapshot")
_VOLATILE = frozenset(
    {
        "build_path",
        "compiled",
        "compiled_code",
        "compiled_path",
        "created_at",
        "defer_relation",
        "extra_ctes",
        "extra_ctes_injected",
    }
)
"""What differs between two parses of one project, or comes from compiling; the compiled SQL is held apart."""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """What the run did with one node. Times are Unix milliseconds on the clock of dbt's host."""

    status: str
    began: float
    """When its compilation did: what it reads may have been looked at from then on."""
    started: float
    """When its execution did."""
    ended: float
    sql: str | None
    """What was run, as compiled; None where the run does not tell."""

    def wrote(self, epoch: int | None) -> bool:
        """Whether a table that was last modified at `epoch`, a whole millisecond, was so while this node was executed."""
        return epoch is not None and self.started - 1 < epoch < self.ended + 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """A project as dbt parsed it."""

    invocation: str
    dbt_version: str
    nodes: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Mapping[str, Any]]
    macros: Mapping[str, Mapping[str, Any]]

    def definition(self, unique_id: str) -> object:
        """All that decides what a node does, to be compared: itself, and the macros that it calls, directly or through others."""
        node = self.nodes.get(unique_id)
        if node is None:
            return None
        waiting, macros = list(_macros_of(node)), dict[str, object]()
        while waiting:
            name = waiting.pop()
            if name not in macros:
                macro = self.macros.get(name, {})
                macros[name] = macro.get("macro_sql")
                waiting += _macros_of(macro)
        return {key: value for key, value in node.items() if key not in _VOLATILE}, macros


@dataclass(frozen=True, slots=True)
class PlainRun:
    """One run of dbt: what it was to build, and what it did."""

    manifest: Manifest
    results: Mapping[str, NodeRun]
    arguments: Mapping[str, Any]


def read_run(directory: Path) -> PlainRun:
    """The run that left its artifacts in `directory`. Raises `InvalidRequest` where they are missing, no artifacts, or not of
    one run."""
    manifest, told = read_manifest(directory), _json(directory / "run_results.json")
    try:
        invocation, arguments = told["metadata"]["invocation_id"], told["args"]
        results = {result["unique_id"]: _node_run(result) for result in told["results"]}
        command = arguments.get("which")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(f"{directory / 'run_results.json'} is no run_results.json of dbt") from error
    if invocation != manifest.invocation:
        raise InvalidRequest(
            f"manifest.json and run_results.json in {directory} are not of the same dbt command; "
            "another one has rewritten one of them: keep both right after the run, and name their directory with --artifacts"
        )
    if command not in _COMMANDS:
        raise InvalidRequest(f"the run in {directory} was dbt {command}; only {', '.join(_COMMANDS)} build something")
    return PlainRun(manifest, results, arguments)


def read_manifest(directory: Path) -> Manifest:
    """The manifest in `directory`. Raises `InvalidRequest` where there is none."""
    told = _json(directory / "manifest.json")
    try:
        metadata = told["metadata"]
        return Manifest(
            metadata["invocation_id"], metadata["dbt_version"], told["nodes"], told["sources"], told["macros"]
        )
    except (KeyError, TypeError) as error:
        raise InvalidRequest(f"{directory / 'manifest.json'} is no manifest.json of dbt") from error


def _node_run(result: Mapping[str, Any]) -> NodeRun:
    timing = {step["name"]: step for step in result["timing"]}
    nothing = {"started_at": None, "completed_at": None}
    executed = timing.get("execute", nothing)
    compiled = timing.get("compile", executed)
    return NodeRun(
        status=result["status"],
        began=min(_time(compiled["started_at"], math.inf), _time(executed["started_at"], math.inf)),
        started=_time(executed["started_at"], math.inf),
        ended=_time(executed["completed_at"], -math.inf),
        sql=result.get("compiled_code"),
    )


def _time(text: str | None, unknown: float) -> float:
    """Unix milliseconds; a window that is not known is one into which nothing falls."""
    return unknown if text is None else datetime.fromisoformat(text).timestamp() * 1000


def _macros_of(thing: Mapping[str, Any]) -> list[str]:
    names: list[str] = thing.get("depends_on", {}).get("macros", [])
    return names


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error.strerror}; dbt writes it at the end of a run (unless told not to write JSON)"
        ) from error
    except ValueError as error:
        raise InvalidRequest(f"{path} is no JSON") from error
