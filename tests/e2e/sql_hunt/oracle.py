"""What PostgreSQL makes of a query: the table that `create table as` would leave, as names, types and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
from tests.e2e.postgres import Database

SCHEMA = Path(__file__).with_name("schema.sql")
_TIMEOUT = "set local statement_timeout = '2s'"
_COLUMNS = """
    select attname, format_type(atttypid, atttypmod), attcollation::regcollation::text from pg_attribute
    where attrelid = 'pg_temp.made'::regclass and attnum > 0 order by attnum
"""

Result = tuple[Any, ...]
"""Columns, each with its name, type and collation; rows in order."""


class Oracle:
    """One connection to a database with the tables of `schema.sql`."""

    def __init__(self, database: Database) -> None:
        database.sql(SCHEMA.read_text(encoding="utf-8"))
        server = database.server
        self._connection = psycopg2.connect(host=server.host, port=server.port, user="postgres", dbname=database.name)

    def result(self, sql: str) -> Result | None:
        """What the query leaves; None where it fails. Nothing stays in the database.

        Where two columns have one name, no table can be made: then the names and types are those that the client is told.
        """
        query = sql.rstrip().rstrip(";")
        try:
            return self._table(query)
        except psycopg2.errors.DuplicateColumn:
            return self._rows(query)
        except psycopg2.Error:
            return None

    def _table(self, query: str) -> Result:
        with self._connection as transaction, transaction.cursor() as cursor:
            cursor.execute(_TIMEOUT)
            cursor.execute(f"create temp table made on commit drop as {query}\n")
            cursor.execute(_COLUMNS)
            columns = tuple(cursor.fetchall())
            cursor.execute("select made::text from pg_temp.made")
            return columns, tuple(cursor.fetchall())

    def _rows(self, query: str) -> Result | None:
        try:
            with self._connection as transaction, transaction.cursor() as cursor:
                cursor.execute(_TIMEOUT)
                cursor.execute(f"{query}\n")
                columns = tuple(
                    (each.name, each.type_code, each.precision, each.scale) for each in cursor.description or ()
                )
                return columns, tuple(map(str, cursor.fetchall()))
        except psycopg2.Error:
            return None

    def close(self) -> None:
        self._connection.close()
