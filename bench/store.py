"""What a read and a durable write of the local store cost, in microseconds and as ratios within the run.

Run with the directory to measure in, by default one beside this file: a directory in memory would show no disk.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from dbt_state_oss.application.ports import Version
from dbt_state_oss.stores.local import LocalStore

DOCUMENT = os.urandom(8000)
DOCUMENTS = 1000
WRITERS = 64


async def microseconds(call: Callable[[int], Awaitable[object]], times: int) -> float:
    """Median time of one call."""
    taken = []
    for number in range(times):
        start = perf_counter()
        await call(number)
        taken.append(perf_counter() - start)
    return median(taken) * 1e6


async def measure(store: LocalStore, directory: Path) -> None:
    versions: dict[str, Version] = {}

    def key(number: int) -> str:
        return f"org/namespace/{number % DOCUMENTS:064d}"

    async def put(number: int) -> None:
        name = key(number)
        versions[name] = await store.put(name, DOCUMENT, expected=versions.get(name))

    async def bare_sync(_: int) -> None:
        os.write(descriptor, DOCUMENT)
        os.fdatasync(descriptor)

    await asyncio.gather(*(put(number) for number in range(DOCUMENTS)))
    before = store.commits
    crowd = await microseconds(lambda _: asyncio.gather(*map(put, range(WRITERS))), 50)
    grouped = 50 * WRITERS / (store.commits - before)
    alone = await microseconds(put, 300)
    descriptor = os.open(directory / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    sync = await microseconds(bare_sync, 300)
    os.close(descriptor)
    read = await microseconds(lambda number: store.get(key(number)), 3000)
    unchanged = await microseconds(lambda number: store.get(key(number), unless=versions[key(number)]), 3000)

    print(f"get, {len(DOCUMENT)} bytes              {read:8.1f} µs")
    print(f"get, unchanged               {unchanged:8.1f} µs  {unchanged / read:6.2f} of a get")
    print(f"append and sync of a file    {sync:8.1f} µs")
    print(f"put, one writer              {alone:8.1f} µs  {alone / sync:6.2f} of a bare sync")
    print(
        f"{WRITERS} puts at once, each       {crowd / WRITERS:8.1f} µs  {crowd / WRITERS / alone:6.2f} of a put alone"
    )
    print(f"puts in a transaction        {grouped:8.1f}")


async def main() -> None:
    beside = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent
    with tempfile.TemporaryDirectory(dir=beside, prefix=".bench-") as name:
        store = await LocalStore.open(Path(name))
        await measure(store, Path(name))
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
