"""Documents in a store that others write to as well: what is asked of it, and that no change is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.application.counting_store import CountingStore

from dbt_state_oss.application.codec import BrokenDocument
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.keys import aside_key
from dbt_state_oss.application.ports import Document
from dbt_state_oss.errors import StoreUnavailable
from dbt_state_oss.stores.memory import MemoryStore

KEY = "org/targets/namespace/0a1b"


def decode(data: bytes) -> frozenset[str]:
    if data.startswith(b"!"):
        raise BrokenDocument("it begins with !")
    return frozenset(data.decode().split())


def encode(words: frozenset[str]) -> bytes:
    return " ".join(sorted(words)).encode()


def cache(store: MemoryStore, *, cache_bytes: int = 1_000_000) -> DocumentCache[frozenset[str]]:
    return DocumentCache(store, decode=decode, encode=encode, cache_bytes=cache_bytes)


def adding(*words: str) -> Callable[[frozenset[str] | None], frozenset[str] | None]:
    """A change that adds words, and is none where all are there."""

    def change(known: frozenset[str] | None) -> frozenset[str] | None:
        known = known or frozenset()
        return None if known.issuperset(words) else known.union(words)

    return change


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


async def test_an_update_of_what_was_read_is_one_put(store: CountingStore) -> None:
    documents = cache(store)
    assert await documents.read(KEY) is None
    await documents.update(KEY, adding("one"))
    await documents.update(KEY, adding("two"))
    assert store.asked == {"get": 1, "put": 2}
    assert await documents.read(KEY) == frozenset({"one", "two"})


async def test_an_update_of_what_was_never_read_reads_first(store: CountingStore) -> None:
    await cache(store).update(KEY, adding("one"))
    await cache(store).update(KEY, adding("two"))
    assert store.asked == {"get": 2, "put": 2}
    assert await cache(store).read(KEY) == frozenset({"one", "two"})


async def test_changes_that_come_together_are_written_together(store: CountingStore) -> None:
    documents = cache(store)
    await asyncio.gather(*(documents.update(KEY, adding(str(number))) for number in range(50)))
    assert store.asked["put"] <= 2
    assert await documents.read(KEY) == frozenset({str(number) for number in range(50)})


async def test_what_another_process_wrote_meanwhile_is_not_lost(store: CountingStore) -> None:
    one, other = cache(store), cache(MemoryStore(sharing=store))
    await one.update(KEY, adding("one"))
    await other.update(KEY, adding("other"))
    await one.update(KEY, adding("two"))
    assert await other.read(KEY) == frozenset({"one", "other", "two"})


async def test_what_another_process_deleted_is_made_anew(store: CountingStore) -> None:
    one, other = cache(store), cache(MemoryStore(sharing=store))
    await one.update(KEY, adding("one"))
    assert await other.delete(KEY)
    await one.update(KEY, adding("two"))
    assert await other.read(KEY) == frozenset({"two"})


async def test_a_change_that_seems_to_be_none_is_held_against_what_is_there_now(store: CountingStore) -> None:
    one, other = cache(store), cache(MemoryStore(sharing=store))
    await one.update(KEY, adding("one"))
    await other.update(KEY, lambda _: frozenset({"other"}))
    await one.update(KEY, adding("one"))
    assert await other.read(KEY) == frozenset({"one", "other"})
    puts = store.asked["put"]
    await one.update(KEY, adding("one"))
    assert store.asked["put"] == puts


async def test_many_processes_lose_no_change(store: CountingStore) -> None:
    processes = [cache(MemoryStore(sharing=store)) for _ in range(4)]
    await asyncio.gather(
        *(
            processes[number % 4].update(f"{KEY}{number % 3}", adding(f"{number}.{time}"))
            for number in range(12)
            for time in range(5)
        )
    )
    found = [await cache(store).read(f"{KEY}{number}") for number in range(3)]
    assert frozenset().union(*(words or () for words in found)) == {f"{n}.{t}" for n in range(12) for t in range(5)}


async def test_who_gives_up_does_not_disturb_those_beside_him(store: CountingStore) -> None:
    documents = cache(store)
    updates = [asyncio.create_task(documents.update(KEY, adding(str(number)))) for number in range(10)]
    await asyncio.sleep(0)
    updates[0].cancel()
    updates[5].cancel()
    outcomes = await asyncio.gather(*updates, return_exceptions=True)
    assert [outcome for outcome in outcomes if outcome is not None] == [outcomes[0], outcomes[5]]
    assert (await documents.read(KEY) or frozenset()) >= {str(number) for number in range(10) if number not in (0, 5)}


async def test_everybody_who_waits_hears_of_a_failure_and_the_next_change_is_made(store: CountingStore) -> None:
    documents = cache(store)
    await documents.update(KEY, adding("one"))
    await store.close()
    outcomes = await asyncio.gather(
        *(documents.update(KEY, adding(str(number))) for number in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3


async def test_a_broken_document_is_set_aside_before_it_is_replaced(store: CountingStore) -> None:
    await store.put(KEY, b"!broken", expected=None)
    documents = cache(store)
    assert await documents.read(KEY) is None
    await documents.update(KEY, adding("one"))
    assert await documents.read(KEY) == frozenset({"one"})
    aside = await store.get(aside_key(KEY, b"!broken"))
    assert isinstance(aside, Document)
    assert aside.data == b"!broken"


async def test_a_cache_without_room_still_serves(store: CountingStore) -> None:
    documents = cache(store, cache_bytes=0)
    await documents.update(KEY, adding("one"))
    await documents.update(KEY, adding("two"))
    assert await documents.read(KEY) == frozenset({"one", "two"})
