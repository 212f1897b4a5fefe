"""A server process reduced to its store, as the tests start several of; run with a mode, a directory and a number.

count: add one to a shared number that many times. create: try to create that many keys, printing those won.
load: put without end from that many tasks, printing each key when it is acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from hashlib import sha256
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.stores.asking import increment, wins

from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.stores.local import LocalStore

COUNTER = "org/counter"
DOCUMENT_BYTES = 3000


def content(key: str) -> bytes:
    """What a load writes under `key`, so that whoever reads it can tell a whole document."""
    digest = sha256(key.encode()).digest()
    return digest * (DOCUMENT_BYTES // len(digest))


async def count_up(store: ObjectStore, times: int) -> None:
    for _ in range(times):
        await increment(store, COUNTER)


async def create(store: ObjectStore, keys: int) -> None:
    for number in range(keys):
        if await wins(store, key := f"org/{number:04d}", b"x"):
            acknowledge(key)


async def load(store: ObjectStore, tasks: int) -> None:
    async def put(task: int, run: str) -> None:
        for number in count():
            key = f"org/{run}/{task}/{number}"
            await store.put(key, content(key), expected=None)
            acknowledge(key)

    run = sys.argv[4]
    await asyncio.gather(*(put(task, run) for task in range(tasks)))


def acknowledge(key: str) -> None:
    sys.stdout.write(f"{key}\n")
    sys.stdout.flush()


async def main() -> None:
    mode, directory, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    store = await LocalStore.open(directory, lock_timeout=30)
    await {"count": count_up, "create": create, "load": load}[mode](store, number)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
