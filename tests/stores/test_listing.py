"""The contract of `list`: order, prefixes, pages."""

from __future__ import annotations

import asyncio

import pytest
from tests.stores.asking import listed, stored

from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.errors import InvalidRequest


async def fill(store: ObjectStore, *keys: str) -> None:
    await asyncio.gather(*(store.put(key, b"x", expected=None) for key in keys))


async def test_an_empty_store_lists_nothing(store: ObjectStore) -> None:
    assert await listed(store, "") == []


async def test_every_key_is_listed(store: ObjectStore) -> None:
    keys = ["b", "a", "Z", "a/b", "a-b", "a=b", "a.b", "a_b", "a0", "10", "9", "zz"]
    for key in keys:  # a server with folders may refuse a document and one below it that come at once
        await store.put(key, b"x", expected=None)
    assert await listed(store, "") == sorted(keys)


async def test_only_keys_with_the_prefix_are_listed(store: ObjectStore) -> None:
    await fill(store, "org/a/1", "org/a/2", "org/ab/3", "org/b/4", "orga", "other/a/1")
    assert await listed(store, "org/a/") == ["org/a/1", "org/a/2"]
    assert await listed(store, "org/a") == ["org/a/1", "org/a/2", "org/ab/3"]
    assert await listed(store, "org/c") == []


async def test_a_key_is_a_prefix_of_itself(store: ObjectStore) -> None:
    await fill(store, "org/a", "org/b")
    assert await listed(store, "org/a") == ["org/a"]


async def test_characters_that_patterns_use_mean_themselves(store: ObjectStore) -> None:
    await fill(store, "a_c/1", "abc/1", "a.c/1")
    assert await listed(store, "a_c") == ["a_c/1"]
    assert await listed(store, "a.c") == ["a.c/1"]


@pytest.mark.parametrize("prefix", ["a b", "ä", "a%", "a*", "a\x00", "k" * 513])
async def test_a_prefix_outside_the_alphabet_is_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(InvalidRequest):
        await listed(store, prefix)


async def test_keys_of_several_pages_are_listed_each_once(store: ObjectStore, many: int) -> None:
    keys = [f"org/{number:04d}" for number in range(many)]
    await fill(store, "before", *keys, "other")
    assert await listed(store, "org/") == keys


async def test_keys_that_begin_with_one_another_are_listed_each_once(store: ObjectStore) -> None:
    keys = ["-" * length for length in range(1, 201)]
    await fill(store, *keys)
    assert await listed(store, "") == keys


async def test_what_stays_is_listed_once_while_others_write(
    store: ObjectStore, other_store: ObjectStore, many: int
) -> None:
    staying = [f"org/{number:04d}" for number in range(0, 2 * many, 2)]
    leaving = [f"org/{number:04d}-leaving" for number in range(0, 2 * many, 20)]
    await fill(store, *staying, *leaving)
    found = []
    async for key in store.list("org/"):
        found.append(key)
        if len(found) % 100 == 1:
            position = len(found)
            await other_store.put(f"org/{position:04d}-coming", b"x", expected=None)
            gone = leaving[position // 100]
            await other_store.delete(gone, expected=(await stored(other_store, gone)).version)
    assert len(found) == len(set(found))
    assert set(staying) <= set(found)


async def test_a_listing_may_be_left_before_its_end(store: ObjectStore, many: int) -> None:
    await fill(store, *(f"org/{number:04d}" for number in range(many)))
    async for key in store.list("org/"):
        assert key.startswith("org/")
        break
    assert (await stored(store, f"org/{many - 1:04d}")).data == b"x"
