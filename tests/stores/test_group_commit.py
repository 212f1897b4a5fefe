"""Concurrent writes of the local store share a transaction, and fail each for itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.stores.asking import listed
from tests.stores.faults import directory_lock

from dbt_state_oss.errors import Conflict, StoreUnavailable
from dbt_state_oss.stores.database import Database
from dbt_state_oss.stores.group_commit import BATCH_BYTES, BATCH_CHANGES, QUEUE_LENGTH, GroupCommit
from dbt_state_oss.stores.local import LocalStore


@pytest.fixture
async def patient(directory: Path) -> AsyncIterator[LocalStore]:
    """A local store that waits for locks."""
    opened = await LocalStore.open(directory)
    yield opened
    await opened.close()


async def put_together(store: LocalStore, directory: Path, *, count: int, size: int = 100) -> list[object]:
    """The outcomes of puts that all wait while another process holds the lock."""
    with directory_lock(directory):
        puts = [asyncio.create_task(store.put(f"org/{n}", b"x" * size, expected=None)) for n in range(count)]
        await asyncio.sleep(0)
    return list(await asyncio.gather(*puts, return_exceptions=True))


async def test_puts_that_wait_together_are_committed_together(patient: LocalStore, directory: Path) -> None:
    """Two transactions at most: the first may have begun with the first put alone."""
    outcomes = await put_together(patient, directory, count=64)
    assert all(isinstance(outcome, str) for outcome in outcomes)
    assert patient.commits <= 2


async def test_a_put_alone_is_a_transaction(patient: LocalStore) -> None:
    for number in range(5):
        await patient.put(f"org/{number}", b"x", expected=None)
    assert patient.commits == 5


async def test_a_conflict_in_a_group_leaves_the_others_alone(patient: LocalStore, directory: Path) -> None:
    for number in range(0, 64, 2):
        await patient.put(f"org/{number}", b"first", expected=None)
    outcomes = await put_together(patient, directory, count=64)
    assert all(isinstance(outcome, Conflict) for outcome in outcomes[::2])
    assert all(isinstance(outcome, str) for outcome in outcomes[1::2])
    assert len(await listed(patient, "")) == 64


async def test_a_group_is_bounded_in_number(patient: LocalStore, directory: Path) -> None:
    await put_together(patient, directory, count=3 * BATCH_CHANGES)
    assert 3 <= patient.commits <= 4


async def test_a_group_is_bounded_in_bytes(patient: LocalStore, directory: Path) -> None:
    await put_together(patient, directory, count=8, size=BATCH_BYTES // 2)
    assert 4 <= patient.commits <= 5


async def test_more_puts_than_the_queue_holds_are_all_written(patient: LocalStore, directory: Path) -> None:
    await put_together(patient, directory, count=2 * QUEUE_LENGTH)
    assert len(await listed(patient, "")) == 2 * QUEUE_LENGTH


async def test_a_put_that_is_cancelled_while_it_waits_is_never_written(patient: LocalStore, directory: Path) -> None:
    with directory_lock(directory):
        put = asyncio.create_task(patient.put("org/cancelled", b"x", expected=None))
        await asyncio.sleep(0)
        put.cancel()
        await asyncio.wait([put])
    await patient.put("org/after", b"x", expected=None)
    assert await listed(patient, "") == ["org/after"]


async def test_places_in_the_queue_come_back_from_cancelled_puts(patient: LocalStore, directory: Path) -> None:
    with directory_lock(directory):
        puts = [asyncio.create_task(patient.put(f"org/{n}", b"x", expected=None)) for n in range(2 * QUEUE_LENGTH)]
        await asyncio.sleep(0)
        for put in puts:
            put.cancel()
        await asyncio.wait(puts)
    await put_together(patient, directory, count=2 * QUEUE_LENGTH)
    assert len(await listed(patient, "")) == 2 * QUEUE_LENGTH


async def test_what_was_queued_is_written_before_the_store_is_closed(patient: LocalStore, directory: Path) -> None:
    with directory_lock(directory):
        puts = [asyncio.create_task(patient.put(f"org/{n}", b"x", expected=None)) for n in range(QUEUE_LENGTH)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(patient.close())
        await asyncio.sleep(0)
    await asyncio.gather(closing, *puts)
    reopened = await LocalStore.open(directory)
    assert len(await listed(reopened, "")) == QUEUE_LENGTH
    await reopened.close()


def fail_half_way(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO documents (key, version, data) VALUES ('half', '1', 'x')")
    raise RuntimeError("a fault of the program")


async def test_an_unforeseen_fault_is_told_and_leaves_nothing_behind(patient: LocalStore, directory: Path) -> None:
    writer = GroupCommit(Database(directory))
    with pytest.raises(StoreUnavailable, match="a fault of the program"):
        await writer.run(fail_half_way, size=0)
    await patient.put("org/other", b"x", expected=None)
    assert await listed(patient, "") == ["org/other"]
    await writer.close()
