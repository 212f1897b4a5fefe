"""A hook that runs after the commit (`transaction: False`): who reads between that and the end of the build (rule F1a)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.counting_store import CountingStore
from tests.application.runs import Runs, copy_order, table
from tests.domain.building import HOUR, MINUTE, T0

from dbt_state_oss.application.codec import decode_target
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.keys import target_key
from dbt_state_oss.application.ports import Document
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, Submission, TargetKey

SOURCE = Relation('"shop"."raw"."orders"')
PARENT = Relation('"shop"."prod"."parent"')
READER = Relation('"shop"."prod"."reader"')
DEV_READER = Relation('"shop"."dev"."reader"')


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


def parent(own: int | None, source: int = T0, **changes: Any) -> Submission:
    return table(PARENT, f"select id from {SOURCE}", {SOURCE: source}, own, **changes)


def reader(at: int, own: int | None = None, *, relation: Relation = READER, **changes: Any) -> Submission:
    return table(
        relation, f"select count(*) as n from {PARENT}", {PARENT: at}, own, unique_id="model.shop.reader", **changes
    )


async def confirmed(runs: Runs, asked: Answer, epoch: int) -> int:
    assert isinstance(asked.decision, Build), asked.decision.description
    await runs.inside.confirm(runs.caller(), asked.ticket, Outcome(epoch))
    return epoch


async def committed(runs: Runs, submission: Submission) -> tuple[Answer, int]:
    """A build whose table is committed while a hook still runs: the answer, and the epoch that is reported already."""
    asked = await runs.ask(submission)
    runs.inside.clock.time += MINUTE
    return asked, runs.inside.clock.time


@pytest.mark.parametrize("kind", [ExecutionType.FULL, ExecutionType.MERGE])
@pytest.mark.parametrize("over_first", ["the reader", "the parent"])
async def test_who_read_before_the_hook_was_over_is_built_again(
    runs: Runs, over_first: str, kind: ExecutionType
) -> None:
    at = await runs.build(parent(None, execution_type=kind))
    own = await runs.build(reader(at))
    under_way, new = await committed(runs, parent(at, T0 + 1, execution_type=kind))
    reading = await runs.ask(reader(new, own))
    runs.inside.clock.time += MINUTE
    if over_first == "the parent":
        await confirmed(runs, under_way, new)
    runs.inside.clock.time += MINUTE
    own = await confirmed(runs, reading, runs.inside.clock.time)
    if over_first == "the reader":
        await confirmed(runs, under_way, new)

    again = await runs.ask(reader(new, own))
    assert isinstance(again.decision, Build)
    own = await runs.confirm(again)
    assert isinstance((await runs.ask(reader(new, own))).decision, Skip), "built once, and no more"


async def test_who_read_before_the_first_build_on_record_was_over_is_built_again(runs: Runs) -> None:
    under_way, new = await committed(runs, parent(None))
    reading = await runs.ask(reader(new))
    await confirmed(runs, under_way, new)
    runs.inside.clock.time += MINUTE
    own = await confirmed(runs, reading, runs.inside.clock.time)

    assert isinstance((await runs.ask(reader(new, own))).decision, Build)


async def test_a_copy_of_who_read_before_the_hook_was_over_is_built(runs: Runs) -> None:
    merge: dict[str, Any] = {"execution_type": ExecutionType.MERGE}
    at = await runs.build(parent(None))
    own = await runs.build(reader(at, **merge))
    under_way, new = await committed(runs, parent(at, T0 + 1))
    own = await runs.build(reader(new, own, **merge))
    copy = await runs.pre_clone(copy_order(READER, DEV_READER, reader(new, **merge), own))
    await confirmed(runs, under_way, new)

    decided = await runs.ask(reader(new, copy, relation=DEV_READER, target_name="dev", **merge))
    assert isinstance(decided.decision, Build)


async def test_who_reads_what_somebody_else_wrote_is_still_skipped(runs: Runs) -> None:
    at = await runs.build(parent(None))
    damaged = at + HOUR
    runs.inside.clock.time += 2 * HOUR
    own = await runs.build(reader(damaged))

    assert isinstance((await runs.ask(reader(damaged, own))).decision, Skip)


async def test_nothing_more_is_written_where_the_parent_was_over(clock: HandClock) -> None:
    store = CountingStore()
    inside = Inside(store, clock)
    runs = Runs(inside)
    at = await runs.build(parent(None))
    asked = await runs.ask(reader(at))
    found = await store.get(target_key("default", TargetKey("ns", PARENT)))
    assert isinstance(found, Document)
    await runs.confirm(asked)
    after = await store.get(target_key("default", TargetKey("ns", PARENT)))
    assert isinstance(after, Document)
    assert decode_target(after.data) == decode_target(found.data)
    await inside.close()


@pytest.mark.parametrize("kind", [ExecutionType.FULL, ExecutionType.MERGE])
async def test_who_read_between_two_hooks_of_a_skip_is_told_with_the_raised_epoch(
    runs: Runs, kind: ExecutionType
) -> None:
    """`execute_hooks_on_any_reuse`: the first hook inserts rows, and the second deletes some and leaves the epoch."""
    at = await runs.build(parent(None, execution_type=kind))
    own = await runs.build(reader(at))
    skipped = await runs.ask(parent(at, execution_type=kind))
    assert isinstance(skipped.decision, Skip)
    runs.inside.clock.time += MINUTE
    inserted = runs.inside.clock.time
    own = await runs.build(reader(inserted, own))
    await runs.inside.update_metadata(runs.caller(), skipped.decision.execution.id, inserted)

    again = await runs.ask(reader(inserted, own))
    assert isinstance(again.decision, Build)
    own = await runs.confirm(again)
    assert isinstance((await runs.ask(reader(inserted, own))).decision, Skip)
