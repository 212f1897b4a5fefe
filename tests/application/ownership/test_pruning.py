"""What nobody uses goes with all that is kept for it; what is used, unreadable or written meanwhile stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.application.conftest import HandClock, Inside
from tests.domain.building import MART, MINUTE, NOW, ORDERS, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import TargetDocument, encode
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.keys import journal_prefix, target_key, texts_key
from dbt_state_oss.application.ownership.prune_plan import PrunePlan, plan_of
from dbt_state_oss.application.ownership.pruning import Pruned, Pruning
from dbt_state_oss.application.ports import Document, Version
from dbt_state_oss.domain.decision import Build
from dbt_state_oss.domain.history import HISTORY_LENGTH
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.domain.submission import Code, Submission, TargetKey
from dbt_state_oss.errors import StoreUnavailable
from dbt_state_oss.stores.memory import MemoryStore

DAY = 86_400_000
CHILD = Relation('"shop"."prod"."child"')
KEY, CHILD_KEY = (target_key("default", TargetKey("ns", relation)) for relation in (MART, CHILD))


def table(relation: Relation = MART, *, reads: Relation = ORDERS, at: int = T0) -> Submission:
    code = Code(SUBMISSION.code.dialect, f"select id from {reads}", "shop", "public", relation)
    return replace(
        SUBMISSION, key=TargetKey("ns", relation), relation=relation, code=code, inputs={reads: at}, own_epoch=None
    )


async def build(inside: Inside, caller: Caller, submission: Submission) -> int:
    """Ask and build, whatever there was before; the table's epoch."""
    asked = await inside.submit(replace(caller, request_id=f"{inside.clock.time:032d}"), submission)
    assert isinstance(asked.decision, Build)
    inside.clock.time += MINUTE
    await inside.confirm(caller, asked.ticket, Outcome(inside.clock.time))
    return inside.clock.time


async def keys(store: MemoryStore, part: str) -> list[str]:
    return [key async for key in store.list("") if f"/{part}" in key]


def told(_: int) -> None:
    return


async def planned(inside: Inside, *, days: int = 90) -> PrunePlan:
    return await plan_of(inside.store, "default", inside.clock.time - days * DAY, told)


async def pruned(inside: Inside, plan: PrunePlan) -> Pruned:
    return await Pruning(inside.store, "default")(plan, told)


@pytest.fixture
async def old(inside: Inside, caller: Caller, store: MemoryStore) -> Inside:
    """A target that was built a hundred days ago, and its kept SQL; nobody has asked about it since."""
    await build(inside, caller, table())
    await inside.close()
    await store.put(texts_key("default", TargetKey("ns", MART), StoreSql.FULL), b"sql", expected=None)
    inside.clock.time = NOW + 100 * DAY
    return Inside(store, inside.clock)


async def test_a_target_goes_with_its_texts_its_hints_and_its_decisions(
    old: Inside, store: MemoryStore, caller: Caller
) -> None:
    assert await keys(store, "candidates")
    plan = await planned(old)
    assert [stale.target.name for stale in plan.targets] == [MART]
    done = await pruned(old, plan)
    assert (done.targets, done.texts, done.candidates, done.journal, done.changed) == (1, 1, 1, 1, 0)
    for part in ("targets", "texts", "candidates", "journal"):
        assert await keys(store, part) == []
    assert await keys(store, "nodes")
    await build(old, caller, table())


async def test_what_is_built_or_only_asked_about_since_stays(
    inside: Inside, store: MemoryStore, clock: HandClock, caller: Caller
) -> None:
    own = await build(inside, caller, table())
    await build(inside, caller, table(CHILD))
    clock.time = NOW + 50 * DAY
    later = replace(caller, session_id="another-run")
    await inside.submit(later, replace(table(), own_epoch=own))  # a skip: nothing is recorded anew
    await inside.close()
    clock.time = NOW + 100 * DAY
    assert [stale.target.name for stale in (await planned(Inside(store, clock), days=60)).targets] == [CHILD]
    assert len((await planned(Inside(store, clock), days=40)).targets) == 2
    assert not (await planned(Inside(store, clock), days=101)).targets


async def test_a_decision_counts_in_whatever_part_of_the_journal_it_stands(
    inside: Inside, store: MemoryStore, clock: HandClock, caller: Caller
) -> None:
    """A part is named by the day on which it was begun; a session without a name may go on for weeks."""
    own = await build(inside, caller, table())
    clock.time = NOW + 20 * DAY
    await inside.submit(caller, replace(table(), own_epoch=own))
    await inside.close()
    plan = await planned(Inside(store, clock), days=10)
    assert (plan.targets, plan.journal) == ([], {})


async def test_what_something_that_stays_was_built_from_stays(
    inside: Inside, store: MemoryStore, clock: HandClock, caller: Caller
) -> None:
    """Else it would pass for a source, whose changes may wait within a lag tolerance."""
    grandchild = Relation('"shop"."prod"."grandchild"')
    own = await build(inside, caller, table())
    child = await build(inside, caller, table(CHILD, reads=MART, at=own))
    clock.time = NOW + 100 * DAY
    assert len((await planned(inside, days=90)).targets) == 2
    await build(inside, caller, table(grandchild, reads=CHILD, at=child))
    assert not (await planned(inside, days=90)).targets


async def test_parts_of_a_list_that_others_are_on_stay(
    inside: Inside, store: MemoryStore, clock: HandClock, caller: Caller
) -> None:
    await build(inside, caller, table())
    clock.time = NOW + 100 * DAY
    await build(inside, caller, table(CHILD))
    done = await pruned(inside, await planned(inside))
    assert (done.targets, done.candidates) == (1, 1)
    assert len(await keys(store, "candidates")) == 1
    assert await keys(store, "targets") == [CHILD_KEY]


async def test_what_was_written_since_it_was_planned_stays(old: Inside, store: MemoryStore, caller: Caller) -> None:
    plan = await planned(old)
    await build(old, caller, table())
    done = await pruned(old, plan)
    assert (done.targets, done.texts, done.changed) == (0, 0, 1)
    assert await keys(store, "targets") == [KEY]


async def test_the_time_of_an_invalidation_stays(inside: Inside, store: MemoryStore, caller: Caller) -> None:
    await build(inside, caller, table())
    accounts = [account async for account in inside.ledger.accounts("default")]
    forgotten_at = inside.clock.time + MINUTE
    await inside.ledger.forget(accounts[0], at=forgotten_at)
    inside.clock.time += 2 * MINUTE
    await build(inside, caller, table())
    inside.clock.time = NOW + 100 * DAY
    assert (await pruned(inside, await planned(inside))).targets == 1
    history = await inside.ledger.history("default", TargetKey("ns", MART))
    assert (history.executions, history.forgotten_at) == ((), forgotten_at)
    assert not (await planned(inside)).targets


async def test_what_cannot_be_read_is_counted_and_stays(old: Inside, store: MemoryStore) -> None:
    unreadable = [f"{journal_prefix('default')}20200101/s/0", f"{KEY}.broken-ff", "default/targets/ns/0"]
    for key in unreadable:
        await store.put(key, b"broken", expected=None)
    plan = await planned(old)
    assert plan.unreadable == 3
    await pruned(old, plan)
    for key in unreadable:
        assert isinstance(await store.get(key), Document)


async def test_another_organizations_state_is_left_alone(old: Inside, store: MemoryStore) -> None:
    found = await store.get(KEY)
    assert isinstance(found, Document)
    await store.put(KEY.replace("default", "other"), found.data, expected=None)
    await pruned(old, await planned(old))
    assert await keys(store, "targets") == [KEY.replace("default", "other")]


async def test_a_part_of_the_journal_that_grew_since_it_was_planned_stays(old: Inside, store: MemoryStore) -> None:
    plan = await planned(old)
    (part,) = await keys(store, "journal")
    there = await store.get(part)
    assert isinstance(there, Document)
    await store.put(part, there.data, expected=there.version)
    done = await pruned(old, plan)
    assert (done.journal, done.changed) == (0, 1)
    assert await keys(store, "journal") == [part]


async def test_what_is_built_again_while_it_is_pruned_keeps_its_hint(
    old: Inside, store: MemoryStore, caller: Caller
) -> None:
    class BuiltAgain(MemoryStore):
        """Somebody builds the target as soon as it is deleted."""

        async def delete(self, key: str, *, expected: Version) -> None:
            await super().delete(key, expected=expected)
            if key == KEY:
                await build(old, caller, table())

    plan = await planned(old)
    done = await Pruning(BuiltAgain(sharing=store), "default")(plan, told)
    assert (done.targets, done.candidates) == (1, 0)
    assert await keys(store, "candidates")


class Dying(MemoryStore):
    """Fails from the nth deletion on, as where a command is killed."""

    left = 0

    async def delete(self, key: str, *, expected: Version) -> None:
        if not self.left:
            raise StoreUnavailable("gone")
        self.left -= 1
        await super().delete(key, expected=expected)


@pytest.mark.parametrize("deletions", range(4))
async def test_what_is_cut_off_the_next_one_finishes(old: Inside, store: MemoryStore, deletions: int) -> None:
    dying = Dying(sharing=store)
    dying.left = deletions
    plan = await planned(old)
    with pytest.raises(StoreUnavailable):
        await Pruning(dying, "default")(plan, told)
    await pruned(old, await planned(old))
    assert [key for part in ("targets", "texts", "journal") for key in await keys(store, part)] == []


async def test_hints_of_logic_that_is_on_record_no_more_go(inside: Inside, store: MemoryStore, caller: Caller) -> None:
    """SQL with the time of the run in it makes a list at every build, which only grows."""
    for number in range(20):
        timed = table()
        assert isinstance(timed.code, Code)
        await build(inside, caller, replace(timed, code=replace(timed.code, sql=f"select id, {number} from {ORDERS}")))
    assert len(await keys(store, "candidates")) == 20
    plan = await planned(inside)
    done = await pruned(inside, plan)
    assert (done.targets, done.candidates) == (0, 20 - HISTORY_LENGTH)
    assert len(await keys(store, "candidates")) == HISTORY_LENGTH


async def test_notes_of_silent_builds_of_a_target_that_is_gone_go_too(inside: Inside) -> None:
    old, recent = (TargetKey("ns", Relation(f'"shop"."dev"."{name}"')) for name in ("old", "recent"))
    for key, at in ((old, NOW - 100 * DAY), (recent, NOW - DAY)):
        document = TargetDocument("default", key, (), silent_builds={MART: at})
        await inside.store.put(target_key("default", key), encode(document), expected=None)

    plan = await planned(inside)
    assert [stale.target for stale in plan.targets] == [old]
    await pruned(inside, plan)
    assert await keys(inside.store, "targets/") == [target_key("default", recent)]  # type: ignore[arg-type]
