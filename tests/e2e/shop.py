"""The dbt project under test: a few models over two source tables, in a folder and a database of its own.

Every build may be made twice: with the client, and as plain dbt would make it, into a twin schema. Whatever the
server decided, both must hold the same rows: this is what proves that nothing was skipped wrongly.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from psycopg2 import sql
from tests.e2e.build import Build, read_build
from tests.e2e.dbt_process import DbtProcess, Run
from tests.e2e.postgres import Database, Row
from tests.e2e.server import Serving

TEMPLATE = Path(__file__).with_name("project")
TARGET = "prod"
DEVELOPMENT = "dev"
TWIN = "vanilla"
SNAPSHOT_STAMPS = frozenset({"dbt_scd_id", "dbt_updated_at", "dbt_valid_from"})
"""Columns of a snapshot that hold when dbt ran. Of `dbt_valid_to` it counts whether it is set."""


@dataclass(frozen=True, slots=True)
class Running:
    """A dbt run that has begun beside the scenario."""

    shop: Shop
    run: Run

    def wait(self) -> Build:
        """Let it end, whatever the outcome."""
        return self.shop.finished(self.run)


class Shop:
    """A project, its database, the server that it asks, and the dbt that runs it."""

    def __init__(self, directory: Path, *, database: Database, server: Serving, client: DbtProcess) -> None:
        self.directory = directory
        self.database = database
        self.server = server
        self.client = client
        self.environment: dict[str, str] = {"RUN_CACHE_FRESHNESS_TOLERANCE": "0s"}
        """Variables of every run."""
        self._runs: list[Run] = []
        shutil.copytree(TEMPLATE, directory, dirs_exist_ok=True)
        self.write("profiles.yml", profiles(database, TARGET, DEVELOPMENT, TWIN))
        # On one server a project's nodes are told from another's by its id alone.
        self.edit("dbt_project.yml", 'project-id: "1"', f'project-id: "{database.name}"')

    def colleague(self) -> Shop:
        """Another checkout of the project as it is, on the same database: its runs may overlap with this one's."""
        directory = self.directory.with_name(f"{self.directory.name}_colleague")
        other = Shop(directory, database=self.database, server=self.server, client=self.client)
        shutil.copytree(self.directory, directory, ignore=shutil.ignore_patterns("runs"), dirs_exist_ok=True)
        other.environment = dict(self.environment)
        other._runs = self._runs
        return other

    def use_default_lag_tolerance(self) -> None:
        """From now on changed data may wait as long as the client lets it unless it is told: 45 minutes."""
        del self.environment["RUN_CACHE_FRESHNESS_TOLERANCE"]

    def write(self, path: str, text: str) -> None:
        """Create or replace a file of the project; `text` may be indented as a block."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace the only occurrence of `old` in a file of the project."""
        file = self.directory / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new))

    def remove(self, path: str) -> None:
        """Delete a file of the project."""
        (self.directory / path).unlink()

    def sql(self, statement: str, *values: object) -> list[Row]:
        """Run SQL in the shop's database, past dbt."""
        return self.database.sql(statement, *values)

    def dbt(
        self,
        *arguments: str,
        clean: bool = True,
        environment: Mapping[str, str] | None = None,
        target: str = TARGET,
    ) -> Build:
        """Run dbt with the client. `clean`: the client must not complain of anything."""
        build = self.start(*arguments, environment=environment, target=target).wait()
        if clean:
            build.assert_clean_log()
        return build

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None, target: str = TARGET) -> Running:
        """Begin a dbt run and come back at once."""
        return Running(self, self._start(arguments, target, environment or {}))

    def build(self, *arguments: str, clean: bool = True, environment: Mapping[str, str] | None = None) -> Build:
        """`dbt build` with the client, and without it into the twin schema; both must agree in outcome and content."""
        build = self.dbt("build", *arguments, clean=clean, environment=environment)
        twin = self.vanilla("build", *arguments)
        assert build.exit_code in (0, 1), f"dbt could not run the project: {build.output}"
        assert (build.exit_code, build.statuses) == (twin.exit_code, twin.statuses), build.output + twin.output
        self.assert_as_vanilla()
        return build

    def vanilla(self, *arguments: str) -> Build:
        """Run dbt without the client into the twin schema."""
        build = self.finished(self._start(arguments, TWIN, {"RUN_CACHE_DISABLED": "true"}))
        assert not build.reasons, "the client was to be off"
        return build

    def _start(self, arguments: Sequence[str], target: str, environment: Mapping[str, str]) -> Run:
        traces = self.directory / "runs" / target
        shutil.rmtree(traces / "logs", ignore_errors=True)
        (traces / "output").unlink(missing_ok=True)
        traces.mkdir(parents=True, exist_ok=True)
        variables = {
            "RUN_CACHE_API_URL": self.server.address,
            "DBT_PROFILES_DIR": str(self.directory),
            "DBT_TARGET_PATH": str(traces / "target"),
            "DBT_LOG_PATH": str(traces / "logs"),
            "DBT_LOG_FORMAT_FILE": "json",
            "DBT_WRITE_JSON": "false",
            "DBT_USE_COLORS": "false",
            **self.environment,
            **environment,
        }
        run = self.client.start(
            [*arguments, "--target", target],
            directory=self.directory,
            environment=self.client.environment(variables),
            output_path=traces / "output",
        )
        self._runs.append(run)
        return run

    def close(self) -> None:
        """End the runs that nobody waited for, and remove the database."""
        for run in self._runs:
            run.close()
        self.database.drop()

    def finished(self, run: Run) -> Build:
        """Wait for a run and read what it left."""
        exit_code = run.wait()
        return read_build(run.output_path.parent / "logs", exit_code=exit_code, output=run.output_path.read_text())

    def table(self, name: str, *, schema: str = TARGET) -> list[Row]:
        """A relation's rows, sorted."""
        query = sql.SQL("select * from {}.{}").format(sql.Identifier(schema), sql.Identifier(name))
        return sorted(self.database.sql(query), key=repr)

    def contents(self, schema: str = TARGET) -> dict[str, list[str]]:
        """Every relation of a schema: its columns, then its rows as text, sorted; a snapshot's time stamps left out."""
        return {name: self._content(schema, name) for name in self._relations(schema)}

    def _relations(self, schema: str) -> list[str]:
        query = "select table_name::text from information_schema.tables where table_schema = %s order by 1"
        return [name for (name,) in self.sql(query, schema)]

    def _content(self, schema: str, name: str) -> list[str]:
        query = """
            select column_name::text from information_schema.columns
            where table_schema = %s and table_name = %s and column_name <> all(%s) order by ordinal_position
        """
        columns = [column for (column,) in self.sql(query, schema, name, list(SNAPSHOT_STAMPS))]
        values = [_COLUMN.get(column, "{}").format(f'"{column}"') for column in columns]
        rows = self.sql(f'select row({", ".join(values)})::text from "{schema}"."{name}"')
        return [", ".join(columns), *sorted(row for (row,) in rows)]

    def assert_as_vanilla(self, *, without: Collection[str] = ()) -> None:
        """Both schemas hold the same relations with the same rows, the named relations aside."""
        ours, theirs = self.contents(), self.contents(TWIN)
        for name in without:
            ours.pop(name, None)
            theirs.pop(name, None)
        differing = {
            name: (ours.get(name), theirs.get(name))
            for name in ours.keys() | theirs.keys()
            if ours.get(name) != theirs.get(name)
        }
        assert not differing, f"the client's build and plain dbt's differ: {differing}"


_COLUMN = {"dbt_valid_to": "{} is null"}


def profiles(database: Database, *targets: str) -> str:
    """profiles.yml: each target is a schema of its own name in the database; the first is the default one."""
    connection = (
        f"type: postgres, host: {database.server.host}, port: {database.server.port}, dbname: {database.name}, "
        f"user: postgres, password: unused, threads: 2"
    )
    outputs = "".join(f"    {target}: {{{connection}, schema: {target}}}\n" for target in targets)
    return f"shop:\n  target: {targets[0]}\n  outputs:\n{outputs}"
