"""What the tests ask of any store, in one line each."""

from __future__ import annotations

from dbt_state_oss.application.ports import Document, ObjectStore
from dbt_state_oss.errors import Conflict


async def stored(store: ObjectStore, key: str) -> Document:
    """The document under `key`, which must be there."""
    document = await store.get(key)
    assert isinstance(document, Document)
    return document


async def listed(store: ObjectStore, prefix: str) -> list[str]:
    """Every key that is listed, as often as it is, in lexical order."""
    return sorted([key async for key in store.list(prefix)])


async def increment(store: ObjectStore, key: str) -> None:
    """Add one to the number under `key`, however often another writer comes first."""
    while True:
        document = await store.get(key)
        try:
            if isinstance(document, Document):
                await store.put(key, str(int(document.data) + 1).encode(), expected=document.version)
            else:
                await store.put(key, b"1", expected=None)
        except Conflict:
            continue
        return


async def add(store: ObjectStore, key: str, word: str) -> None:
    """Add a word to those under `key` if it is not there, however often another writer comes first."""
    while True:
        document = await store.get(key)
        words, version = (
            (document.data.decode().split(), document.version) if isinstance(document, Document) else ([], None)
        )
        if word in words:
            return
        try:
            await store.put(key, " ".join([*words, word]).encode(), expected=version)
        except Conflict:
            continue
        return


async def wins(store: ObjectStore, key: str, data: bytes) -> bool:
    """Whether this writer is the one who creates `key`."""
    try:
        await store.put(key, data, expected=None)
    except Conflict:
        return False
    return True
