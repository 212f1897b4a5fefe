"""Reads `manifest.json` and `run_results.json`, which dbt writes at the end of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dbt_state_oss.application.importing.run import Manifest, NodeRun, PlainRun
from dbt_state_oss.errors import InvalidRequest

_COMMANDS = ("build", "run", "seed", "snapshot")


def read_run(directory: Path) -> PlainRun:
    """Return the run that wrote the artifacts in `directory`.

    Raises `InvalidRequest` if they are missing or invalid, come from different dbt commands, or come from a command that
    builds nothing.
    """
    manifest, document = read_manifest(directory), _json(directory / "run_results.json")
    try:
        invocation, arguments = document["metadata"]["invocation_id"], document["args"]
        results = {result["unique_id"]: _node_run(result) for result in document["results"]}
        command = arguments.get("which")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(f"{directory / 'run_results.json'} is not a run_results.json of dbt") from error
    if invocation != manifest.invocation:
        raise InvalidRequest(
            f"manifest.json and run_results.json in {directory} are not of the same dbt command; "
            "another one has rewritten one of them: keep both right after the run, and name their directory with --artifacts"
        )
    if command not in _COMMANDS:
        raise InvalidRequest(f"the run in {directory} was dbt {command}; only {', '.join(_COMMANDS)} build something")
    return PlainRun(manifest, results, arguments)


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest in `directory`. Raises `InvalidRequest` if there is none or it is invalid."""
    document = _json(directory / "manifest.json")
    try:
        metadata = document["metadata"]
        return Manifest(
            metadata["invocation_id"],
            metadata["dbt_version"],
            document["nodes"],
            document["sources"],
            document["macros"],
        )
    except (KeyError, TypeError) as error:
        raise InvalidRequest(f"{directory / 'manifest.json'} is not a manifest.json of dbt") from error


def _node_run(result: Mapping[str, Any]) -> NodeRun:
    timing = {step["name"]: step for step in result["timing"]}
    no_times = {"started_at": None, "completed_at": None}
    executed = timing.get("execute", no_times)
    compiled = timing.get("compile", executed)
    return NodeRun(
        status=result["status"],
        began=min(_time(compiled["started_at"], math.inf), _time(executed["started_at"], math.inf)),
        started=_time(executed["started_at"], math.inf),
        ended=_time(executed["completed_at"], -math.inf),
        sql=result.get("compiled_code"),
    )


def _time(text: str | None, unknown: float) -> float:
    """Return Unix milliseconds, or `unknown` without a text. The callers choose `unknown` so that no time falls in the window."""
    return unknown if text is None else datetime.fromisoformat(text).timestamp() * 1000


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error.strerror}; dbt writes it at the end of a run (unless told not to write JSON)"
        ) from error
    except ValueError as error:
        raise InvalidRequest(f"{path} is not valid JSON") from error
