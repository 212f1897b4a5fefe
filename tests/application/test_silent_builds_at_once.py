"""Silent builds (rule F1a) under clocks that differ, races of confirmations, and long histories."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import md5
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.counting_store import CountingStore
from tests.application.runs import Runs, copy_order, table
from tests.domain.building import HOUR, MINUTE, T0

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.keys import target_key
from dbt_state_oss.application.ownership.archive import ArchivedDocument as Archived
from dbt_state_oss.application.ownership.transfer import Fate, compare, documents_of, write
from dbt_state_oss.application.ports import Document, Unchanged, Version
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, ExecutionType, NodeHashes, Submission, TargetKey
from dbt_state_oss.stores.memory import MemoryStore

SOURCE = Relation('"shop"."raw"."orders"')
LOG = Relation('"shop"."prod"."order_log"')
READER = Relation('"shop"."prod"."reader"')
TOP = Relation('"shop"."prod"."top"')
DEV_READER = Relation('"shop"."dev"."reader"')
READERS = NodePatterns(("model.shop.reader", "model.shop.top"))
HOOKLESS = NodeHashes(
    body="b1",
    configs=md5(json.dumps({"materialized": "incremental"}).encode(), usedforsecurity=False).hexdigest(),
    macros="m1",
    contract="k1",
)
HOOKED = replace(HOOKLESS, configs="with a hook")


def replica(store: MemoryStore, clock: HandClock, first_call: int = 0) -> Runs:
    runs = Runs(Inside(store, clock, trusted_hooks=READERS))
    runs.calls = first_call
    return runs


@pytest.fixture
async def runs(store: MemoryStore, clock: HandClock) -> AsyncIterator[Runs]:
    runs = replica(store, clock)
    yield runs
    await runs.inside.close()


@pytest.fixture
async def behind(store: MemoryStore, clock: HandClock) -> AsyncIterator[Runs]:
    """Another replica, whose clock is an hour behind."""
    runs = replica(store, HandClock(clock.time - HOUR), 1_000)
    yield runs
    await runs.inside.close()


def log(own: int | None, *, hashes: NodeHashes = HOOKLESS, source: int = T0, **changes: Any) -> Submission:
    kind = changes.pop("execution_type", ExecutionType.APPEND)
    changes = {
        "clone_terms": CloneTerms(into_defer_target=True),
        "extras": {"on_schema_change": '"ignore"'},
        **changes,
    }
    return table(LOG, f"select id from {SOURCE}", {SOURCE: source}, own, hashes=hashes, execution_type=kind, **changes)


def reader(log_at: int | None, own: int | None = None, **changes: Any) -> Submission:
    return table(changes.pop("relation", READER), f"select count(*) as n from {LOG}", {LOG: log_at}, own, **changes)


def top(reader_at: int, own: int | None = None) -> Submission:
    return table(TOP, f"select n from {READER}", {READER: reader_at}, own)


async def silently(runs: Runs, submission: Submission, reported: int) -> None:
    answer = await runs.ask(submission)
    assert isinstance(answer.decision, Build), answer.decision.description
    runs.inside.clock.time += MINUTE
    await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(reported))


async def nights(runs: Runs, at: int, count: int) -> None:
    """Runs of the incremental that find no new row: its source moves, its table does not."""
    for night in range(1, count + 1):
        await silently(runs, log(at, source=T0 + night), at)


async def cleaned_once(runs: Runs, at: int) -> None:
    """A hook deletes rows once, and is taken out again."""
    await silently(runs, log(at, hashes=HOOKED), at)
    await silently(runs, log(at), at)


async def test_many_harmless_runs_do_not_give_back_the_name_of_older_content(runs: Runs) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    top_own = await runs.build(top(own))
    await cleaned_once(runs, at)
    await nights(runs, at, 12)
    own = await runs.build(reader(at, own))

    assert isinstance((await runs.ask(top(own, top_own))).decision, Build), "the reader has other rows"


async def test_many_harmless_runs_do_not_hide_a_silent_build_from_a_copy_of_a_stale_reader(runs: Runs) -> None:
    append: dict[str, Any] = {"execution_type": ExecutionType.APPEND}
    at = await runs.build(log(None))
    own = await runs.build(reader(at, **append))
    await cleaned_once(runs, at)
    await nights(runs, at, 12)
    copy = await runs.pre_clone(copy_order(READER, DEV_READER, reader(at, **append), own))

    assert isinstance((await runs.ask(reader(at, copy, relation=DEV_READER, **append))).decision, Build)


async def test_a_silent_build_is_seen_where_the_warehouse_clock_is_ahead(runs: Runs) -> None:
    """An hour: epochs compare by equality on an exact clock (rule T10)."""

    async def built(submission: Submission) -> int:
        answer = await runs.ask(submission)
        assert isinstance(answer.decision, Build)
        runs.inside.clock.time += MINUTE
        epoch = runs.inside.clock.time + HOUR
        await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(epoch))
        return epoch

    at = await built(log(None))
    own = await built(reader(at))
    assert isinstance((await runs.ask(reader(at, own))).decision, Skip)
    await silently(runs, log(at, hashes=HOOKED), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


async def test_a_silent_build_by_a_clock_that_is_behind_builds_its_readers_once(runs: Runs, behind: Runs) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    await silently(behind, log(at, hashes=HOOKED), at)
    own = await runs.build(reader(at, own))

    assert isinstance((await runs.ask(reader(at, own))).decision, Skip)


async def test_a_silent_build_by_a_clock_that_is_behind_is_seen_by_a_build_under_way(runs: Runs, behind: Runs) -> None:
    at = await runs.build(log(None))
    asked = await runs.ask(reader(at))
    await silently(behind, log(at, hashes=HOOKED), at)
    own = await runs.confirm(asked)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build), "it may have read what stood before"


async def test_a_confirmation_that_told_the_readers_and_failed_builds_them_once(
    runs: Runs, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    asked = await runs.ask(log(at, hashes=HOOKED))
    ledger = runs.inside.ledger
    of_each = ledger._of_each

    async def then_dies(*arguments: Any) -> Any:
        await of_each(*arguments)
        raise asyncio.CancelledError

    runs.inside.clock.time += MINUTE
    with monkeypatch.context() as dying:
        dying.setattr(ledger, "read_by", ledger.read_by)
        original_add = ledger.add

        async def add(*arguments: Any) -> None:
            with monkeypatch.context() as telling:
                telling.setattr(ledger, "_of_each", then_dies)
                await original_add(*arguments)

        dying.setattr(ledger, "add", add)
        with pytest.raises(asyncio.CancelledError):
            await runs.inside.confirm(runs.caller(), asked.ticket, Outcome(at))
    assert isinstance((await runs.ask(log(at))).decision, Skip), "the hook was taken out, and no record has it"
    own = await runs.build(reader(at, own))

    assert isinstance((await runs.ask(reader(at, own))).decision, Skip)


async def test_a_reader_that_is_confirmed_while_readers_are_searched_for_is_told(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table was no incremental before, so it lists no readers."""
    at = await runs.build(log(None, execution_type=ExecutionType.FULL))
    asked = await runs.ask(reader(at))
    own = 0
    ledger = runs.inside.ledger
    search = ledger._search.names

    async def searched(*arguments: Any) -> set[str]:
        nonlocal own
        found = await search(*arguments)
        own = await runs.confirm(asked)
        return found

    monkeypatch.setattr(ledger._search, "names", searched)
    await silently(runs, log(at, hashes=HOOKED), at)

    assert own
    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


async def test_a_reader_that_was_asked_about_before_its_input_was_on_record_is_told(runs: Runs) -> None:
    asked = await runs.ask(reader(T0))
    await silently(runs, log(T0), T0)
    own = await runs.confirm(asked)

    assert isinstance((await runs.ask(reader(T0, own))).decision, Build), "it may have read what stood before"


async def test_a_reader_that_was_asked_about_before_its_input_was_on_record_is_told_later(runs: Runs) -> None:
    asked = await runs.ask(reader(T0))
    own_log = await runs.build(log(None))
    own = await runs.confirm(asked)
    if isinstance((again := await runs.ask(reader(own_log, own))).decision, Build):
        own = await runs.confirm(again)
    await silently(runs, log(own_log, hashes=HOOKED), own_log)

    assert isinstance((await runs.ask(reader(own_log, own))).decision, Build)


async def test_a_build_that_was_recorded_first_without_a_question_tells_older_readers_later(runs: Runs) -> None:
    """Nobody knows whether its table was there before."""
    own = await runs.build(reader(T0))
    runs.inside.clock.time += MINUTE
    await runs.inside.record(runs.caller(), [Recorded(log(None), Outcome(T0))])
    await silently(runs, log(T0, hashes=HOOKED), T0)

    assert isinstance((await runs.ask(reader(T0, own))).decision, Build)


async def exported(store: MemoryStore, *, without: Relation | None = None) -> dict[str, Archived]:
    hidden = None if without is None else target_key("default", TargetKey("ns", without))
    return {one.key: one async for one in documents_of(store, ticket_keys=False) if one.key != hidden}


async def restored(clock: HandClock, archive: dict[str, Archived]) -> Runs:
    """Runs against a server on a new store that an archive was imported into."""

    async def records() -> AsyncIterator[Archived]:
        for key in sorted(archive):
            yield archive[key]

    store = MemoryStore()
    await write(records, store, lambda tally: None, overwrite=True)
    return replica(store, clock, 2_000)


async def test_a_reader_that_is_exported_before_a_silent_build_and_its_input_after_it_is_built(
    runs: Runs, store: MemoryStore, clock: HandClock
) -> None:
    """Servers may run while a state is exported."""
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    before = await exported(store, without=LOG)
    await silently(runs, log(at, hashes=HOOKED), at)
    other = await restored(clock, {**await exported(store), **before})

    again = await other.ask(reader(at, own))
    assert isinstance(again.decision, Build)
    own = await other.confirm(again)
    assert isinstance((await other.ask(reader(at, own))).decision, Skip)
    await other.inside.close()


async def test_a_reader_that_is_exported_after_its_input_lists_no_reader_is_told_later(
    runs: Runs, store: MemoryStore, clock: HandClock
) -> None:
    at = await runs.build(log(None))
    before = await exported(store)
    own = await runs.build(reader(at))
    other = await restored(clock, {**await exported(store), **before})
    assert isinstance((await other.ask(reader(at, own))).decision, Skip)
    await silently(other, log(at, hashes=HOOKED), at)

    assert isinstance((await other.ask(reader(at, own))).decision, Build)
    await other.inside.close()


async def test_an_incremental_that_was_invalidated_and_recorded_without_its_epoch_builds_its_readers(
    runs: Runs,
) -> None:
    """Rule I5, where the client could not read the table's epoch before its build."""
    at = await runs.build(log(None, house="bigquery"))
    own = await runs.build(reader(at, house="bigquery"))
    accounts = [one async for one in runs.inside.ledger.accounts("default") if "order_log" in one.target.name]
    runs.inside.clock.time += MINUTE
    await runs.inside.ledger.forget(accounts[0], at=runs.inside.clock.time)
    await silently(runs, log(None, house="bigquery"), at)

    assert isinstance((await runs.ask(reader(at, own, house="bigquery"))).decision, Build)


@pytest.mark.parametrize("ahead", [4, 7, 9, 11])
async def test_a_stamp_of_a_clock_that_is_ahead_builds_a_table_once(runs: Runs, ahead: int) -> None:
    """Rules T4 and T10: a stamp that is believed makes no table older than its build."""
    asked = await runs.ask(table(READER, f"select id from {SOURCE}", {SOURCE: T0}, None, house="snowflake"))
    written = runs.inside.clock.time + 1_000
    runs.inside.clock.time += 2_000
    stamp = runs.inside.clock.time + ahead * MINUTE
    await runs.inside.confirm(runs.caller(), asked.ticket, Outcome(stamp, runtime_ms=2_000))

    again = await runs.ask(table(READER, f"select id from {SOURCE}", {SOURCE: T0}, written, house="snowflake"))
    assert isinstance(again.decision, Skip)


async def test_an_archive_that_was_imported_does_not_differ_from_what_is_there(
    runs: Runs, store: MemoryStore, clock: HandClock
) -> None:
    """Whatever the order in which readers were listed."""
    at = await runs.build(log(None))
    for name in ("zebra", "reader", "ant"):
        await runs.build(reader(at, relation=Relation(f'"shop"."prod"."{name}"')))
    archive = await exported(store)

    async def records() -> AsyncIterator[Archived]:
        for key in sorted(archive):
            yield archive[key]

    other = MemoryStore()
    await write(records, other, lambda tally: None, overwrite=True)
    tally = await compare(records, other, lambda tally: None)
    assert tally.counts[Fate.EQUAL] == len(archive)
    here = await compare(records, store, lambda tally: None)
    assert here.counts[Fate.EQUAL] == len(archive)


class SlowStore(CountingStore):
    """Answers after other tasks had their turn."""

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        for _ in range(10):
            await asyncio.sleep(0)
        return await super().get(key, unless=unless)


async def test_searches_for_readers_at_the_same_time_are_few(clock: HandClock) -> None:
    """After an upgrade no table lists its readers."""
    store = SlowStore()
    runs = replica(store, clock)
    logs = [Relation(f'"shop"."prod"."log_{number}"') for number in range(20)]

    def question(name: Relation, own: int | None, kind: ExecutionType, hashes: NodeHashes) -> Submission:
        return table(name, f"select id from {SOURCE}", {SOURCE: T0}, own, hashes=hashes, execution_type=kind)

    ats = [await runs.build(question(name, None, ExecutionType.FULL, HOOKLESS)) for name in logs]
    owns = [
        await runs.build(table(Relation(f'"shop"."prod"."reader_{number}"'), f"select id from {name}", {name: at}))
        for number, (name, at) in enumerate(zip(logs, ats, strict=True))
    ]
    asked = [
        await runs.ask(question(name, at, ExecutionType.APPEND, HOOKED)) for name, at in zip(logs, ats, strict=True)
    ]
    store.asked.clear()
    confirms = zip(asked, ats, strict=True)
    await asyncio.gather(*(runs.inside.confirm(runs.caller(), one.ticket, Outcome(at)) for one, at in confirms))

    assert store.asked["get"] < 8 * 40, "each search reads 40 targets"
    for number, (name, at) in enumerate(zip(logs, ats, strict=True)):
        again = table(Relation(f'"shop"."prod"."reader_{number}"'), f"select id from {name}", {name: at}, owns[number])
        assert isinstance((await runs.ask(again)).decision, Build)
    await runs.inside.close()


async def test_a_silent_build_is_recorded_though_its_client_waits_no_longer(clock: HandClock) -> None:
    """A search among very many targets may take longer than a client waits; it does not ask again."""
    store = SlowStore()
    runs = replica(store, clock)
    at = await runs.build(log(None, execution_type=ExecutionType.FULL))
    own = await runs.build(reader(at))
    asked = await runs.ask(log(at, hashes=HOOKED))
    confirming = asyncio.create_task(runs.inside.confirm(runs.caller(), asked.ticket, Outcome(at)))
    for _ in range(1_000):
        if runs.inside.ledger._being_recorded:
            break
        await asyncio.sleep(0)
    confirming.cancel()
    await asyncio.gather(*runs.inside.ledger._being_recorded, confirming, return_exceptions=True)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)
    await runs.inside.close()


async def test_readers_of_an_incremental_that_is_never_reused_are_built_after_it(
    store: MemoryStore, clock: HandClock
) -> None:
    """Its records prove nothing (rule L15), so not that a run which wrote no row changed nothing."""
    inside = Inside(store, clock, trusted_hooks=READERS, never_reuse=NodePatterns(("model.shop.order_log",)))
    runs = Runs(inside)
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    await silently(runs, log(at), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)
    await inside.close()


@pytest.mark.parametrize(("header", "is_built"), [('"delete from a.b"', True), ("", False), ("null", False)])
async def test_a_header_may_delete_in_a_run_that_writes_no_row(runs: Runs, header: str, *, is_built: bool) -> None:
    """`sql_header` runs before the query of each run, and its text is no configuration where a macro sets it."""
    extras = {"on_schema_change": '"ignore"', "sql_header": header}
    at = await runs.build(log(None, extras=extras))
    own = await runs.build(reader(at))
    await silently(runs, log(at, source=T0 + 1, extras=extras), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build if is_built else Skip)
