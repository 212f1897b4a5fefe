"""A gate in the warehouse: a model that passes through it waits, in mid-build, until the scenario opens it."""

from __future__ import annotations

import time
from types import TracebackType

import psycopg2
from tests.e2e.postgres import SUPERUSER, Database

PASSING = "(select pg_advisory_xact_lock_shared(1) is not null)"
"""A condition for a model's `where` that is true once the gate is open."""

ARRIVAL_SECONDS = 60
_WAITING = """
    select count(*) from pg_locks
    where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = %s)
"""


class ClosedGate:
    """Closed from its making until `open` or the end of the `with`; without one the gate of a database is open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        server = database.server
        self._connection = psycopg2.connect(host=server.host, port=server.port, user=SUPERUSER, dbname=database.name)
        with self._connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(1)")

    def wait_for_arrival(self, *, of: int = 1) -> None:
        """Wait until `of` models stand before the gate: their submits are answered, their builds have begun."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while self._database.sql(_WAITING, self._database.name) < [(of,)]:
            assert time.monotonic() < deadline, "nobody came to the gate"
            time.sleep(0.02)

    def open(self) -> None:
        """Let everybody pass, now and later."""
        self._connection.close()

    def __enter__(self) -> ClosedGate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
