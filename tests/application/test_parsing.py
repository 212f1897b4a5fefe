"""The pool of workers: it parses away from the event loop, and whatever happens to a worker costs a fall-back at most."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from multiprocessing import active_children
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.domain.coding import code

from dbt_state_oss.application.parsing import ParsingLimits, WorkerProcesses
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind
from dbt_state_oss.domain.sql.fingerprinting import fallback_fingerprint, fingerprint

pytestmark = pytest.mark.process

SLOW = "select 1 as a" + " union all select 1 as a" * 20_000
"""Takes seconds to parse."""
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def parser() -> AsyncIterator[WorkerProcesses]:
    parser = await warm(ParsingLimits(workers=1, parse_seconds=60, patience_seconds=60))
    yield parser
    await parser.close()


async def warm(limits: ParsingLimits) -> WorkerProcesses:
    """A pool whose workers have started."""
    parser = WorkerProcesses(limits)
    await asyncio.gather(*(parser.fingerprint(code(f"select {number}")) for number in range(100, 120)))
    return parser


def workers() -> list[int]:
    return [process.pid for process in active_children() if process.pid is not None]


async def busy_worker(running: asyncio.Task[Fingerprint]) -> int:
    """The worker that takes processor time, once there is one: it is in the middle of `running`."""
    before = {worker: clock_ticks(worker) for worker in workers()}
    while not running.done():
        for worker, ticks in before.items():
            if clock_ticks(worker) > ticks + 10:
                return worker
        await asyncio.sleep(0.02)
    raise AssertionError("the parse was over before its worker was found")


def clock_ticks(process: int) -> int:
    """Processor time of a process in its own code, in ticks of 10 ms."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


async def gone_from_workers(worker: int) -> bool:
    for _ in range(500):
        if worker not in workers():
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_worker_makes_the_same_fingerprint(parser: WorkerProcesses) -> None:
    asked = code("select * from s.v", views={"s.v": "select a from raw.t"}, target="s.me")

    assert await parser.fingerprint(asked) == fingerprint(asked)


async def test_a_worker_takes_the_deepest_nesting_that_is_let_through(parser: WorkerProcesses) -> None:
    for nested in ("(" * 99 + "1" + ")" * 99, "case when a then " * 99 + "1" + " end" * 99, "not " * 99 + "a"):
        assert (await parser.fingerprint(code(f"select {nested}"))).kind is FingerprintKind.PARSED


async def test_every_worker_has_started_once_the_pool_is_warm() -> None:
    parser = WorkerProcesses(ParsingLimits(workers=2))
    try:
        with capture_logs() as logs:
            await parser.warm(within_seconds=60)
        warm = workers()
        assert (await parser.fingerprint(code("select 1"))).kind is FingerprintKind.PARSED
        assert (len(warm), set(workers()), logs) == (2, set(warm), [])
    finally:
        await parser.close()


async def test_workers_that_start_too_slowly_are_told_of_and_start_all_the_same() -> None:
    parser = WorkerProcesses(ParsingLimits(workers=1))
    try:
        with capture_logs() as logs:
            await parser.warm(within_seconds=0)
        assert [line["event"] for line in logs] == ["parse_workers_not_ready"]
        assert (await parser.fingerprint(code("select 1"))).kind is FingerprintKind.PARSED
    finally:
        await parser.close()


async def test_workers_that_cannot_start_are_told_of(parser: WorkerProcesses) -> None:
    await parser.close()
    with capture_logs() as logs:
        await parser.warm(within_seconds=60)
    assert [(line["event"], line["cause"]) for line in logs] == [("parse_workers_not_ready", "RuntimeError: closed")]


async def test_equal_texts_asked_for_at_once_are_parsed_once(parser: WorkerProcesses) -> None:
    first, second = await asyncio.gather(*(parser.fingerprint(code("select 1")) for _ in range(2)))

    assert first is second
    assert await parser.fingerprint(code("select 1")) is first


async def test_the_oldest_fingerprints_are_forgotten() -> None:
    parser = WorkerProcesses(ParsingLimits(workers=1, remembered=2))
    try:
        first = await parser.fingerprint(code("select 1"))
        for sql in ("select 2", "select 3"):
            await parser.fingerprint(code(sql))
        again = await parser.fingerprint(code("select 1"))
    finally:
        await parser.close()

    assert again == first
    assert again is not first


async def test_the_event_loop_goes_on_during_a_parse(parser: WorkerProcesses) -> None:
    parsing = asyncio.create_task(parser.fingerprint(code(SLOW)))

    await busy_worker(parsing)

    assert not parsing.done()
    parsing.cancel()


async def test_a_parse_beyond_its_time_gets_the_fall_back_and_the_next_one_is_parsed() -> None:
    parser = await warm(ParsingLimits(workers=1, parse_seconds=0.2))
    try:
        slow = await parser.fingerprint(code(SLOW))
        quick = await parser.fingerprint(code("select 1"))
    finally:
        await parser.close()

    assert slow == fallback_fingerprint(code(SLOW))
    assert quick.kind is FingerprintKind.PARSED


async def test_a_request_that_waits_too_long_gets_the_fall_back() -> None:
    parser = await warm(ParsingLimits(workers=1, parse_seconds=60, patience_seconds=2))
    try:
        slow = asyncio.create_task(parser.fingerprint(code(SLOW)))
        await busy_worker(slow)
        behind = await parser.fingerprint(code("select 1"))
    finally:
        await parser.close()

    assert behind.kind is FingerprintKind.TEXT
    assert (await slow).kind is FingerprintKind.TEXT


async def test_a_text_too_many_gets_the_fall_back_at_once() -> None:
    parser = WorkerProcesses(ParsingLimits(workers=1, parse_seconds=60, patience_seconds=60, waiting=1))
    await parser.fingerprint(code("select 0"))
    slow = asyncio.create_task(parser.fingerprint(code(SLOW)))
    try:
        await busy_worker(slow)
        assert (await parser.fingerprint(code("select 1"))).kind is FingerprintKind.TEXT
    finally:
        await parser.close()

    assert (await slow).kind is FingerprintKind.TEXT


async def test_a_worker_killed_in_mid_parse_costs_a_fall_back_and_the_pool_goes_on(parser: WorkerProcesses) -> None:
    parsing = asyncio.create_task(parser.fingerprint(code(SLOW)))
    killed = await busy_worker(parsing)

    os.kill(killed, signal.SIGKILL)

    assert await parsing == fallback_fingerprint(code(SLOW))
    assert (await parser.fingerprint(code("select 1"))).kind is FingerprintKind.PARSED
    assert killed not in workers()


async def test_a_worker_killed_while_idle_is_replaced(parser: WorkerProcesses) -> None:
    await parser.fingerprint(code("select 1"))
    (killed,) = workers()

    os.kill(killed, signal.SIGKILL)
    assert await gone_from_workers(killed)
    kinds = [(await parser.fingerprint(code(f"select {number}"))).kind for number in range(2, 5)]

    assert kinds[-1] is FingerprintKind.PARSED


async def test_one_who_gives_up_does_not_take_the_parse_from_others(parser: WorkerProcesses) -> None:
    leaving, staying = (asyncio.create_task(parser.fingerprint(code("select 1"))) for _ in range(2))
    await asyncio.sleep(0)

    leaving.cancel()

    assert (await staying).kind is FingerprintKind.PARSED


async def test_closing_ends_the_workers_and_the_waiting_and_may_be_done_twice() -> None:
    parser = await warm(ParsingLimits(workers=2, parse_seconds=60, patience_seconds=60))
    parsing = asyncio.create_task(parser.fingerprint(code(SLOW)))
    await busy_worker(parsing)

    await parser.close()
    await parser.close()

    assert (await parsing).kind is FingerprintKind.TEXT
    assert workers() == []
    assert (await parser.fingerprint(code("select 1"))).kind is FingerprintKind.TEXT


STOP_DURING_THE_START = """
import asyncio, multiprocessing
from dbt_state_oss.application.parsing import ParsingLimits, WorkerProcesses
from tests.domain.coding import code

async def main():
    parser = WorkerProcesses(ParsingLimits(workers=2))
    warming = asyncio.create_task(parser.warm(within_seconds=60))
    while not multiprocessing.active_children():
        await asyncio.sleep(0.01)
    warming.cancel()
    await parser.close()

if __name__ == "__main__":
    asyncio.run(main())
"""
SLOW_TO_START = """
import signal, sys, time
if "--multiprocessing-fork" in sys.orig_argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as if the signal came too late
    time.sleep(0.5)
"""


def test_workers_that_start_while_the_pool_stops_print_nothing(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(STOP_DURING_THE_START)
    (tmp_path / "sitecustomize.py").write_text(SLOW_TO_START)

    stopped = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (0, "", "")


SERVE = """
import asyncio, multiprocessing, signal
from dbt_state_oss.application.parsing import ParsingLimits, WorkerProcesses
from tests.domain.coding import code

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    parser = WorkerProcesses(ParsingLimits(workers=1))
    await parser.fingerprint(code("select 1"))
    print(multiprocessing.active_children()[0].pid, flush=True)
    await asyncio.to_thread(input)
    found = await parser.fingerprint(code("create table s.t as execute p"))
    found = await parser.fingerprint(code("select 2"))
    print(found.kind.value, multiprocessing.active_children()[0].pid, flush=True)
    await parser.close()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def server(tmp_path: Path) -> subprocess.Popen[str]:
    """A process group of its own with a parent and one worker; its first line is the worker's id."""
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    return subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_signals_to_the_servers_group_leave_the_workers_alone_and_nothing_is_printed(
    server: subprocess.Popen[str],
) -> None:
    assert server.stdout is not None
    worker = int(server.stdout.readline())

    os.killpg(server.pid, signal.SIGINT)
    os.killpg(server.pid, signal.SIGTERM)
    output, errors = server.communicate("\n", timeout=60)

    assert (server.returncode, output, errors) == (0, f"parsed {worker}\n", "")


def test_workers_end_with_a_parent_that_is_killed(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    worker = Path(f"/proc/{int(server.stdout.readline())}")

    server.kill()
    server.communicate(timeout=60)

    assert gone(worker)


def gone(process: Path) -> bool:
    """Wait until the process has ended; an orphan may stay as a zombie where nobody reaps it."""
    for _ in range(500):
        try:
            if process.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        subprocess.run(["sleep", "0.02"], check=True)
    return False
