"""Requests far larger than those of a project: each is answered in time, and holds up no other call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest
from tests.cli.questions import TOTALS, table_model

MEGABYTE = 1_000_000


def _named(number: int, kind: str) -> SubmitEnrichedSQLRequest:
    """The recorded question, of a target of its own."""
    request = table_model()
    request.target_table = TOTALS.replace("order_totals", f"{kind}_{number}")
    for table in request.tables:
        if table.name == TOTALS:
            table.name = request.target_table
    return request


def _large_extras(number: int) -> SubmitEnrichedSQLRequest:
    request = _named(number, "extras")
    entries = [{"a": number, "b": [number, str(entry), None, 1.5]} for entry in range(400_000)]
    request.semantic_extras["constraints"] = json.dumps(entries)
    return request


def _many_extras(number: int) -> SubmitEnrichedSQLRequest:
    request = _named(number, "many_extras")
    for key in range(20_000):
        request.semantic_extras[f"key_{key}"] = json.dumps({"number": number, "list": list(range(50))})
    return request


def _many_tables(number: int) -> SubmitEnrichedSQLRequest:
    request = _named(number, "tables")
    for table in range(10_000):
        request.tables.add(
            name=f'"shop"."raw"."orders_{number}_{table}"', last_modified_epoch=1_795_352_200_000 + table
        )
    return request


def _long_sql(number: int, megabytes: int) -> SubmitEnrichedSQLRequest:
    request = _named(number, f"sql_{megabytes}")
    term = "select a, b, 'text' as c from t where x = 1 -- comment\nunion all\n"
    request.sql = term * (megabytes * MEGABYTE // len(term)) + f"select {number}"
    return request


def _many_views(number: int) -> SubmitEnrichedSQLRequest:
    request = _named(number, "views")
    for view in range(2_000):
        request.query_dependencies.add(
            name=f'"shop"."raw"."v_{view}"', query=f"select {number} as a, b, c from raw.t_{view} where x = 1" * 20
        )
    return request


HUGE: Mapping[str, Callable[[int], SubmitEnrichedSQLRequest]] = {
    "20 MB of extras": _large_extras,
    "20,000 extras": _many_extras,
    "10,000 tables": _many_tables,
    "1 MB of SQL": lambda number: _long_sql(number, 1),
    "5 MB of SQL": lambda number: _long_sql(number, 5),
    "20 MB of SQL": lambda number: _long_sql(number, 20),
    "2,000 views": _many_views,
}
"""By name, makes a request that differs with the number."""
