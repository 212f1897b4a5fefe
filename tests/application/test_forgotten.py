"""What was forgotten stays so: no late confirm, no copy and no equal name brings back what a table held before (rule I5)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.application.conftest import HandClock, Inside
from tests.domain.building import MART, MINUTE, ORDERS, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build, Clone, Skip
from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, Code, Submission, TargetKey
from dbt_state_oss.stores.memory import MemoryStore

DEV = Relation('"shop"."dev"."mart"')


def table(relation: Relation = MART, own_epoch: int | None = None) -> Submission:
    code = Code(SUBMISSION.code.dialect, "select id from raw.orders", "shop", "public", relation)
    return replace(
        SUBMISSION,
        key=TargetKey("ns", relation),
        relation=relation,
        code=code,
        inputs={ORDERS: T0},
        own_epoch=own_epoch,
        clone_terms=CloneTerms(into_defer_target=False),
    )


async def confirm(inside: Inside, caller: Caller, asked: Answer) -> int:
    """The epoch of the table that was built."""
    inside.clock.time += MINUTE
    await inside.confirm(caller, asked.ticket, Outcome(inside.clock.time, runtime_ms=1000))
    return inside.clock.time


async def build(inside: Inside, caller: Caller, submission: Submission) -> int:
    asked = await inside.submit(caller, submission)
    assert isinstance(asked.decision, Build)
    return await confirm(inside, caller, asked)


async def forget(inside: Inside, relation: Relation = MART) -> bool:
    """Forget the target a minute from now, and let another one pass."""
    inside.clock.time += MINUTE
    accounts = [one async for one in inside.ledger.accounts("default") if one.target.name == relation]
    forgotten = [await inside.ledger.forget(one, at=inside.clock.time) for one in accounts]
    inside.clock.time += MINUTE
    return forgotten == [True]


async def latest(inside: Inside, relation: Relation = MART) -> Execution | None:
    return (await inside.ledger.history("default", TargetKey("ns", relation))).latest


async def test_a_forgotten_target_is_listed_no_more_until_it_is_built(inside: Inside, caller: Caller) -> None:
    own = await build(inside, caller, table())
    assert await forget(inside)
    assert not await forget(inside)
    own = await build(inside, caller, table(own_epoch=own))
    assert isinstance((await inside.submit(caller, table(own_epoch=own))).decision, Skip)
    assert await forget(inside)


async def test_builds_before_and_after_have_different_names_and_those_after_the_same(
    inside: Inside, caller: Caller
) -> None:
    names = []
    for step in range(3):
        await build(inside, replace(caller, request_id=f"{step:032d}"), table())
        built = await latest(inside)
        assert built is not None
        assert built.data_identity is not None
        names.append(built.data_identity)
        if step == 0:
            await forget(inside)

    assert names[0] != names[1] == names[2]


async def test_a_build_that_was_asked_about_before_is_not_recorded_after(inside: Inside, caller: Caller) -> None:
    """It may have read what was there before the change on whose account the target was forgotten."""
    own = await build(inside, caller, table())
    asked = await inside.submit(
        replace(caller, request_id="b" * 32), replace(table(own_epoch=own), inputs={ORDERS: T0 + 1})
    )
    await forget(inside)
    own = await confirm(inside, caller, asked)

    assert await latest(inside) is None
    assert isinstance(
        (await inside.submit(caller, replace(table(own_epoch=own), inputs={ORDERS: T0 + 1}))).decision, Build
    )


async def test_what_was_forgotten_can_be_forgotten_again(inside: Inside, caller: Caller) -> None:
    """A build that was asked about in between may have read what was there before the second time."""
    own = await build(inside, caller, table())
    await forget(inside)
    asked = await inside.submit(replace(caller, request_id="b" * 32), table(own_epoch=own))
    await forget(inside)
    own = await confirm(inside, caller, asked)

    assert await latest(inside) is None
    assert isinstance((await inside.submit(caller, table(own_epoch=own))).decision, Build)


async def test_what_a_forgotten_target_read_last_is_still_known(inside: Inside, caller: Caller) -> None:
    first = await build(inside, caller, table())
    await build(inside, replace(caller, request_id="b" * 32), replace(table(own_epoch=first), inputs={DEV: T0}))
    for _ in range(2):
        await forget(inside)
        (account,) = [one async for one in inside.ledger.accounts("default")]
        assert (set(account.inputs), account.node_id) == ({DEV, ORDERS}, SUBMISSION.node.unique_id)


async def test_a_build_of_which_nobody_knows_when_it_began_proves_nothing_for_a_day(
    inside: Inside, caller: Caller
) -> None:
    """In write-only mode the client tells no runtime."""
    await build(inside, caller, table())
    await forget(inside)
    for wait, decision in ((0, Build), (25 * 60 * MINUTE, Skip)):
        inside.clock.time += wait
        recorded = table(own_epoch=inside.clock.time)
        told = Recorded(recorded, Outcome(inside.clock.time, runtime_ms=0))
        await inside.record(replace(caller, request_id=f"{wait:032d}"), [told])
        asked = await inside.submit(replace(caller, request_id="d" * 32), recorded)
        assert isinstance(asked.decision, decision)


@pytest.mark.parametrize(
    ("runtime_ms", "recorded"), [(MINUTE // 2, True), (2 * MINUTE, False)], ids=["after", "before"]
)
async def test_a_build_without_a_question_is_recorded_if_it_began_after(
    inside: Inside, caller: Caller, runtime_ms: int, recorded: bool
) -> None:
    await build(inside, caller, table())
    await forget(inside)
    await inside.record(caller, [Recorded(table(), Outcome(inside.clock.time, runtime_ms=runtime_ms))])

    assert (await latest(inside) is not None) == recorded


async def test_a_forgotten_target_is_built_and_not_cloned(inside: Inside, caller: Caller) -> None:
    await build(inside, caller, table())
    cloned = await inside.submit(caller, table(DEV))
    assert isinstance(cloned.decision, Clone)
    await confirm(inside, caller, cloned)
    await forget(inside, DEV)

    assert isinstance((await inside.submit(caller, table(DEV))).decision, Build)


async def test_a_build_decided_without_the_state_shares_no_name_with_what_may_be_forgotten(
    store: MemoryStore, inside: Inside, clock: HandClock, caller: Caller
) -> None:
    await build(inside, caller, table())
    before = await latest(inside)
    await forget(inside)
    blind = Inside(store, clock, read_timeout_seconds=0)
    asked = await blind.submit(caller, table())
    await confirm(inside, caller, asked)
    after = await latest(inside)

    assert isinstance(asked.decision, Build)
    assert "could not be read" in asked.decision.description
    assert before is not None
    assert after is not None
    assert before.data_identity != after.data_identity
