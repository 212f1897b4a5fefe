"""Logs: one format for everybody, and nothing in them that the table of fields lacks."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dbt_state_oss
from dbt_state_oss.telemetry.logs import FIELDS, only_known_fields

pytestmark = pytest.mark.process

PACKAGE = Path(dbt_state_oss.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception"}
SETUP = "from dbt_state_oss.telemetry.logs import LogFormat, configure_logs; import logging, structlog;"


def printed(code: str, log_format: str = "JSON", level: str = "info") -> list[str]:
    """What a process writes to standard error after setting up its logs and running `code`."""
    program = f"{SETUP} configure_logs(LogFormat.{log_format}, {level!r}); {code}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == ""
    return result.stderr.splitlines()


def test_a_line_is_a_json_object_with_time_and_level() -> None:
    (line,) = printed("structlog.get_logger().info('listening', address='here')")
    fields = json.loads(line)
    assert (fields["event"], fields["level"], fields["address"]) == ("listening", "info", "here")
    assert fields["timestamp"].endswith("Z")


def test_the_console_shows_the_same_in_words() -> None:
    (line,) = printed("structlog.get_logger().info('listening', address='here')", "CONSOLE")
    assert "listening" in line
    assert "address=here" in line


def test_lines_below_the_level_are_not_written() -> None:
    code = "log = structlog.get_logger(); log.info('no'); log.warning('yes')"
    assert [json.loads(line)["event"] for line in printed(code, level="warning")] == ["yes"]


def test_a_field_that_nobody_described_is_left_out_and_named() -> None:
    line = only_known_fields(None, "info", {"event": "x", "sql": "select 1", "ticket": "t1.", "node": "n"})
    assert line == {"event": "x", "node": "n", "left_out": ["sql", "ticket"]}


def test_libraries_speak_in_the_same_format() -> None:
    code = "logging.getLogger('pebble').warning('a worker %s', 'died')"
    fields = json.loads(printed(code)[0])
    assert (fields["event"], fields["logger"], fields["level"]) == ("a worker died", "pebble", "warning")


def test_chatter_and_parsers_that_quote_sql_are_not_heard() -> None:
    code = "logging.getLogger('grpc._cython').warning('x'); logging.getLogger('sqlglot').error('select 1')"
    assert printed(code) == []


@pytest.mark.parametrize("library", ["azure.identity", "google.auth", "urllib3.connectionpool"])
def test_what_libraries_of_stores_say_is_said_by_ours(library: str) -> None:
    assert printed(f"logging.getLogger('{library}').warning('no token')") == []


def test_an_unexpected_error_is_one_line_with_its_traceback() -> None:
    code = "exec(\"try:\\n  1/0\\nexcept Exception:\\n  structlog.get_logger().exception('failed')\")"
    (line,) = printed(code)
    assert "ZeroDivisionError" in json.loads(line)["exception"]


def fields_logged() -> Iterator[tuple[str, str]]:
    """Every keyword of every call of a logger in the package, with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                yield from ((place, word.arg) for word in node.keywords if word.arg is not None)


def test_every_field_of_the_table_is_logged_by_somebody() -> None:
    by_the_library = {"timestamp", "level", "event", "logger", "exception", "left_out"}
    # The account of a call is put together in one place and handed on.
    by_every_call = {"rpc", "status", "duration_ms", "request_id", "session_id"}
    assert by_the_library | by_every_call | {field for _, field in fields_logged()} == set(FIELDS)


@pytest.mark.parametrize(("place", "field"), list(fields_logged()))
def test_every_field_that_is_logged_is_in_the_table(place: str, field: str) -> None:
    assert field in FIELDS
