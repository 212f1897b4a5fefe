"""The contract of single documents: get, put, delete, versions, keys."""

from __future__ import annotations

import random

import pytest
from tests.stores.asking import listed, stored

from dbt_state_oss.application.ports import UNCHANGED, Document, ObjectStore, Version
from dbt_state_oss.errors import Conflict, InvalidRequest

KEY = "org/namespace/0a1b"
FOREIGN = Version("0")


async def test_an_absent_document_is_none(store: ObjectStore) -> None:
    assert await store.get(KEY) is None


async def test_an_absent_document_is_none_whatever_version_is_known(store: ObjectStore) -> None:
    assert await store.get(KEY, unless=FOREIGN) is None


async def test_what_was_put_is_got(store: ObjectStore) -> None:
    version = await store.put(KEY, b"one", expected=None)
    assert await store.get(KEY) == Document(b"one", version)


async def test_an_update_replaces_the_whole_document(store: ObjectStore) -> None:
    first = await store.put(KEY, b"a long text", expected=None)
    second = await store.put(KEY, b"short", expected=first)
    assert await store.get(KEY) == Document(b"short", second)


async def test_a_get_answers_unchanged_while_the_version_is_the_named_one(store: ObjectStore) -> None:
    version = await store.put(KEY, b"one", expected=None)
    assert await store.get(KEY, unless=version) is UNCHANGED


async def test_a_get_answers_the_document_once_the_version_has_moved_on(store: ObjectStore) -> None:
    first = await store.put(KEY, b"one", expected=None)
    second = await store.put(KEY, b"two", expected=first)
    assert await store.get(KEY, unless=first) == Document(b"two", second)


async def test_the_same_bytes_put_again_are_a_new_version(store: ObjectStore) -> None:
    first = await store.put(KEY, b"one", expected=None)
    assert await store.put(KEY, b"one", expected=first) != first


async def test_a_create_conflicts_with_a_document_that_is_there(store: ObjectStore) -> None:
    version = await store.put(KEY, b"one", expected=None)
    with pytest.raises(Conflict):
        await store.put(KEY, b"two", expected=None)
    assert await store.get(KEY) == Document(b"one", version)


async def test_an_update_with_a_stale_version_conflicts(store: ObjectStore) -> None:
    first = await store.put(KEY, b"one", expected=None)
    second = await store.put(KEY, b"two", expected=first)
    with pytest.raises(Conflict):
        await store.put(KEY, b"three", expected=first)
    assert await store.get(KEY) == Document(b"two", second)


async def test_an_update_of_an_absent_document_conflicts(store: ObjectStore) -> None:
    with pytest.raises(Conflict):
        await store.put(KEY, b"one", expected=FOREIGN)
    assert await store.get(KEY) is None


async def test_a_version_of_another_key_is_of_no_use(store: ObjectStore) -> None:
    await store.put(KEY, b"one", expected=None)
    other = await store.put("org/other", b"one", expected=None)
    with pytest.raises(Conflict):
        await store.put(KEY, b"two", expected=other)


async def test_a_deleted_document_is_gone(store: ObjectStore) -> None:
    await store.delete(KEY, expected=await store.put(KEY, b"one", expected=None))
    assert await store.get(KEY) is None
    assert await listed(store, "") == []


async def test_a_delete_with_a_stale_version_conflicts(store: ObjectStore) -> None:
    first = await store.put(KEY, b"one", expected=None)
    second = await store.put(KEY, b"two", expected=first)
    with pytest.raises(Conflict):
        await store.delete(KEY, expected=first)
    assert await store.get(KEY) == Document(b"two", second)


async def test_a_second_delete_conflicts(store: ObjectStore) -> None:
    version = await store.put(KEY, b"one", expected=None)
    await store.delete(KEY, expected=version)
    with pytest.raises(Conflict):
        await store.delete(KEY, expected=version)


async def test_a_deleted_document_can_be_created_again_but_not_updated(store: ObjectStore) -> None:
    version = await store.put(KEY, b"one", expected=None)
    await store.delete(KEY, expected=version)
    with pytest.raises(Conflict):
        await store.put(KEY, b"two", expected=version)
    await store.put(KEY, b"two", expected=None)
    assert (await stored(store, KEY)).data == b"two"


async def test_no_version_ever_comes_back(store: ObjectStore) -> None:
    seen = set()
    for _ in range(50):
        version = await store.put(KEY, b"same", expected=None)
        seen.add(version)
        seen.add(last := await store.put(KEY, b"same", expected=version))
        await store.delete(KEY, expected=last)
    assert len(seen) == 100


async def test_no_version_comes_back_from_another_store(store: ObjectStore, other_store: ObjectStore) -> None:
    first = await store.put(KEY, b"one", expected=None)
    second = await other_store.put(KEY, b"two", expected=first)
    assert await store.get(KEY, unless=first) == Document(b"two", second)


async def test_an_empty_document_is_a_document(store: ObjectStore) -> None:
    version = await store.put(KEY, b"", expected=None)
    assert await store.get(KEY) == Document(b"", version)
    assert await store.get(KEY, unless=version) is UNCHANGED


async def test_every_byte_survives(store: ObjectStore) -> None:
    data = bytes(range(256)) + b"\x00\xff\r\n" * 100
    await store.put(KEY, data, expected=None)
    assert (await stored(store, KEY)).data == data


@pytest.mark.parametrize("size", [256 << 10, (256 << 10) + 1, 8 << 20])
async def test_a_large_document_is_kept_whole(store: ObjectStore, size: int) -> None:
    data = random.Random(size).randbytes(size)
    version = await store.put(KEY, data, expected=None)
    assert await store.get(KEY) == Document(data, version)
    assert await store.get(KEY, unless=version) is UNCHANGED
    assert await store.get(KEY, unless=FOREIGN) == Document(data, version)


@pytest.mark.parametrize(
    "key",
    ["a", "org/ns/0f", "A-Z_a.z=0", "k" * 200, "/".join(["k" * 127] * 4), "a/b/c/d/e", "..a", "a./b", "-"],
)
async def test_an_allowed_key_is_taken(store: ObjectStore, key: str) -> None:
    await store.put(key, b"one", expected=None)
    assert await listed(store, "") == [key]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/.",
        "a b",
        "a\n",
        "ä",
        "a%b",
        "a\x00b",
        "a:b",
        "a\\b",
        "k" * 201,
        "/".join(["k" * 128] * 4),
    ],
)
async def test_a_key_outside_the_alphabet_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidRequest):
        await store.get(key)
    with pytest.raises(InvalidRequest):
        await store.put(key, b"one", expected=None)
    with pytest.raises(InvalidRequest):
        await store.delete(key, expected=FOREIGN)
    assert await listed(store, "") == []


async def test_keys_differ_by_case(store: ObjectStore) -> None:
    await store.put("org/A", b"upper", expected=None)
    await store.put("org/a", b"lower", expected=None)
    assert (await stored(store, "org/A")).data == b"upper"


async def test_a_document_may_lie_below_another_ones_key(store: ObjectStore) -> None:
    await store.put("org", b"above", expected=None)
    await store.put("org/below", b"below", expected=None)
    assert (await stored(store, "org")).data == b"above"
