"""`dbt-state-oss state export|import`: a state goes into a file and comes out of it whole, or not at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.commands import COMMAND, PATIENCE_SECONDS, run
from tests.domain.building import MART, execution

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.keys import TICKET_KEYS
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.ownership.transfer import documents_of
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.stores.local import LocalStore

SECRET = b"k1:c2VjcmV0"


@pytest.fixture
async def directory(tmp_path: Path) -> Path:
    """A state with a target, a document that is no text, and the servers' secrets."""
    directory = tmp_path / "state"
    store = await LocalStore.open(directory)
    await Ledger(store, cache_bytes=0).add(DEFAULT_ORGANIZATION, TargetKey("ns", MART), execution())
    await store.put("default/other", b"\xff no text", expected=None)
    await store.put(TICKET_KEYS, SECRET, expected=None)
    await store.close()
    return directory


async def content(directory: Path) -> dict[str, bytes]:
    store = await LocalStore.open(directory)
    found = {record.key: record.data async for record in documents_of(store, ticket_keys=True)}
    await store.close()
    return found


async def put(directory: Path, key: str, data: bytes) -> None:
    store = await LocalStore.open(directory)
    await store.put(key, data, expected=None)
    await store.close()


def state(action: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("state", action, *arguments, "--dir", str(directory))


def piped(action: str, directory: Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The action between pipes."""
    command = [*COMMAND, "state", action, "-", "--dir", str(directory)]
    return subprocess.run(command, input=given, capture_output=True, check=True, timeout=PATIENCE_SECONDS)


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if "partial" in path.name]


async def test_a_state_comes_back_whole_without_the_secrets(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.gz"
    exported = state("export", directory, str(file))
    assert exported.returncode == 0
    assert "2 documents exported" in exported.stdout
    assert "ticket keys are not included" in exported.stdout
    assert exported.stderr == ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert leftovers(tmp_path) == []

    imported = state("import", tmp_path / "new", str(file))
    assert imported.returncode == 0
    assert "2 created, 0 equal, 0 replaced" in imported.stdout
    before = await content(directory)
    assert before.pop(TICKET_KEYS) == SECRET
    assert await content(tmp_path / "new") == before

    again = state("import", tmp_path / "new", str(file))
    assert "0 created, 2 equal, 0 replaced" in again.stdout


async def test_the_secrets_come_too_if_asked_for(directory: Path, tmp_path: Path) -> None:
    state("export", directory, "--with-ticket-keys", str(tmp_path / "backup.gz"))
    state("import", tmp_path / "new", str(tmp_path / "backup.gz"))
    assert await content(tmp_path / "new") == await content(directory)


async def test_a_state_goes_through_a_pipe(directory: Path, tmp_path: Path) -> None:
    exporting = piped("export", directory)
    assert b"2 documents exported" in exporting.stderr
    importing = piped("import", tmp_path / "new", exporting.stdout)
    assert b"2 created" in importing.stdout
    assert len(await content(tmp_path / "new")) == 2


def test_a_pipe_with_a_name_is_written_and_stays_one(directory: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*COMMAND, "state", "export", str(pipe), "--dir", str(directory)]) as exporting:
        archive = pipe.read_bytes()
        assert exporting.wait(PATIENCE_SECONDS) == 0
    assert pipe.is_fifo()
    assert b"2 created" in piped("import", tmp_path / "new", archive).stdout


def test_where_nothing_is_recorded_the_last_export_stays(directory: Path, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "backup.gz", tmp_path / "elsewhere"
    state("export", directory, str(file))
    whole = file.read_bytes()
    elsewhere.mkdir()
    for action in ("export", "list"):
        result = state(action, elsewhere, *([str(file)] if action == "export" else []))
        assert result.returncode == 1
        assert f"no state found in {elsewhere}" in result.stderr
    assert list(elsewhere.iterdir()) == []
    assert file.read_bytes() == whole


async def test_an_empty_state_is_not_exported(tmp_path: Path) -> None:
    file, empty = tmp_path / "backup.gz", tmp_path / "empty"
    file.write_bytes(b"the last one")
    await put(empty, TICKET_KEYS, SECRET)
    result = state("export", empty, str(file))
    assert result.returncode == 1
    assert f"the store local:{empty} has no records" in result.stderr
    assert file.read_bytes() == b"the last one"
    assert leftovers(tmp_path) == []


def test_a_link_to_the_last_export_stays_a_link(directory: Path, tmp_path: Path) -> None:
    link, file = tmp_path / "latest", tmp_path / "backup.gz"
    file.write_bytes(b"the last one")
    link.symlink_to(file)
    assert state("export", directory, str(link)).returncode == 0
    assert link.is_symlink()
    assert file.read_bytes() != b"the last one"


def test_an_archive_that_nobody_reads_to_its_end_is_a_failure(directory: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "state", "export", "-", "--dir", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as exporting:
        assert exporting.stdout is not None
        assert exporting.stderr is not None
        exporting.stdout.close()
        told = exporting.stderr.read()
        assert exporting.wait(PATIENCE_SECONDS) == 1
    assert told == b"dbt-state-oss: standard output was closed before the archive was complete\n"


async def test_what_differs_is_replaced_only_when_told_so_and_else_nothing_is_written(
    directory: Path, tmp_path: Path
) -> None:
    file, new = str(tmp_path / "backup.gz"), tmp_path / "new"
    state("export", directory, file)
    await put(new, "default/other", b"theirs")
    refused = state("import", new, file)
    assert refused.returncode == 1
    assert "1 of 2 documents differ" in refused.stderr
    assert "default/other" in refused.stderr
    assert await content(new) == {"default/other": b"theirs"}

    replaced = state("import", new, "--overwrite", file)
    assert "1 created, 0 equal, 1 replaced" in replaced.stdout
    assert (await content(new))["default/other"] == b"\xff no text"


async def test_a_damaged_file_leaves_the_store_as_it_was(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.gz"
    state("export", directory, str(file))
    file.write_bytes(file.read_bytes()[:-20])
    result = state("import", tmp_path / "new", "--overwrite", str(file))
    assert result.returncode == 1
    assert "cut off" in result.stderr
    assert not (tmp_path / "new").exists()


def test_an_export_that_fails_leaves_the_last_one(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.gz"
    file.write_bytes(b"the last one")
    (directory / "state.sqlite3").write_bytes(b"broken" * 1000)
    assert state("export", directory, str(file)).returncode == 1
    assert file.read_bytes() == b"the last one"
    assert leftovers(tmp_path) == []


def test_files_that_cannot_be_had_are_named(directory: Path, tmp_path: Path) -> None:
    for action in ("export", "import"):
        result = state(action, directory, str(tmp_path / "nowhere" / "file"))
        assert result.returncode == 1
        assert "nowhere" in result.stderr
        assert "No such file" in result.stderr
    missing = state("export", tmp_path / "typo", str(tmp_path / "file"))
    assert (missing.returncode, (tmp_path / "typo").exists()) == (1, False)
