"""The local store under several real processes: races, reads across, deaths in mid-write."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.stores.asking import listed, stored
from tests.stores.writer_process import COUNTER, content

from dbt_state_oss.stores.database import FILE_NAME
from dbt_state_oss.stores.local import LocalStore

pytestmark = pytest.mark.process

PROGRAM = Path(__file__).with_name("writer_process.py")
PROCESSES = 4
KILLS = 20

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(directory: Path) -> AsyncIterator[Start]:
    """Starts writer processes on the directory; whichever still runs at the end is killed."""
    started: list[Process] = []

    async def start(mode: str, number: int, *more: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, mode, directory, str(number), *more, stdout=PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def finished(process: Process) -> list[str]:
    """The lines that the process printed, once it has ended well."""
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().split()


async def test_no_increment_of_several_processes_on_a_new_directory_is_lost(start: Start, directory: Path) -> None:
    processes = await asyncio.gather(*(start("count", 50) for _ in range(PROCESSES)))
    await asyncio.gather(*map(finished, processes))
    store = await LocalStore.open(directory)
    assert (await stored(store, COUNTER)).data == b"%d" % (50 * PROCESSES)
    await store.close()


async def test_each_key_is_created_by_one_of_several_processes(start: Start, local: LocalStore) -> None:
    processes = await asyncio.gather(*(start("create", 100) for _ in range(PROCESSES)))
    won = await asyncio.gather(*map(finished, processes))
    assert sorted(key for keys in won for key in keys) == await listed(local, "org/")
    assert len(await listed(local, "org/")) == 100


async def test_what_a_process_acknowledged_another_reads_at_once(start: Start, local: LocalStore) -> None:
    process = await start("load", 4, "run")
    assert process.stdout is not None
    for _ in range(100):
        key = (await process.stdout.readline()).decode().strip()
        assert (await stored(local, key)).data == content(key)


async def test_a_killed_process_loses_nothing_that_it_acknowledged(start: Start, directory: Path) -> None:
    """One process after the other dies by SIGKILL in mid-load; between them, and at the end, all is there and sound."""
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        process = await start("load", 16, str(kill))
        assert process.stdout is not None
        for _ in range(random.randint(1, 400)):
            acknowledged.add((await process.stdout.readline()).decode().strip())
        process.kill()
        rest, _ = await process.communicate()
        acknowledged.update(rest.decode().split())
        store = await LocalStore.open(directory)
        assert acknowledged <= set(await listed(store, "org/"))
        await store.close()
    store = await LocalStore.open(directory)
    for key in await listed(store, "org/"):
        assert (await stored(store, key)).data == content(key)
    await store.close()
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_survivor_goes_on_when_the_process_beside_it_is_killed(start: Start, local: LocalStore) -> None:
    for kill in range(5):
        process = await start("load", 16, str(kill))
        assert process.stdout is not None
        last = (await process.stdout.readline()).decode().strip()
        process.kill()
        await process.communicate()
        assert (await stored(local, last)).data == content(last)
        await local.put(f"survivor/{kill}", b"x", expected=None)
