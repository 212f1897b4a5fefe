"""The contract of `close`, and of documents that outlive it."""

from __future__ import annotations

import asyncio

import pytest
from tests.stores.asking import listed, stored
from tests.stores.backings import Backing

from dbt_state_oss.application.ports import Document, ObjectStore, Version
from dbt_state_oss.errors import StoreUnavailable

KEY = "org/namespace/0a1b"


async def test_a_closed_store_is_unavailable_to_every_method(store: ObjectStore) -> None:
    version = await store.put(KEY, b"one", expected=None)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get(KEY)
    with pytest.raises(StoreUnavailable):
        await store.put(KEY, b"two", expected=version)
    with pytest.raises(StoreUnavailable):
        await store.delete(KEY, expected=version)
    with pytest.raises(StoreUnavailable):
        await listed(store, "")


async def test_a_store_may_be_closed_twice(store: ObjectStore) -> None:
    await store.close()
    await store.close()


async def test_a_store_may_be_closed_by_two_tasks_at_once(store: ObjectStore) -> None:
    await asyncio.gather(store.close(), store.close())


async def test_a_listing_ends_with_an_error_when_the_store_is_closed(store: ObjectStore, many: int) -> None:
    await asyncio.gather(*(store.put(f"org/{number:04d}", b"x", expected=None) for number in range(many)))
    keys = store.list("")
    await anext(keys)
    await store.close()
    with pytest.raises(StoreUnavailable):
        [key async for key in keys]


async def test_closing_one_store_leaves_the_other_open(store: ObjectStore, other_store: ObjectStore) -> None:
    await other_store.put(KEY, b"one", expected=None)
    await store.close()
    assert (await stored(other_store, KEY)).data == b"one"


async def test_every_put_in_flight_at_close_is_either_written_or_refused(store: ObjectStore, backing: Backing) -> None:
    puts = [asyncio.create_task(store.put(f"org/{number}", b"x", expected=None)) for number in range(100)]
    await asyncio.sleep(0)
    await store.close()
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    reopened = await backing.open()
    for number, outcome in enumerate(outcomes):
        document = await reopened.get(f"org/{number}")
        if isinstance(outcome, str):
            assert document == Document(b"x", Version(outcome))
        else:
            assert isinstance(outcome, StoreUnavailable)
            assert document is None
    await reopened.close()


async def test_documents_outlive_the_store(store: ObjectStore, backing: Backing) -> None:
    version = await store.put(KEY, b"one", expected=None)
    await store.close()
    reopened = await backing.open()
    assert await reopened.get(KEY) == Document(b"one", version)
    await reopened.close()
