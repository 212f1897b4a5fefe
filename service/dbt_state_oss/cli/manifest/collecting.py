"""Runs `dbt_side.py` with the Python interpreter of the user's dbt, and reads the records that it collects."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dbt_state_oss.application.importing.proof import Collected, Collection
from dbt_state_oss.application.importing.run import PlainRun
from dbt_state_oss.cli.manifest.artifacts import read_manifest
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.submission import Code
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.protocol.from_proto import recorded_in

_SCRIPT = Path(__file__).with_name("dbt_side.py")
_NOWHERE = "http://127.0.0.1:9"
_SHOWN_LINES = 15

_ENVIRONMENT = {
    "RUN_CACHE_CACHE_MODE": "WRITE_ONLY",
    "RUN_CACHE_API_URL": "127.0.0.1:9",
    "RUN_CACHE_API_SECURE": "false",
    "RUN_CACHE_AUTH_URL": _NOWHERE,
    "RUN_CACHE_TOKEN_URL": _NOWHERE,
    "RUN_CACHE_OAUTH_CLIENT_ID": "unused",
    "RUN_CACHE_OAUTH_CLIENT_SECRET": "unused",
}
"""Makes the client record builds only and contact no server."""

_OVERRIDING = ("DBT_ENGINE_STATE_", "DBT_ENV_SECRET_STATE_", "DBT_RUN_CACHE_")
_SWITCHES = ("DBT_ENGINE_MANAGE_STATE", "RUN_CACHE_DISABLED", "DBT_RUN_CACHE_DISABLED")


def python_beside_dbt() -> Path:
    """Return the interpreter of the `dbt` on the PATH, or the current interpreter if there is none."""
    dbt = shutil.which("dbt")
    beside = None if dbt is None else Path(dbt).resolve().with_name("python")
    return beside if beside is not None and beside.exists() else Path(sys.executable)


def collect(python: Path, project: Path, profiles: Path | None, run: PlainRun) -> Collection:
    """Let the client make its records, with the dbt target, profile and variables of the run.

    Raises `InvalidRequest` if dbt fails.
    """
    with tempfile.TemporaryDirectory(prefix="dbt-state-import-") as scratch:
        output, target = Path(scratch) / "records", Path(scratch) / "target"
        arguments = [
            "--project-dir", str(project), "--target-path", str(target), "--log-path", str(Path(scratch) / "logs"),
            "--write-json", *_run_arguments(run),
        ]  # fmt: skip
        if profiles is not None:
            arguments += ["--profiles-dir", str(profiles)]
        _run([str(python), "-P", str(_SCRIPT), str(output), *arguments], project, scratch)
        collection = Collection(read_manifest(target))
        for line in output.read_text("utf-8").splitlines():
            _add_line(collection, json.loads(line))
        return collection


def _run_arguments(run: PlainRun) -> Iterator[str]:
    for name in ("target", "profile"):
        if run.arguments.get(name):
            yield from (f"--{name}", str(run.arguments[name]))
    if run.arguments.get("vars"):
        yield from ("--vars", json.dumps(run.arguments["vars"]))


def _run(command: list[str], project: Path, scratch: str) -> None:
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(_OVERRIDING) and name not in _SWITCHES
    }
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter is the user's own
            command,
            cwd=project,
            env={**environment, **_ENVIRONMENT, "RUN_CACHE_HOME": scratch},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise InvalidRequest(
            f"{command[0]} cannot be run: {error.strerror}; name dbt's interpreter with --dbt-python"
        ) from error
    if done.returncode:
        output = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-_SHOWN_LINES:])
        raise InvalidRequest(
            f"dbt compile with the package dbt-state failed under {command[0]} (another one: --dbt-python):\n{output}"
        )


def _add_line(collection: Collection, line: Mapping[str, Any]) -> None:
    if "offset_ms" in line:
        collection.offset_ms = line["offset_ms"]
    elif "fault" in line:
        collection.faults[line["node"]] = line["fault"]
    else:
        collection.nodes[line["node"]] = _collected(line)


def _collected(line: Mapping[str, Any]) -> Collected:
    try:
        recorded = recorded_in(base64.b64decode(line["record"], validate=True))
    except ValueError as error:
        raise InvalidRequest(f"the record that the client made of {line['node']} cannot be read: {error}") from error
    code, views = recorded.submission.code, dict[Relation, Epoch | None]()
    if isinstance(code, Code):
        for name, epoch in line["views"].items():
            place = {"default_catalog": code.default_catalog, "default_schema": code.default_schema}
            views[code.dialect.relation(name, **place)] = epoch
    return Collected(recorded, views)
