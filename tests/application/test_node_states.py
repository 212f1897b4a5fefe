"""How nodes look is kept in the background, for selection and deferral (rule W7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.application.conftest import HandClock
from tests.application.counting_store import CountingStore
from tests.domain.building import MART, MINUTE, SUBMISSION

from dbt_state_oss.application.codec import NodeEntry, decode_shard
from dbt_state_oss.application.keys import node_shard_key, nodes_prefix
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.application.ports import Document
from dbt_state_oss.domain.submission import Submission
from dbt_state_oss.stores.memory import MemoryStore

PREFIX = nodes_prefix("default", "prod", project_id="4711", project_name="shop")


def looking(**hashes: str) -> Submission:
    node = SUBMISSION.node
    return replace(SUBMISSION, node=replace(node, hashes=replace(node.hashes, **hashes)))


async def stored(store: MemoryStore, unique_id: str = SUBMISSION.node.unique_id) -> NodeEntry | None:
    document = await store.get(node_shard_key(PREFIX, unique_id))
    return decode_shard(document.data).nodes.get(unique_id) if isinstance(document, Document) else None


async def noted(store: MemoryStore, clock: HandClock, *submissions: Submission) -> None:
    states = NodeStates(store)
    for submission in submissions:
        states.note("default", submission, at=clock.time, reused=False)
    await states.close()
    await states.close()


async def test_a_node_is_kept_as_it_last_looked(store: MemoryStore, clock: HandClock) -> None:
    await noted(store, clock, looking())
    clock.time += MINUTE
    await noted(store, clock, looking(body="b2"))

    entry = await stored(store)
    assert entry is not None
    assert (entry.body, entry.configs, entry.relation, entry.seen_at) == ("b2", "c1", MART, clock.time)


async def test_an_older_look_that_is_written_late_does_not_win(store: MemoryStore, clock: HandClock) -> None:
    await noted(store, clock, looking(body="b2"))
    clock.time -= MINUTE
    await noted(store, clock, looking())

    entry = await stored(store)
    assert entry is not None
    assert entry.body == "b2"


async def test_the_store_is_not_asked_for_each_node_that_looks_as_it_did(clock: HandClock) -> None:
    store = CountingStore()
    states = NodeStates(store, pause_seconds=0)
    states.note("default", looking(), at=clock.time, reused=True)
    await states.all_nodes(PREFIX)
    reads = store.asked["get"]
    for _ in range(100):
        states.note("default", looking(), at=clock.time, reused=True)
        await asyncio.sleep(0)
    assert store.asked["get"] == reads
    states.note("default", looking(body="b2"), at=clock.time, reused=True)
    for _ in range(100):
        await asyncio.sleep(0)
    assert store.asked["get"] > reads
    await states.close()


async def test_a_node_that_seems_unchanged_is_written_if_another_process_saw_it_differently(clock: HandClock) -> None:
    store = MemoryStore()
    states = NodeStates(store)
    states.note("default", looking(), at=clock.time, reused=True)
    await states.all_nodes(PREFIX)
    clock.time += MINUTE
    await noted(store, clock, looking(body="b2"))
    clock.time += MINUTE
    states.note("default", looking(), at=clock.time, reused=True)
    assert (await states.all_nodes(PREFIX))[SUBMISSION.node.unique_id].body == SUBMISSION.node.hashes.body
    await states.close()


async def test_a_node_that_was_built_is_written_soon_though_this_process_knows_it_so(clock: HandClock) -> None:
    """Another process has written something else since; nobody asks this one to finish its notes."""
    store = MemoryStore()
    states = NodeStates(store, pause_seconds=0)
    states.note("default", looking(), at=clock.time, reused=False)
    await states.all_nodes(PREFIX)
    clock.time += MINUTE
    await noted(store, clock, looking(body="b2"))
    clock.time += MINUTE
    states.note("default", looking(), at=clock.time, reused=False)
    for _ in range(1000):
        await asyncio.sleep(0)
    entry = await stored(store)
    assert entry is not None
    assert entry.body == SUBMISSION.node.hashes.body
    await states.close()


async def test_an_untracked_node_is_not_kept(store: MemoryStore, clock: HandClock) -> None:
    await noted(store, clock, replace(SUBMISSION, node=replace(SUBMISSION.node, tracked=False)))

    assert await stored(store) is None


async def test_many_nodes_share_few_documents(store: MemoryStore, clock: HandClock) -> None:
    names = [f"model.shop.m{number}" for number in range(500)]
    await noted(store, clock, *(replace(SUBMISSION, node=replace(SUBMISSION.node, unique_id=name)) for name in names))

    keys = [key async for key in store.list("default/nodes/")]
    assert len(keys) <= 32
    assert all([await stored(store, name) is not None for name in names])


async def test_a_broken_shard_is_set_aside_and_written_anew(store: MemoryStore, clock: HandClock) -> None:
    key = node_shard_key(PREFIX, SUBMISSION.node.unique_id)
    await store.put(key, b"garbage", expected=None)

    await noted(store, clock, looking())

    assert await stored(store) is not None
    assert len([name async for name in store.list(f"{key}.broken-")]) == 1


async def test_what_could_not_be_written_is_written_later(clock: HandClock) -> None:
    gone = MemoryStore()
    await gone.close()
    states = NodeStates(gone)
    states.note("default", looking(), at=clock.time, reused=True)

    await states.close()  # gives up in peace: the node is noted again at its next submission
