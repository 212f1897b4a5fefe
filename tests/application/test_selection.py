"""Selection from what is on record: reads, projects, replicas, and what happens without a record
(decision-rules: Selection and deferral)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.counting_store import CountingStore
from tests.domain.building import HASHES, SUBMISSION

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.keys import NODE_SHARDS
from dbt_state_oss.application.ports import Version
from dbt_state_oss.application.select_nodes import Selection
from dbt_state_oss.domain.selection import Criterion, NodeLook
from dbt_state_oss.domain.submission import Submission
from dbt_state_oss.errors import InvalidRequest, NothingRecorded, StoreError, StoreReadOnly
from dbt_state_oss.stores.memory import MemoryStore

LOOK = NodeLook(HASHES, "shop.prod.mart")
MART = SUBMISSION.node.unique_id


def asking(criterion: Criterion, *nodes: str, project: str = "4711", target: str = "prod") -> Selection:
    return Selection(criterion, project, target, dict.fromkeys(nodes or [MART], LOOK))


Select = Callable[[Caller, Selection], Awaitable[list[str]]]


def of_node(unique_id: str = MART, *, project: str = "4711", body: str = "b1") -> Submission:
    hashes = replace(HASHES, body=body)
    node = replace(
        SUBMISSION.node, unique_id=unique_id, project_id=project, hashes=hashes, representation="shop.prod.mart"
    )
    return replace(SUBMISSION, node=node)


@pytest.fixture
def select(inside: Inside) -> Select:
    return inside.select_nodes


async def test_what_was_just_submitted_is_seen_at_once(inside: Inside, select: Select, caller: Caller) -> None:
    await inside.submit(caller, of_node(body="b2"))
    assert await select(caller, asking(Criterion.MODIFIED)) == [MART]
    await inside.submit(caller, of_node())
    assert await select(caller, asking(Criterion.MODIFIED)) == []


async def test_what_another_replica_wrote_is_seen(
    store: MemoryStore, clock: HandClock, inside: Inside, select: Select, caller: Caller
) -> None:
    other = Inside(MemoryStore(sharing=store), clock)
    for body, modified in (("b1", []), ("b2", [MART]), ("b1", [])):
        clock.time += 1000
        replica = other if body == "b2" else inside
        replica.node_states.note("default", of_node(body=body), at=inside.clock.time, reused=False)
        assert await replica.select_nodes(caller, asking(Criterion.BODY)) == modified
        assert await select(caller, asking(Criterion.BODY)) == modified
    await other.node_states.close()


async def test_ten_thousand_nodes_cost_a_read_for_each_shard_and_unchanged_ones_no_write(
    clock: HandClock, caller: Caller
) -> None:
    store = CountingStore()
    inside = Inside(store, clock)
    names = [f"model.shop.m{number}" for number in range(10_000)]
    select = inside.select_nodes
    for name in names:
        inside.node_states.note("default", of_node(name, body="b2"), at=inside.clock.time, reused=False)
    assert await select(caller, asking(Criterion.MODIFIED, *names)) == names

    store.asked.clear()
    assert await select(caller, asking(Criterion.OLD, *names)) == names
    assert store.asked["get"] == NODE_SHARDS
    clock.time += 1000
    for name in names:
        inside.node_states.note("default", of_node(name, body="b2"), at=inside.clock.time, reused=False)
    await inside.node_states.close()
    assert store.asked["put"] == 0


@pytest.mark.parametrize("criterion", Criterion)
async def test_without_any_record_everything_is_new_and_the_rest_is_an_error(
    inside: Inside, select: Select, caller: Caller, criterion: Criterion
) -> None:
    inside.node_states.note("default", of_node(), at=inside.clock.time, reused=False)
    for unknown in (asking(criterion, project="42"), asking(criterion, target="staging")):
        if criterion in (Criterion.NEW, Criterion.MODIFIED):
            assert await select(caller, unknown) == [MART]
        else:
            with pytest.raises(NothingRecorded, match=r"No build of project .* in target .*first\."):
                await select(caller, unknown)


async def test_projects_that_differ_in_their_id_alone_share_nothing(
    inside: Inside, select: Select, caller: Caller
) -> None:
    inside.node_states.note("default", of_node(project="1"), at=inside.clock.time, reused=False)
    inside.node_states.note("default", of_node(project="2", body="b2"), at=inside.clock.time, reused=False)
    inside.node_states.note("default", of_node(project="", body="b3"), at=inside.clock.time, reused=False)
    assert await select(caller, asking(Criterion.MODIFIED, project="1")) == []
    assert await select(caller, asking(Criterion.MODIFIED, project="2")) == [MART]
    assert await select(caller, asking(Criterion.NEW, project="shop")) == [MART]  # a name is no id


async def test_a_project_without_an_id_cannot_be_asked_about(select: Select, caller: Caller) -> None:
    with pytest.raises(InvalidRequest, match="project-id"):
        await select(caller, asking(Criterion.NEW, project=""))


async def test_organizations_share_no_nodes(inside: Inside, select: Select, caller: Caller) -> None:
    inside.node_states.note("another", of_node(), at=inside.clock.time, reused=False)
    assert await select(caller, asking(Criterion.NEW)) == [MART]


class FullStore(MemoryStore):
    """Takes no writes."""

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        raise StoreReadOnly("the disk is full")


async def test_a_selection_fails_where_the_last_build_could_not_be_written(clock: HandClock, caller: Caller) -> None:
    inside = Inside(FullStore(), clock)
    inside.node_states.note("default", of_node(), at=inside.clock.time, reused=False)
    with pytest.raises(StoreError):
        await inside.select_nodes(caller, asking(Criterion.MODIFIED))
    await inside.node_states.close()


class GatedStore(MemoryStore):
    """Lets writes wait at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.at_gate, self.gate = asyncio.Event(), asyncio.Event()

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        self.at_gate.set()
        await self.gate.wait()
        return await super().put(key, data, expected=expected)


@pytest.mark.parametrize("first_gives_up", [True, False])
async def test_who_asks_while_notes_are_being_written_waits_for_them_whoever_gives_up(
    clock: HandClock, caller: Caller, first_gives_up: bool
) -> None:
    store = GatedStore()
    inside = Inside(store, clock)
    select = inside.select_nodes
    inside.node_states.note("default", of_node(), at=inside.clock.time, reused=False)
    first = asyncio.ensure_future(select(caller, asking(Criterion.MODIFIED)))
    await store.at_gate.wait()
    second = asyncio.ensure_future(select(caller, asking(Criterion.MODIFIED)))
    if first_gives_up:
        first.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    store.gate.set()
    assert await second == []
    await inside.node_states.close()
