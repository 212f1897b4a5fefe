"""The contract under concurrency: writers that race, writers that are cancelled, several stores on one backing."""

from __future__ import annotations

import asyncio

import pytest
from tests.stores.asking import increment, listed, stored, wins
from tests.stores.backings import Backing

from dbt_state_oss.application.ports import Document, ObjectStore, Version
from dbt_state_oss.errors import Conflict

KEY = "org/namespace/0a1b"


async def test_one_of_sixteen_creators_wins(store: ObjectStore, other_store: ObjectStore) -> None:
    for attempt in range(10):
        key = f"org/{attempt}"
        writers = [(store, other_store)[number % 2] for number in range(16)]
        won = await asyncio.gather(*(wins(writer, key, b"%d" % number) for number, writer in enumerate(writers)))
        assert sum(won) == 1
        assert (await stored(store, key)).data == b"%d" % won.index(True)


async def test_one_of_sixteen_updaters_wins(store: ObjectStore, other_store: ObjectStore) -> None:
    version = await store.put(KEY, b"first", expected=None)
    outcomes = await asyncio.gather(
        *((store, other_store)[number % 2].put(KEY, b"%d" % number, expected=version) for number in range(16)),
        return_exceptions=True,
    )
    versions = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(versions) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 15
    assert await store.get(KEY) == Document(b"%d" % outcomes.index(versions[0]), versions[0])


async def test_a_delete_and_an_update_never_both_win(store: ObjectStore, other_store: ObjectStore) -> None:
    for attempt in range(20):
        key = f"org/{attempt}"
        version = await store.put(key, b"first", expected=None)
        deleted, updated = await asyncio.gather(
            store.delete(key, expected=version),
            other_store.put(key, b"second", expected=version),
            return_exceptions=True,
        )
        assert isinstance(deleted, Conflict) != isinstance(updated, Conflict)
        assert (await store.get(key) is None) == isinstance(updated, Conflict)


async def test_no_increment_of_many_writers_is_lost(
    store: ObjectStore, other_store: ObjectStore, backing: Backing
) -> None:
    async def writer(on: ObjectStore) -> None:
        for _ in range(backing.rounds):
            await increment(on, KEY)

    await asyncio.gather(*(writer(on) for on in (store, other_store) for _ in range(8)))
    assert (await stored(store, KEY)).data == b"%d" % (16 * backing.rounds)


async def test_what_one_store_wrote_the_other_sees_at_once(store: ObjectStore, other_store: ObjectStore) -> None:
    version = await store.put(KEY, b"0", expected=None)
    for number in range(1, 50):
        assert (await stored(other_store, KEY)).version == version
        version = await other_store.put(KEY, b"%d" % number, expected=version)
        assert await store.get(KEY) == Document(b"%d" % number, version)
    await store.delete(KEY, expected=version)
    assert await other_store.get(KEY, unless=version) is None
    assert await listed(other_store, "") == []


async def test_a_cancelled_put_has_happened_wholly_or_not_at_all(store: ObjectStore) -> None:
    version = await store.put(KEY, b"old" * 1000, expected=None)
    for turns in range(100):
        new = b"%d" % turns * 1000
        put = asyncio.create_task(store.put(KEY, new, expected=version))
        for _ in range(turns % 10):
            await asyncio.sleep(0)
        put.cancel()
        await asyncio.wait([put])
        version = await overwritten(store, KEY, allowed={b"old" * 1000, new})


async def overwritten(store: ObjectStore, key: str, *, allowed: set[bytes]) -> Version:
    """Put the old content back over whatever is there, which must be one of `allowed`; the new version."""
    while True:
        document = await stored(store, key)
        assert document.data in allowed
        try:
            return await store.put(key, b"old" * 1000, expected=document.version)
        except Conflict:
            continue


async def test_a_cancelled_put_leaves_those_beside_it_alone(store: ObjectStore) -> None:
    puts = [asyncio.create_task(store.put(f"org/{number}", b"x", expected=None)) for number in range(64)]
    await asyncio.sleep(0)
    for put in puts[::2]:
        put.cancel()
    done = await asyncio.gather(*puts, return_exceptions=True)
    for number in range(1, 64, 2):
        assert (await stored(store, f"org/{number}")).version == done[number]


async def test_a_get_may_be_cancelled(store: ObjectStore) -> None:
    await store.put(KEY, b"x" * (1 << 20), expected=None)
    get = asyncio.create_task(store.get(KEY))
    await asyncio.sleep(0)
    get.cancel()
    with pytest.raises(asyncio.CancelledError):
        await get
    assert (await stored(store, KEY)).data == b"x" * (1 << 20)
