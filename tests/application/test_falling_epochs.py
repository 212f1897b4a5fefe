"""Postgres: an epoch falls to an older value where a build deletes the newest rows of its table (rules F1a, F2, T9, C5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.runs import Runs, copy_order, table
from tests.domain.building import HOUR, MINUTE, T0

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, NodeHashes, Submission
from dbt_state_oss.stores.memory import MemoryStore

SOURCE = Relation('"shop"."raw"."orders"')
LOG = Relation('"shop"."prod"."order_log"')
DEV_LOG = Relation('"shop"."dev"."order_log"')
READER = Relation('"shop"."prod"."reader"')
READERS = NodePatterns(("model.shop.reader",))
PLAIN = NodeHashes(body="b1", configs="c1")
DELETING = NodeHashes(body="b1", configs="c2, with a hook that deletes")


@pytest.fixture
async def runs(store: MemoryStore, clock: HandClock) -> AsyncIterator[Runs]:
    """A server that trusts the hooks of the reader alone."""
    inside = Inside(store, clock, trusted_hooks=READERS)
    yield Runs(inside)
    await inside.close()


def log(
    own: int | None, hashes: NodeHashes = PLAIN, *, source: int = T0, relation: Relation = LOG, **changes: Any
) -> Submission:
    kind = changes.pop("execution_type", ExecutionType.MERGE)
    sql, unique_id = f"select id from {SOURCE}", "model.shop.order_log"
    return table(
        relation, sql, {SOURCE: source}, own, hashes=hashes, execution_type=kind, unique_id=unique_id, **changes
    )


def reader(log_at: int, own: int | None = None, **changes: Any) -> Submission:
    return table(READER, f"select count(*) as n from {LOG}", {LOG: log_at}, own, **changes)


async def left_at(runs: Runs, asked: Answer, epoch: int) -> None:
    """The build that was asked about is over, and its table is reported at `epoch`."""
    assert isinstance(asked.decision, Build), asked.decision.description
    runs.inside.clock.time += MINUTE
    await runs.inside.confirm(runs.caller(), asked.ticket, Outcome(epoch))


async def falls(runs: Runs, submission: Submission, epoch: int) -> None:
    await left_at(runs, await runs.ask(submission), epoch)


async def test_a_reader_from_before_the_list_is_told_when_the_epoch_comes_back(runs: Runs) -> None:
    """Plain dbt had built the incremental, so its document lists no such reader."""
    old = T0 - HOUR
    own = await runs.build(reader(old))
    new = await runs.build(log(old, source=T0 + 1))
    await falls(runs, log(new, source=T0 + 2), old)

    assert isinstance((await runs.ask(reader(old, own))).decision, Build)


async def test_the_reader_of_what_was_a_table_is_told_when_the_epoch_comes_back(runs: Runs) -> None:
    old = await runs.build(log(None, execution_type=ExecutionType.FULL))
    own = await runs.build(reader(old))
    new = await runs.build(log(old, source=T0 + 1))
    await falls(runs, log(new, source=T0 + 2), old)

    assert isinstance((await runs.ask(reader(old, own))).decision, Build)


async def test_readers_are_searched_for_once(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    names = runs.inside.ledger._search.names

    async def counted(organization: str, target: Any) -> set[str]:
        searched.append(target.name)
        return await names(organization, target)

    monkeypatch.setattr(runs.inside.ledger._search, "names", counted)
    new = await runs.build(log(T0 - HOUR))
    for night in range(1, 4):
        await falls(runs, log(new, source=T0 + night), new)
    assert searched == [LOG]


async def test_nobody_is_searched_for_where_there_was_no_table_before(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_expected(organization: str, target: Any) -> set[str]:
        raise AssertionError("every reader has listed itself")

    monkeypatch.setattr(runs.inside.ledger._search, "names", not_expected)
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    await falls(runs, log(at, source=T0 + 1), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


async def test_a_table_that_a_materialization_of_the_project_leaves_older_than_it_found_it_is_told(runs: Runs) -> None:
    old = await runs.build(log(None, execution_type=ExecutionType.FULL))
    own = await runs.build(reader(old))
    new = await runs.build(log(old, source=T0 + 1, execution_type=ExecutionType.FULL))
    await falls(runs, log(new, source=T0 + 2, execution_type=ExecutionType.FULL), old)

    assert isinstance((await runs.ask(reader(old, own))).decision, Build)


async def test_what_a_later_build_finds_does_not_vouch_for_the_time_before_the_epoch_fell(runs: Runs) -> None:
    """The reader may have read the rows that were deleted when it was over."""
    old = await runs.build(log(None))
    asked = await runs.ask(reader(old))
    new = await runs.build(log(old, DELETING, source=T0 + 1))
    runs.inside.clock.time += MINUTE
    own = runs.inside.clock.time
    await runs.inside.confirm(runs.caller(), asked.ticket, Outcome(own))
    await falls(runs, log(new, source=T0 + 2), old)
    later = await runs.build(log(old, source=T0 + 3))

    patient = reader(later, own, lag_tolerance_seconds=86_400)
    assert isinstance((await runs.ask(patient)).decision, Build)


async def test_the_build_that_was_confirmed_last_stands_where_it_left_the_table(runs: Runs) -> None:
    old = await runs.build(log(None))
    new = await runs.build(log(old, source=T0 + 1))
    await falls(runs, log(new, DELETING, source=T0 + 1), old)

    assert isinstance((await runs.ask(log(old, DELETING, source=T0 + 1))).decision, Skip)
    assert isinstance((await runs.ask(log(old, PLAIN, source=T0 + 1))).decision, Build)
    assert isinstance((await runs.ask(log(new, PLAIN, source=T0 + 1))).decision, Build)


async def test_of_builds_that_overlapped_the_one_confirmed_last_is_not_taken_for_the_last_to_write(runs: Runs) -> None:
    old = await runs.build(log(None))
    fell = await runs.ask(log(old, DELETING, source=T0 + 1))
    wrote = await runs.ask(log(old, source=T0 + 1))
    await left_at(runs, wrote, runs.inside.clock.time + MINUTE)
    await left_at(runs, fell, old)

    assert isinstance((await runs.ask(log(old, DELETING, source=T0 + 1))).decision, Build)


@pytest.mark.parametrize("confirmed", ["before", "after"])
async def test_a_copy_proves_nothing_where_its_source_fell_while_it_was_made(runs: Runs, confirmed: str) -> None:
    """Production's build is under way when development orders the copy. Its epoch does not come to be the latest."""
    old = await runs.build(log(None))
    new = await runs.build(log(old, source=T0 + 1))
    asked = await runs.ask(log(new, DELETING, source=T0 + 1))
    built = log(None, relation=DEV_LOG, target_name="dev", source=T0 + 1)
    if confirmed == "before":
        await left_at(runs, asked, old)
    runs.inside.clock.time += MINUTE
    order = copy_order(LOG, DEV_LOG, built, new)
    granted = await runs.inside.register_clone(runs.caller(), order)
    assert isinstance(granted, CloneGrant)
    if confirmed == "after":
        await left_at(runs, asked, old)
    runs.inside.clock.time += MINUTE
    copy = runs.inside.clock.time
    await runs.inside.confirm(runs.caller(), granted.ticket, Outcome(copy))

    decided = await runs.ask(log(copy, relation=DEV_LOG, target_name="dev", source=T0 + 1))
    assert isinstance(decided.decision, Build)


async def test_a_table_that_was_dropped_has_no_rows_of_other_logic_any_more(inside: Inside) -> None:
    """Rule F5: what a reader with a lag tolerance has read of them does not wait."""
    runs = Runs(inside)
    counts, reader = Relation('"shop"."prod"."counts"'), Relation('"shop"."prod"."reader"')
    source = Relation('"shop"."raw"."orders"')

    def code(number: int, own: int | None) -> Submission:
        return table(
            counts, f"select {number} as v from {source}", {source: T0}, own, execution_type=ExecutionType.MERGE
        )

    def read(at: int, own: int | None) -> Submission:
        return table(reader, f"select v from {counts}", {counts: at}, own, lag_tolerance_seconds=86_400)

    at = await runs.build(code(2, await runs.build(code(1, None))))
    own = await runs.build(read(at, None))
    assert isinstance((await runs.ask(read(at, own))).decision, Skip)
    anew = await runs.build(code(2, None))
    assert isinstance((await runs.ask(read(anew, own))).decision, Build)
