"""The verdict on a state directory: each kind of damage is seen, and the trimming of a long history is none."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.domain.varying import SAME
from tests.durability.journal import Acknowledged
from tests.durability.verdict import faults_of

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.keys import TICKET_KEYS, aside_key, execution_id, journal_prefix, target_key
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.tickets import shared_key_ring
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.history import HISTORY_LENGTH, DataTestResults, Execution, Logic
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind
from dbt_state_oss.domain.submission import ExecutionType, NodeHashes, TargetKey
from dbt_state_oss.stores.database import FILE_NAME
from dbt_state_oss.stores.local import LocalStore

TARGET = TargetKey("host", '"shop"."prod"."orders"')
KEY = target_key(DEFAULT_ORGANIZATION, TARGET)
LOGIC = Logic("postgres", ExecutionType.FULL, Fingerprint(FingerprintKind.PARSED, "digest"), {})

Record = Callable[..., Awaitable[list[Acknowledged]]]


def build(number: int, *, failures: int | None = None) -> Execution:
    """The build that was confirmed at the epoch `number`."""
    results = None if failures is None else DataTestResults(failures, should_warn=False, should_error=False)
    return Execution(
        id=execution_id(TARGET, "build", str(number)),
        logic=LOGIC,
        inputs={},
        epoch=number,
        built_at=number,
        confirmed_at=number,
        decided_at=number,
        raw_digest="digest",
        lineage="lineage",
        node_id="model.shop.orders",
        resource_type="model",
        hashes=NodeHashes(),
        results=results,
    )


def acknowledged(number: int, *, epoch: int | None = None, failures: int | None = None) -> Acknowledged:
    return Acknowledged(build(number).id, epoch or number, failures, attempts=1)


@pytest.fixture
async def record(tmp_path: Path) -> Record:
    """Stores builds of one target as a server does; what it acknowledged."""

    async def record(*builds: Execution) -> list[Acknowledged]:
        store = await LocalStore.open(tmp_path)
        await shared_key_ring(store)
        ledger = Ledger(store, cache_bytes=0)
        for each in builds:
            await ledger.add(DEFAULT_ORGANIZATION, TARGET, each)
        await store.close()
        return [Acknowledged(each.id, each.epoch, None, attempts=1) for each in builds]

    return record


def damage(directory: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


async def test_a_whole_state_has_no_fault(record: Record, tmp_path: Path) -> None:
    assert faults_of(tmp_path, await record(build(1), build(2))) == []


async def test_executions_that_newer_ones_displaced_are_not_missed(record: Record, tmp_path: Path) -> None:
    assert faults_of(tmp_path, await record(*map(build, range(1, 2 * HISTORY_LENGTH)))) == []


async def test_an_execution_that_was_never_stored_is_missing(record: Record, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, [*await record(build(1)), acknowledged(2)])
    assert "build-2 is missing" in fault


async def test_a_new_execution_is_missing_even_in_a_full_history(record: Record, tmp_path: Path) -> None:
    known = await record(*map(build, range(1, 2 * HISTORY_LENGTH)))
    (fault,) = faults_of(tmp_path, [*known, acknowledged(2 * HISTORY_LENGTH)])
    assert f"build-{2 * HISTORY_LENGTH} is missing" in fault


async def test_a_raised_epoch_that_fell_back_is_seen(record: Record, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, [*await record(build(1)), acknowledged(1, epoch=5)])
    assert "has epoch 1, acknowledged was 5" in fault


async def test_a_data_test_without_its_results_is_seen(record: Record, tmp_path: Path) -> None:
    await record(build(1), build(2, failures=3))
    (fault,) = faults_of(tmp_path, [acknowledged(1, failures=3), acknowledged(2, failures=3)])
    assert "build-1 has lost its results" in fault


async def test_a_half_written_document_is_broken(record: Record, tmp_path: Path) -> None:
    await record(build(1))
    damage(tmp_path, "UPDATE documents SET data = substr(data, 1, 100) WHERE key = ?", KEY)
    (fault,) = faults_of(tmp_path, [])
    assert fault.startswith(f"{KEY} is broken")


async def test_a_document_under_the_key_of_another_is_broken(record: Record, tmp_path: Path) -> None:
    await record(build(1))
    damage(tmp_path, "UPDATE documents SET key = key || 'f' WHERE key = ?", KEY)
    (fault,) = faults_of(tmp_path, [])
    assert "tells of another target" in fault


async def test_a_document_that_a_server_has_set_aside_is_broken(record: Record, tmp_path: Path) -> None:
    await record(build(1))
    damage(tmp_path, "UPDATE documents SET key = ? WHERE key = ?", aside_key(KEY, b""), KEY)
    (fault,) = faults_of(tmp_path, [])
    assert "set aside" in fault


async def test_a_part_of_the_journal_that_is_not_whole_is_broken(record: Record, tmp_path: Path) -> None:
    known = await record(build(1))
    store = await LocalStore.open(tmp_path)
    journal = Journal(store, SystemClock())
    journal.note(Caller(DEFAULT_ORGANIZATION, "r", "s"), SAME, decide(SAME), execution_id="e")
    await journal.close()
    (key,) = [key async for key in store.list(journal_prefix(DEFAULT_ORGANIZATION))]
    await store.close()
    assert faults_of(tmp_path, known) == []
    for damaged in ('replace(data, \'"number":1\', \'"number":"1"\')', "substr(data, 1, 50)"):
        damage(tmp_path, f"UPDATE documents SET data = CAST({damaged} AS BLOB) WHERE key = ?", key)
        (fault,) = faults_of(tmp_path, known)
        assert fault.startswith(f"{key} is broken")


async def test_lost_ticket_keys_are_seen(record: Record, tmp_path: Path) -> None:
    await record(build(1))
    damage(tmp_path, "DELETE FROM documents WHERE key = ?", TICKET_KEYS)
    assert faults_of(tmp_path, []) == ["the ticket keys are gone"]


async def test_a_damaged_file_is_seen(record: Record, tmp_path: Path) -> None:
    await record(*map(build, range(1, HISTORY_LENGTH)))
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    assert any("damaged" in fault for fault in faults_of(tmp_path, []))
