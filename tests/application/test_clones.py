"""Copies in the place of builds, from the answer to the record (rules C1, C4, W3, W6, W8)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.domain.building import BUILT, MART, NOW, ORDERS, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.candidates import MOST_CANDIDATES
from dbt_state_oss.application.codec import decode_candidates
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.ports import Document, Unchanged, Version
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.cloning import CloneTargets
from dbt_state_oss.domain.decision import Build, Clone, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, Code, Submission, TargetKey
from dbt_state_oss.errors import StoreUnavailable
from dbt_state_oss.stores.memory import MemoryStore

DEV = Relation('"shop"."dev"."mart"')
SQL = f"select id from {ORDERS}"
COPIED = NOW + 10


def table(relation: Relation, own_epoch: int | None = None, *, orders: int = T0, **changes: Any) -> Submission:
    submission = replace(
        SUBMISSION,
        key=TargetKey("ns", relation),
        relation=relation,
        code=Code(SUBMISSION.code.dialect, SQL, "shop", "public", relation),
        inputs={ORDERS: orders},
        own_epoch=own_epoch,
        clone_terms=CloneTerms(into_defer_target=relation == MART),
    )
    return replace(submission, **changes)


class Deaf(MemoryStore):
    """From some moment on, no answer comes to who reads one kind of documents."""

    deaf_to = ""

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        if self.deaf_to and self.deaf_to in key:
            await asyncio.Event().wait()
        return await super().get(key, unless=unless)


async def test_a_search_for_copies_that_takes_too_long_is_answered_by_a_build(clock: HandClock) -> None:  # rule X1
    store = Deaf()
    inside = Inside(store, clock, read_timeout_seconds=0.2)
    runs = Runs(inside)
    await runs.build(table(MART), epoch=BUILT)
    store.deaf_to = "/candidates/"
    asked = await runs.ask(table(DEV))
    store.deaf_to = ""
    assert isinstance(asked.decision, Build)
    assert "did not answer in time" in asked.decision.description
    await inside.close()


class Runs:
    """Clients that ask and build: every call is one of a run of its own."""

    def __init__(self, inside: Inside, organization: str = "default") -> None:
        self.inside = inside
        self._organization = organization
        self._calls = 0

    def caller(self) -> Caller:
        self._calls += 1
        return Caller(self._organization, f"{self._calls:032d}")

    async def ask(self, submission: Submission) -> Answer:
        return await self.inside.submit(self.caller(), submission)

    async def build(self, submission: Submission, *, epoch: int) -> None:
        asked = await self.ask(submission)
        assert isinstance(asked.decision, Build)
        await self.confirm(asked, Outcome(epoch, runtime_ms=1500))

    async def confirm(self, answer: Answer, outcome: Outcome) -> str:
        return await self.inside.confirm(self.caller(), answer.ticket, outcome)

    async def latest(self, relation: Relation = DEV) -> Execution:
        latest = (await self.inside.ledger.history(self._organization, TargetKey("ns", relation))).latest
        assert latest is not None
        return latest


@pytest.fixture
async def runs(inside: Inside) -> Runs:
    """Production has been built once, two hours before now."""
    runs = Runs(inside)
    inside.clock.time = BUILT
    await runs.build(table(MART), epoch=BUILT)
    inside.clock.time = NOW
    return runs


async def test_a_copy_is_recorded_as_what_its_source_is(runs: Runs) -> None:
    answer = await runs.ask(table(DEV))
    assert isinstance(answer.decision, Clone)
    assert answer.decision.source == MART

    confirmed = await runs.confirm(answer, Outcome(COPIED))

    copy, source = await runs.latest(), await runs.latest(MART)
    assert copy.id == confirmed != source.id
    assert (copy.epoch, copy.built_at, copy.confirmed_at, copy.runtime_ms) == (COPIED, BUILT, NOW, 1500)
    assert (copy.logic, copy.data_identity) == (source.logic, source.data_identity)
    assert copy.origin is not None
    assert (copy.origin.execution_id, copy.origin.relation, copy.origin.chain_depth) == (source.id, MART, 1)
    assert isinstance((await runs.ask(table(DEV, COPIED))).decision, Skip)


async def test_a_failed_copy_is_recorded_as_the_build_that_stood_in_for_it(runs: Runs) -> None:
    answer = await runs.ask(table(DEV))
    await runs.confirm(answer, Outcome(COPIED, runtime_ms=700, failed_to_clone=True))

    built = await runs.latest()
    assert built.origin is None
    assert (built.built_at, built.runtime_ms) == (NOW, 700)
    assert isinstance((await runs.ask(table(DEV, COPIED))).decision, Skip)


async def test_a_source_that_could_not_be_copied_is_not_offered_again_until_it_is_built(runs: Runs) -> None:
    await runs.confirm(await runs.ask(table(DEV)), Outcome(COPIED, failed_to_clone=True))
    assert await candidates(runs) == {DEV}
    await runs.build(table(MART, BUILT + 1), epoch=COPIED + 5)
    assert await candidates(runs) == {DEV, MART}


async def candidates(runs: Runs) -> set[str]:
    """The targets on the only list of candidates."""
    (key,) = [key async for key in runs.inside.store.list("default/candidates/")]
    document = await runs.inside.store.get(key)
    assert document is not None
    return set(decode_candidates(document.data).targets)  # type: ignore[union-attr]


async def test_a_copy_whose_source_was_built_meanwhile_proves_nothing(runs: Runs) -> None:
    answer = await runs.ask(table(DEV))
    await runs.build(table(MART, BUILT, orders=T0 + 1), epoch=NOW)
    await runs.confirm(answer, Outcome(COPIED))
    again = (await runs.ask(table(DEV, COPIED))).decision
    assert not isinstance(again, Skip)
    assert (await runs.latest()).unproven == "it was cloned when its source was being written"


async def test_what_another_organization_or_namespace_has_is_not_copied(runs: Runs, inside: Inside) -> None:
    stranger = Runs(inside, "other")
    assert isinstance((await stranger.ask(table(DEV))).decision, Build)
    elsewhere = replace(table(DEV), key=TargetKey("ns2", DEV))
    assert isinstance((await runs.ask(elsewhere)).decision, Build)


async def test_the_same_call_twice_is_one_copy(runs: Runs) -> None:
    caller = runs.caller()
    first, second = [await runs.inside.submit(caller, table(DEV)) for _ in range(2)]
    ids = {await runs.confirm(first, Outcome(COPIED)), await runs.confirm(second, Outcome(COPIED))}
    assert len(ids) == 1
    assert len((await runs.inside.ledger.history("default", TargetKey("ns", DEV))).executions) == 1


async def test_production_is_made_from_development_where_that_is_allowed(clock: HandClock, store: MemoryStore) -> None:
    for targets, expected in ((CloneTargets.DEVELOPMENT, Build), (CloneTargets.EVERYWHERE, Clone)):
        inside = Inside(store, clock, clone_targets=targets)
        runs = Runs(inside)
        if targets is CloneTargets.DEVELOPMENT:
            await runs.build(table(DEV), epoch=BUILT)
        answer = await runs.ask(table(MART))
        assert isinstance(answer.decision, expected)
        await inside.node_states.close()
    assert "clone analysis" in {line.text for line in answer.decision.explanation}


async def test_an_early_question_is_answered_with_a_copy_where_no_later_epoch_can_prove_a_skip(runs: Runs) -> None:
    snowflake = dialect_named("snowflake")

    def asked(own: int | None, orders: int | None = T0, relation: Relation = DEV) -> Submission:
        code = Code(snowflake, SQL, "shop", "public", relation)
        return replace(table(relation, own), code=code, inputs={ORDERS: orders})

    await runs.build(asked(None, relation=MART), epoch=BUILT)
    assert await runs.inside.submit_speculatively(runs.caller(), asked(None, orders=None)) is None
    answer = await runs.inside.submit_speculatively(runs.caller(), asked(None))
    assert answer is not None
    assert isinstance(answer.decision, Clone)
    await runs.confirm(answer, Outcome(COPIED))
    assert await runs.inside.submit_speculatively(runs.caller(), asked(None)) is None
    skip = await runs.inside.submit_speculatively(runs.caller(), asked(COPIED))
    assert skip is not None
    assert isinstance(skip.decision, Skip)


async def test_a_list_of_candidates_keeps_builds_before_copies_and_stays_short(runs: Runs) -> None:
    for number in range(MOST_CANDIDATES + 5):
        copy = Relation(f'"shop"."c{number}"."mart"')
        await runs.confirm(await runs.ask(table(copy)), Outcome(COPIED + number))
    listed = await candidates(runs)
    assert len(listed) == MOST_CANDIDATES
    assert MART in listed


async def test_a_confirmed_build_of_what_is_listed_writes_no_list(runs: Runs) -> None:
    (key,) = [key async for key in runs.inside.store.list("default/candidates/")]
    before = await runs.inside.store.get(key)
    await runs.build(table(MART, BUILT, orders=T0 + 1), epoch=NOW)
    assert await runs.inside.store.get(key) == before


class NoLists(MemoryStore):
    """Keeps no lists of candidates, as a store that fails in between."""

    async def put(self, key: str, data: bytes, *, expected: Any) -> Any:
        if "/candidates/" in key:
            raise StoreUnavailable("no")
        return await super().put(key, data, expected=expected)


async def test_a_list_that_cannot_be_written_fails_no_record(clock: HandClock) -> None:
    store = NoLists()
    inside = Inside(store, clock)
    runs = Runs(inside)
    await runs.build(table(MART), epoch=BUILT)
    assert (await runs.latest(MART)).epoch == BUILT
    await inside.node_states.close()
    await store.close()


async def test_a_hook_that_writes_to_a_copy_ends_what_it_proves(runs: Runs) -> None:
    copy = await runs.confirm(await runs.ask(table(DEV)), Outcome(COPIED))
    assert await runs.inside.ledger.raise_epoch("default", copy, COPIED + 1, at=COPIED + 1)
    decision = (await runs.ask(table(DEV, COPIED + 1))).decision
    assert isinstance(decision, Build)
    assert "a hook wrote to it afterwards" in decision.description


async def test_what_a_hook_wrote_to_once_is_not_cloned_again_however_often_it_is_built(
    runs: Runs, clock: HandClock
) -> None:
    copied = await runs.ask(table(DEV))
    copy = await runs.confirm(copied, Outcome(COPIED))
    await runs.inside.update_metadata(runs.caller(), copy, COPIED + 5)
    own, orders = COPIED + 5, T0
    for _ in range(20):
        clock.time += 1000
        orders += 1
        await runs.build(table(DEV, own, orders=orders), epoch=clock.time)
        own = clock.time
    clock.time += 1000
    await runs.build(table(MART, BUILT, orders=orders + 1), epoch=clock.time)

    assert isinstance((await runs.ask(table(DEV, own, orders=orders + 1))).decision, Build)
