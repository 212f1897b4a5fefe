"""Where a hunt takes place: one database, one server, the real client; and for each target a twin that plain dbt builds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psycopg2
from tests.e2e.build import Build
from tests.e2e.dbt_process import DbtProcess
from tests.e2e.generations import Generation
from tests.e2e.hunt.contents import Contents, contents
from tests.e2e.hunt.data import SETUP
from tests.e2e.hunt.files import project_files
from tests.e2e.hunt.project import Kind, Node, Project
from tests.e2e.postgres import Database, PostgresServer
from tests.e2e.replicas import Replicas
from tests.e2e.server import Serving, StateServer
from tests.e2e.shop import Shop, profiles

PRODUCTION = "prod"
DEVELOPMENT = "dev"
TARGETS = (PRODUCTION, DEVELOPMENT)
PLAIN = {"RUN_CACHE_DISABLED": "true", "DBT_WRITE_JSON": "true"}
MUTATED_SERVER = Path(__file__).with_name("mutated_server.py")
_STANDING_STILL = "select count(*) from pg_stat_activity where datname = %s and wait_event_type = 'Lock'"


def twin_of(target: str) -> str:
    """The target that plain dbt builds."""
    return f"pure{target}"


def relation(target: str, node: Node) -> str:
    """Where a node lives."""
    schema = node.config.get("schema")
    return f"{target}_{schema}.{node.alias}" if schema else f"{target}.{node.alias}"


def place(node: Node) -> str:
    """A node's relation within its target, as `contents` names it."""
    schema = node.config.get("schema")
    return f"{schema}.{node.alias}" if schema else node.alias


class Arena:
    """Lays out projects, runs dbt with the client and without, and reads what came of it."""

    def __init__(
        self, directory: Path, *, database: Database, server: Serving, client_of: Callable[[Generation], DbtProcess]
    ) -> None:
        client = client_of(Generation.DBT_STATE_2_62)
        self._client_of = client_of
        self.shop = Shop(directory, database=database, server=server, client=client)
        self.database = database
        self.server = server
        self._files: dict[str, str] = {}
        self._production: dict[str, Any] = {}
        """The nodes of production's twin as they were when they were last built."""
        for file in directory.glob("models/*"):
            file.unlink()
        self.shop.write("profiles.yml", profiles(database, *TARGETS, *(twin_of(target) for target in TARGETS)))
        database.sql("do $$ begin create role reporter; exception when duplicate_object then null; end $$")
        database.sql(SETUP)

    @contextmanager
    def client(self, generation: Generation | None) -> Iterator[None]:
        """Let the runs that begin in the block be those of another client than the newest."""
        newest = self.shop.client
        if generation is not None:
            self.shop.client = self._client_of(generation)
        try:
            yield
        finally:
            self.shop.client = newest

    def lay_out(self, project: Project) -> None:
        """Let the files be those of the project."""
        files = project_files(project, project_id=self.database.name)
        for path in self._files.keys() - files.keys():
            self.shop.remove(path)
        for path, text in files.items():
            if self._files.get(path) != text:
                self.shop.write(path, text)
        self._files = files

    @contextmanager
    def colleague(self) -> Iterator[Shop]:
        """Another checkout of what is laid out now."""
        other = self.shop.colleague()
        for file in other.directory.glob("models/*"):
            if not (self.shop.directory / "models" / file.name).exists():
                file.unlink()
        yield other
        shutil.rmtree(other.directory)

    def everything(self) -> Contents:
        """What the sources (`raw`), the targets and their twins hold."""
        names = ["raw", *TARGETS, *(twin_of(target) for target in TARGETS)]
        return {name: contents(self.database, name) for name in names}

    def standing_still(self) -> int:
        """How many sessions wait for a lock: at the gate, or behind somebody who stands there."""
        return int(self.database.sql(_STANDING_STILL, self.database.name)[0][0])

    def plain_dbt(self, target: str, *arguments: str) -> Build:
        """A run by plain dbt into the twin; in development it reads from production's twin what it does not build."""
        if target == DEVELOPMENT:
            arguments = (*arguments, "--defer", "--state", str(self._state_directory))
        build = self.shop.start(*arguments, environment=PLAIN, target=twin_of(target)).wait()
        if target == PRODUCTION and build.exit_code in (0, 1):
            self._remember_production(build)
        return build

    @property
    def _state_directory(self) -> Path:
        return self.shop.directory / "runs" / "state"

    def _remember_production(self, build: Build) -> None:
        """Keep a manifest that names each node as it was last built, whatever the checkout has made of it since."""
        written = self.shop.directory / "runs" / twin_of(PRODUCTION) / "target" / "manifest.json"
        manifest = json.loads(written.read_text())
        for unique_id, node in manifest["nodes"].items():
            if build.statuses.get(node["name"]) == "success":
                self._production[unique_id] = node
        manifest["nodes"] = self._production
        self._state_directory.mkdir(exist_ok=True)
        (self._state_directory / "manifest.json").write_text(json.dumps(manifest))

    def copy_into_development(self, nodes: Collection[Node]) -> None:
        """What a pre-clone copies, from production's twin into development's, where that has no such relation."""
        for node in nodes:
            assert node.kind in (Kind.INCREMENTAL, Kind.SNAPSHOT)
            source, target = (relation(twin_of(name), node) for name in (PRODUCTION, DEVELOPMENT))
            found = self.database.sql("select to_regclass(%s) is not null, to_regclass(%s) is null", source, target)
            if found == [(True, True)]:
                self.database.sql(
                    f"create schema if not exists {target.partition('.')[0]}; "
                    f"create table {target} (like {source} including all); insert into {target} table {source}"
                )

    def copy_into_twin(self, nodes: Collection[Node]) -> None:
        """Bring the rows of production's tables into its twin's, where both have the table."""
        for node in nodes:
            source, target = (relation(name, node) for name in (PRODUCTION, twin_of(PRODUCTION)))
            kinds = "select array_agg(relkind::text) from pg_class where oid in (to_regclass(%s), to_regclass(%s))"
            if self.database.sql(kinds, source, target) == [(["r", "r"],)]:
                self.database.sql(f"truncate {target}; insert into {target} table {source}")

    def drop_view(self, target: str, where: str) -> None:
        """Drop a relation that `contents` names so, if it is a view."""
        schema, _, name = f"{target}_{where}".rpartition(".") if "." in where else (target, "", where)
        with suppress(psycopg2.Error):
            self.database.sql(f'drop view "{schema}"."{name}" cascade')

    def is_table(self, where: str) -> bool:
        """Whether there is a table of this name."""
        return self.database.sql("select relkind from pg_class where oid = to_regclass(%s)", where) == [("r",)]

    def damage(self, where: str, statement: str) -> None:
        """Do what somebody else would do to a table; nothing where there is no table, or it does not let it be done."""
        if self.is_table(where):
            with suppress(psycopg2.Error):
                self.database.sql(statement)

    def empty(self, target: str) -> None:
        """Drop all schemas of a target, and its twin's."""
        for name in (target, twin_of(target)):
            schemas = self.database.sql("select nspname from pg_namespace where nspname ~ %s", f"^{name}(_|$)")
            for (schema,) in schemas:
                self.database.sql(f'drop schema "{schema}" cascade')

    def forget_everything(self) -> None:
        """`dbt-state-oss state invalidate '*'`, where there is anything to forget."""
        environment = {"PATH": os.environ["PATH"], **self.server.store}
        command = [sys.executable, "-m", "dbt_state_oss", "state", "invalidate", "*", "--yes"]
        ended = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
        assert ended.returncode == 0 or "no recorded target matches" in ended.stderr, ended.stderr

    @property
    def kills_servers(self) -> bool:
        """Whether `a_kill` does anything."""
        return isinstance(self.server, Replicas)

    def a_kill(self) -> AbstractContextManager[None]:
        """Where there are several servers, one is killed at some moment of the block."""
        return self.server.killing_one() if isinstance(self.server, Replicas) else nullcontext()

    def close(self) -> None:
        self.shop.close()


@contextmanager
def open_arena(
    directory: Path,
    *,
    postgres: PostgresServer,
    client_of: Callable[[Generation], DbtProcess],
    name: str,
    mutation: str | None = None,
    replicas: int = 1,
    store: Mapping[str, str] | None = None,
) -> Iterator[Arena]:
    """An arena with a server and a database of its own; `mutation` names what is broken in the server.

    Several `replicas` need a `store` that they can share, by the variables that lead to it.
    """
    program = ("-m", "dbt_state_oss") if mutation is None else (str(MUTATED_SERVER), mutation)
    server: Serving
    if store is None or replicas == 1:
        server = StateServer(directory / "server", program=program, store=store)
    else:
        server = Replicas(directory / "server", count=replicas, store=store)
    try:
        database = postgres.create_database(name)
        arena = Arena(directory / "shop", database=database, server=server, client_of=client_of)
        yield arena
        arena.close()
    finally:
        server.stop()
