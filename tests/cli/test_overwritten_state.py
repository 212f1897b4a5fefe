"""The local store's file is overwritten while the server runs: the next start says so, or reads whole documents alone."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.commands import Serving, run, serving
from tests.cli.questions import BUILT_AT, TOTALS, build, table_model

from dbt_state_oss.stores.database import FILE_NAME

TARGETS = 15


def question(number: int, *, generation: int = 0, own_epoch: int | None = None) -> SubmitEnrichedSQLRequest:
    """About a table of its own; each generation is other SQL."""
    request = table_model(own_epoch=own_epoch)
    for table in request.tables:
        if table.name == TOTALS:
            table.name = TOTALS.replace("order_totals", f"totals_{number}")
    request.target_table = TOTALS.replace("order_totals", f"totals_{number}")
    request.sql += f" -- {'x' * 50}\n limit {generation + 1}"
    return request


def build_all(server: Serving, *, generation: int) -> None:
    with grpc.insecure_channel(server.address) as channel:
        for number in range(TARGETS):
            build(channel, question(number, generation=generation))


def is_skipped(server: Serving, *, generation: int) -> list[bool]:
    with grpc.insecure_channel(server.address) as channel:
        ask = SQLStub(channel).SubmitEnrichedSQL
        questions = [question(number, generation=generation, own_epoch=BUILT_AT) for number in range(TARGETS)]
        return [ask(each).HasField("skip_execution") for each in questions]


def backup(directory: Path, to: Path) -> None:
    """A copy of the file with all that is in its log."""
    with closing(sqlite3.connect(directory / FILE_NAME)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def after_a_restart(directory: Path) -> list[bool] | str:
    """Which targets of the first generation are skipped; the error where the server does not start."""
    try:
        with serving(directory) as server:
            return is_skipped(server, generation=0)
    except ValueError:  # its last line is a sentence, not JSON
        return run("serve", "--port", "0", "--dir", str(directory)).stderr.splitlines()[-1]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.parametrize(
    ("content", "checkpointed", "expected"),
    [
        (b"something else " * 10_000, True, "is not a SQLite database or is damaged; it was left as it is"),
        (b"something else " * 10_000, False, [True] * TARGETS),
        (b"", True, [False] * TARGETS),
    ],
    ids=["by something else", "by something else, while all is in the log", "by nothing"],
)
def test_a_file_that_is_overwritten_while_the_server_runs_is_refused_or_whole_at_the_next_start(
    tmp_path: Path, content: bytes, checkpointed: bool, expected: list[bool] | str, how: signal.Signals
) -> None:
    with serving(tmp_path) as server:
        build_all(server, generation=0)
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
            if checkpointed:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (tmp_path / FILE_NAME).write_bytes(content)
            server.process.send_signal(how)
            server.process.communicate()
    found = after_a_restart(tmp_path)
    if not content and isinstance(found, str):  # what the server still wrote while it stopped made a broken file of it
        assert "is damaged" in found
    else:
        assert expected in found if isinstance(expected, str) else found == expected


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_backup_that_is_copied_over_the_file_while_the_server_runs_proves_nothing_false(
    tmp_path: Path, how: signal.Signals
) -> None:
    directory, copy = tmp_path / "state", tmp_path / "backup"
    with serving(directory) as server:
        build_all(server, generation=0)
        backup(directory, copy)
        build_all(server, generation=1)
        shutil.copyfile(copy, directory / FILE_NAME)
        server.process.send_signal(how)
        server.process.communicate()
    with serving(directory) as server:
        newer = is_skipped(server, generation=1)
        older = is_skipped(server, generation=0)
    assert not any(new and old for new, old in zip(newer, older, strict=True))
