"""Copies of production's tables: when they are granted, what they inherit, and when they prove nothing (rules C2, C4, C5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.domain.building import BUILT, CUSTOMERS, MART, MINUTE, NOW, ORDERS, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.domain.clone import CloneOrder, CloneRefusal
from dbt_state_oss.domain.decision import Build, Decision, RejectionReason, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, Code, ExecutionType, Node, Submission, TargetKey
from dbt_state_oss.stores.memory import MemoryStore

DEV = Relation('"shop"."dev"."mart"')
CLONED = NOW + 10
SQL = "select o.id from raw.orders o where o.id > (select max(id) from {this})"


def incremental(target: Relation, own_epoch: int | None, sql: str = SQL, **changes: Any) -> Submission:
    return replace(
        SUBMISSION,
        key=TargetKey("ns", target),
        relation=target,
        execution_type=ExecutionType.MERGE,
        code=Code(SUBMISSION.code.dialect, sql.format(this=target), "shop", "public", target),
        inputs={ORDERS: T0},
        own_epoch=own_epoch,
        **changes,
    )


def order(**changes: Any) -> CloneOrder:
    return replace(
        CloneOrder(
            key=TargetKey("ns", DEV),
            dialect=dialect_named("postgres"),
            source=MART,
            target=DEV,
            execution_type=ExecutionType.MERGE,
            node=Node("model.shop.mart", "mart", "model"),
            source_epoch=BUILT,
        ),
        **changes,
    )


class Warehouse:
    """Production builds, development clones: each call is one run of a client that is obeyed."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.register = inside.register_clone
        self.calls = 0

    def caller(self) -> Caller:
        self.calls += 1
        return Caller("default", f"{self.calls:032d}")

    async def build(self, submission: Submission, *, epoch: int) -> None:
        asked = await self.inside.submit(self.caller(), submission)
        await self.inside.confirm(self.caller(), asked.ticket, Outcome(epoch, runtime_ms=1500))

    async def ask(self, **changes: Any) -> CloneGrant | CloneRefusal:
        return await self.register(self.caller(), order(**changes))

    async def clone(self, **changes: Any) -> Execution:
        """The copy as it is on record once it is confirmed."""
        granted = await self.ask(**changes)
        assert isinstance(granted, CloneGrant)
        return await self.confirm(granted)

    async def confirm(self, granted: CloneGrant) -> Execution:
        await self.inside.confirm(self.caller(), granted.ticket, Outcome(CLONED))
        latest = (await self.inside.ledger.history("default", TargetKey("ns", DEV))).latest
        assert latest is not None
        return latest

    async def decide(self, **changes: Any) -> Decision:
        return (await self.inside.submit(self.caller(), incremental(DEV, CLONED, **changes))).decision


@pytest.fixture
async def warehouse(inside: Inside) -> Warehouse:
    """Production has been built once, two hours before now."""
    warehouse = Warehouse(inside)
    inside.clock.time = BUILT
    await warehouse.build(incremental(MART, None), epoch=BUILT)
    inside.clock.time = NOW
    return warehouse


async def test_a_copy_inherits_what_its_source_proves(warehouse: Warehouse, clock: HandClock) -> None:
    source = (await warehouse.inside.ledger.history("default", TargetKey("ns", MART))).latest
    assert source is not None
    clone = await warehouse.clone()

    own: dict[str, Any] = {"id": source.id, "epoch": BUILT, "confirmed_at": BUILT, "decided_at": BUILT, "origin": None}
    assert replace(clone, **own, data_identity=None) == source
    assert (clone.epoch, clone.built_at, clone.confirmed_at, clone.decided_at) == (CLONED, BUILT, NOW, NOW)
    assert clone.origin is not None
    assert (clone.origin.execution_id, clone.origin.relation, clone.origin.chain_depth) == (source.id, MART, 1)
    assert isinstance(await warehouse.decide(), Skip)


async def test_what_reads_the_copy_in_place_of_its_source_is_not_rebuilt(warehouse: Warehouse) -> None:
    child = replace(incremental(CUSTOMERS, None, sql=f"select * from {MART}"), inputs={MART: BUILT})
    await warehouse.build(child, epoch=CLONED)
    await warehouse.clone()
    reading_copy = replace(incremental(CUSTOMERS, CLONED, sql=f"select * from {DEV}"), inputs={DEV: CLONED})
    reading_more = replace(reading_copy, inputs={DEV: CLONED + 1})

    decisions = [
        (await warehouse.inside.submit(warehouse.caller(), each)).decision for each in (reading_copy, reading_more)
    ]

    assert [type(decision) for decision in decisions] == [Skip, Build]


async def test_a_copy_is_built_upon_where_the_node_was_edited(warehouse: Warehouse) -> None:
    await warehouse.clone()

    assert isinstance(await warehouse.decide(sql=SQL.replace(">", ">=")), Build)


async def test_a_copy_is_built_upon_where_a_source_has_moved_on(warehouse: Warehouse) -> None:
    await warehouse.clone()

    moved = replace(incremental(DEV, CLONED), inputs={ORDERS: T0 + 1})

    assert isinstance((await warehouse.inside.submit(warehouse.caller(), moved)).decision, Build)


async def test_the_data_of_a_copy_is_as_old_as_that_of_its_source(warehouse: Warehouse) -> None:
    await warehouse.clone()
    moved = replace(incremental(DEV, CLONED), inputs={ORDERS: T0 + 1})

    async def decided(tolerance: int) -> Decision:
        patient = replace(moved, lag_tolerance_seconds=tolerance)
        return (await warehouse.inside.submit(warehouse.caller(), patient)).decision

    assert isinstance(await decided(3 * 3600), Skip)
    assert isinstance(await decided(3600), Build)


async def test_a_daily_function_saw_the_date_of_the_source_and_not_that_of_the_copy(
    inside: Inside, clock: HandClock
) -> None:
    warehouse = Warehouse(inside)
    daily: dict[str, Any] = {"sql": "select id, current_date as day from raw.orders", "tolerate_nondeterminism": False}
    await warehouse.build(incremental(MART, None, **daily), epoch=BUILT)
    await warehouse.clone()
    assert isinstance(await warehouse.decide(**daily), Skip)

    clock.time += 24 * 60 * MINUTE
    await warehouse.clone()

    assert isinstance(await warehouse.decide(**daily), Build)


DOUBTS = {
    "somebody else wrote to the source": (
        {"source_epoch": BUILT + 1},
        "its source had been modified outside of recorded builds",
    ),
    "the source's epoch is unknown": (
        {"source_epoch": None},
        "its source had been modified outside of recorded builds",
    ),
    "the source is on no record": ({"source": CUSTOMERS}, "no build of its source was recorded"),
    "the source is in another namespace": ({"key": TargetKey("other", DEV)}, "no build of its source was recorded"),
}


@pytest.mark.parametrize(("changes", "cause"), DOUBTS.values(), ids=DOUBTS)
async def test_a_copy_of_what_is_not_on_record_proves_nothing(
    warehouse: Warehouse, changes: dict[str, Any], cause: str
) -> None:
    granted = await warehouse.ask(**changes)
    assert isinstance(granted, CloneGrant)
    await warehouse.inside.confirm(warehouse.caller(), granted.ticket, Outcome(CLONED))
    submission = replace(incremental(DEV, CLONED), key=changes.get("key", TargetKey("ns", DEV)))

    decision = (await warehouse.inside.submit(warehouse.caller(), submission)).decision

    assert isinstance(decision, Build)
    assert cause in decision.description


async def test_a_copy_proves_nothing_where_its_source_was_built_before_it_was_confirmed(warehouse: Warehouse) -> None:
    granted = await warehouse.ask()
    assert isinstance(granted, CloneGrant)
    await warehouse.build(incremental(MART, BUILT, sql=SQL + " and true"), epoch=BUILT + 5)

    clone = await warehouse.confirm(granted)

    assert clone.unproven == "it was cloned when its source was being written"
    assert isinstance(await warehouse.decide(), Build)


async def test_a_copy_of_a_doubtful_source_is_doubtful(warehouse: Warehouse, clock: HandClock) -> None:
    overlapping = [
        await warehouse.inside.submit(warehouse.caller(), incremental(MART, BUILT, sql=f"{SQL} and {condition}"))
        for condition in ("true", "false")
    ]
    clock.time += MINUTE
    for build in overlapping:
        await warehouse.inside.confirm(warehouse.caller(), build.ticket, Outcome(BUILT + 1))

    clone = await warehouse.clone(source_epoch=BUILT + 1)

    assert clone.unproven == "it was cloned when it was unknown which build had written its source"


async def test_what_reads_a_doubtful_copy_does_not_take_it_for_its_source(warehouse: Warehouse) -> None:
    proven, doubtful = await warehouse.clone(), await warehouse.clone(source_epoch=BUILT + 1)

    assert proven.lineage != doubtful.lineage
    assert doubtful.data_identity is None


@pytest.mark.parametrize(
    ("extras", "reused"),
    [
        ({"grants": "{}"}, True),
        ({"grants": '{"select": ["reporter"]}'}, False),
        ({"__persisted_docs_hash": "5d41402abc4b2a76b9719d911017c592"}, False),
    ],
    ids=["nothing", "grants", "descriptions"],
)
async def test_what_a_copy_does_not_bring_along_is_applied_by_a_build(
    inside: Inside, extras: dict[str, str], reused: bool
) -> None:
    warehouse = Warehouse(inside)
    await warehouse.build(incremental(MART, None, extras=extras), epoch=BUILT)
    await warehouse.clone()

    assert isinstance(await warehouse.decide(extras=extras), Skip) == reused


REFUSALS = {
    "the client allows no clones": (
        {"terms": CloneTerms(chain_depth_limit=0)},
        RejectionReason.CLONE_CHAIN_LIMIT_EXCEEDED,
    ),
    "a view": ({"execution_type": ExecutionType.VIEW}, RejectionReason.FORCED_NOT_ELIGIBLE),
    "no way to copy": ({"dialect": dialect_named("trino")}, RejectionReason.FORCED_NOT_ELIGIBLE),
    "a copy of itself": ({"target": MART}, RejectionReason.FORCED_NOT_ELIGIBLE),
}


@pytest.mark.parametrize(("changes", "reason"), REFUSALS.values(), ids=REFUSALS)
async def test_a_copy_is_refused_for(warehouse: Warehouse, changes: dict[str, Any], reason: RejectionReason) -> None:
    refusal = await warehouse.ask(**changes)

    assert isinstance(refusal, CloneRefusal)
    assert refusal.reason is reason


async def test_what_was_a_view_is_not_copied_into_a_table(inside: Inside) -> None:
    warehouse = Warehouse(inside)
    await warehouse.build(replace(incremental(MART, None), execution_type=ExecutionType.VIEW), epoch=BUILT)

    assert isinstance(await warehouse.ask(), CloneRefusal)


async def test_a_chain_of_clones_grows_to_its_limit_and_ends_with_a_table_built_anew(warehouse: Warehouse) -> None:
    two = CloneTerms(chain_depth_limit=2)
    onward = {"source": DEV, "target": ORDERS, "key": TargetKey("ns", ORDERS), "source_epoch": CLONED, "terms": two}
    await warehouse.clone(terms=two)
    second = await warehouse.ask(**onward)
    assert isinstance(second, CloneGrant)
    await warehouse.inside.confirm(warehouse.caller(), second.ticket, Outcome(CLONED))
    assert isinstance(await warehouse.ask(source=ORDERS, target=CUSTOMERS, terms=two), CloneRefusal)
    shorter = onward | {"terms": CloneTerms(chain_depth_limit=1)}
    refusal = await warehouse.ask(**shorter)
    assert isinstance(refusal, CloneRefusal)
    assert refusal.reason is RejectionReason.CLONE_CHAIN_LIMIT_EXCEEDED

    await warehouse.build(incremental(DEV, CLONED, sql=SQL + " and true"), epoch=CLONED + 1)
    assert isinstance(await warehouse.ask(**shorter), CloneRefusal)
    await warehouse.build(replace(incremental(DEV, None), execution_type=ExecutionType.FULL), epoch=CLONED + 2)
    assert isinstance(await warehouse.ask(**shorter), CloneGrant)


async def test_a_repeated_order_promises_the_same_execution(warehouse: Warehouse, inside: Inside) -> None:
    caller = warehouse.caller()
    grants = [await warehouse.register(caller, order()) for _ in range(2)]

    ids = {
        await inside.confirm(caller, each.ticket, Outcome(CLONED)) for each in grants if isinstance(each, CloneGrant)
    }

    assert len(ids) == 1


async def test_state_that_cannot_be_read_is_a_copy_that_proves_nothing(warehouse: Warehouse, clock: HandClock) -> None:
    gone = MemoryStore()
    await gone.close()
    blind = Inside(gone, clock)

    granted = await Warehouse(blind).ask()

    assert isinstance(granted, CloneGrant)
    assert (await warehouse.confirm(granted)).unproven is not None
    await blind.node_states.close()


@pytest.mark.parametrize("pattern", ["model.shop.*", "shop.prod.mart", "shop.dev.*"])
async def test_what_the_owner_has_set_to_be_always_built_is_not_copied(inside: Inside, pattern: str) -> None:
    never = NodePatterns((pattern,))
    careful = Inside(inside.store, inside.clock, never_reuse=never)
    refused = await careful.register_clone(Caller("default", "b" * 32), order())
    assert isinstance(refused, CloneRefusal)
    assert refused.because == "the server is configured to never reuse it"
