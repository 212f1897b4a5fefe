"""Rule F1a: a build that may have changed its table without moving its epoch builds who reads the table."""

from __future__ import annotations

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

from dbt_state_oss.application.codec import decode_target
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.keys import target_key
from dbt_state_oss.application.ports import Document
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.application.recording import MOST_READERS
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build, Clone, Skip
from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.history import Input
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.submission import (
    CloneTerms,
    ExecutionType,
    NodeHashes,
    StaleUpstreamPolicy,
    Submission,
    TargetKey,
)
from dbt_state_oss.stores.memory import MemoryStore

SOURCE = Relation('"shop"."raw"."orders"')
LOG = Relation('"shop"."prod"."order_log"')
READER = Relation('"shop"."prod"."reader"')
DEV_READER = Relation('"shop"."dev"."reader"')
READERS = NodePatterns(("model.shop.reader",))
HOOKED = NodeHashes(body="b1", configs="with a hook", macros="m1", contract="k1")
PLAIN = NodeHashes(body="b1", configs="b3b10b8a3c8c1f0f6a2f1d4b9b1f0c0d", macros="m1", contract="k1")


@pytest.fixture
async def inside(store: MemoryStore, clock: HandClock) -> AsyncIterator[Inside]:
    """A server that trusts the hooks of readers alone."""
    inside = Inside(store, clock, trusted_hooks=READERS)
    yield inside
    await inside.close()


@pytest.fixture
def runs(inside: Inside) -> Runs:
    return Runs(inside)


@pytest.fixture
async def other(store: MemoryStore, clock: HandClock) -> AsyncIterator[Runs]:
    """Runs against another replica on the same store."""
    inside = Inside(store, clock, trusted_hooks=READERS)
    runs = Runs(inside)
    runs.calls = 1_000  # other request ids
    yield runs
    await inside.close()


def log(own: int | None, *, hashes: NodeHashes = PLAIN, source: int = T0, **changes: Any) -> Submission:
    """A question about the incremental."""
    kind = changes.pop("execution_type", ExecutionType.APPEND)
    return table(LOG, f"select id from {SOURCE}", {SOURCE: source}, own, hashes=hashes, execution_type=kind, **changes)


def reader(log_at: int | None, own: int | None = None, **changes: Any) -> Submission:
    """A question about a table that reads the incremental."""
    return table(changes.pop("relation", READER), f"select count(*) as n from {LOG}", {LOG: log_at}, own, **changes)


async def silently(runs: Runs, submission: Submission, reported: int) -> Answer:
    """Build `submission`; its table is reported at the epoch that it had."""
    answer = await runs.ask(submission)
    assert isinstance(answer.decision, Build), answer.decision.description
    runs.inside.clock.time += MINUTE
    stamped = submission.code.dialect.name in ("snowflake", "redshift")
    epoch = runs.inside.clock.time if stamped else reported
    await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(epoch))
    return answer


@pytest.mark.parametrize("house", ["postgres", "bigquery", "databricks", "snowflake", "redshift"])
async def test_a_reader_is_built_after_a_silent_build_of_its_input(runs: Runs, other: Runs, house: str) -> None:
    at = await runs.build(log(None, house=house))
    own = await runs.build(reader(at, house=house))
    assert isinstance((await runs.ask(reader(at, own, house=house))).decision, Skip)
    await silently(other, log(at, hashes=HOOKED, house=house), at)

    again = await runs.ask(reader(at, own, house=house))

    assert isinstance(again.decision, Build)
    assert "was rebuilt with changed logic" in again.decision.description
    own = await runs.confirm(again)
    assert isinstance((await other.ask(reader(at, own, house=house))).decision, Skip), "built once, and no more"


async def test_changed_logic_does_not_wait_for_a_lag_tolerance(runs: Runs) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    await silently(runs, log(at, hashes=HOOKED), at)

    assert isinstance((await runs.ask(reader(at, own, lag_tolerance_seconds=86_400))).decision, Build)


async def test_data_that_may_have_changed_waits_for_a_lag_tolerance(runs: Runs) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    await silently(runs, log(at, source=T0 + 1), at)

    waits = await runs.ask(reader(at, own, lag_tolerance_seconds=86_400))
    built = await runs.ask(reader(at, own))

    assert isinstance(waits.decision, Skip)
    assert waits.decision.stale
    assert isinstance(built.decision, Build)
    assert "may have changed, although it wrote no row" in built.decision.description


async def test_a_build_that_was_asked_about_before_and_is_over_after_a_silent_one_is_not_trusted(runs: Runs) -> None:
    at = await runs.build(log(None))
    asked = await runs.ask(reader(at))
    await silently(runs, log(at, hashes=HOOKED), at)
    own = await runs.confirm(asked)

    again = await runs.ask(reader(at, own))

    assert isinstance(again.decision, Build), "it may have read what stood before"


async def test_a_build_that_only_now_becomes_a_reader_is_told_though_it_is_not_recorded_yet(runs: Runs) -> None:
    """It was listed, but its record is not written when the silent build is confirmed."""
    at = await runs.build(log(None))
    asked = await runs.ask(reader(at))
    known = Input(Epoch(at), "l1")
    await runs.inside.ledger.read_by("default", asked_key(), {LOG: known}, EpochClock.EXACT)
    await silently(runs, log(at, hashes=HOOKED), at)
    own = await runs.confirm(asked)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


def asked_key() -> TargetKey:
    return TargetKey("ns", READER)


async def test_what_reads_the_reader_is_built_too(runs: Runs) -> None:
    """Early cut-off (rule F2) does not take the content for what it was."""
    top = Relation('"shop"."prod"."top"')
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    top_own = await runs.build(table(top, f"select n from {READER}", {READER: own}))
    await silently(runs, log(at, hashes=HOOKED), at)
    rebuilt = await runs.build(reader(at, own))

    assert isinstance(
        (await runs.ask(table(top, f"select n from {READER}", {READER: rebuilt}, top_own))).decision, Build
    )


async def test_a_stale_reader_is_not_cloned_and_a_new_one_is(runs: Runs) -> None:
    dev: dict[str, Any] = {"relation": DEV_READER, "clone_terms": CloneTerms(into_defer_target=False)}
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    await silently(runs, log(at, hashes=HOOKED), at)
    assert isinstance((await runs.ask(reader(at, **dev))).decision, Build)

    await runs.build(reader(at, own))

    assert isinstance((await runs.ask(reader(at, **dev))).decision, Clone)


async def test_a_copy_that_is_made_while_its_input_is_built_silently_is_not_trusted(runs: Runs) -> None:
    dev: dict[str, Any] = {"relation": DEV_READER, "clone_terms": CloneTerms(into_defer_target=False)}
    at = await runs.build(log(None))
    await runs.build(reader(at))
    copied = await runs.ask(reader(at, **dev))
    assert isinstance(copied.decision, Clone)
    await silently(runs, log(at, hashes=HOOKED), at)
    runs.inside.clock.time += MINUTE
    copy = runs.inside.clock.time
    await runs.inside.confirm(runs.caller(), copied.ticket, Outcome(copy))

    assert isinstance((await runs.ask(reader(at, copy, **dev))).decision, Build)


async def test_a_pre_cloned_incremental_inherits_what_its_source_has_not_seen(runs: Runs) -> None:
    """production's reader is an incremental, and stale; its copy in development is as stale."""
    append: dict[str, Any] = {"execution_type": ExecutionType.APPEND}
    at = await runs.build(log(None))
    own = await runs.build(reader(at, **append))
    await silently(runs, log(at, hashes=HOOKED), at)
    copy = await runs.pre_clone(copy_order(READER, DEV_READER, reader(at, **append), own))

    assert isinstance((await runs.ask(reader(at, copy, relation=DEV_READER, **append))).decision, Build)


@pytest.mark.parametrize(
    "then", ["nothing", "it is invalidated", "it is pruned", "it is pruned before the copy is confirmed"]
)
async def test_a_copy_of_a_stale_reader_is_built_whatever_became_of_the_silent_build(runs: Runs, then: str) -> None:
    """The note stays behind with the reader that was told."""
    append: dict[str, Any] = {"execution_type": ExecutionType.APPEND}
    log_key = target_key("default", TargetKey("ns", LOG))

    async def pruned() -> None:
        await runs.inside.ledger._documents.delete(log_key)

    at = await runs.build(log(None))
    own = await runs.build(reader(at, **append))
    copy_of = copy_order(READER, DEV_READER, reader(at, **append), own)
    granted = await runs.inside.register_clone(runs.caller(), copy_of)
    await silently(runs, log(at, hashes=HOOKED), at)
    if then == "it is invalidated":
        accounts = [one async for one in runs.inside.ledger.accounts("default") if one.target.name == LOG]
        await runs.inside.ledger.forget(accounts[0], at=runs.inside.clock.time)
    if then == "it is pruned":
        await pruned()
    runs.inside.clock.time += MINUTE
    if then == "it is pruned before the copy is confirmed":
        await pruned()
        assert isinstance(granted, CloneGrant)
        copy = runs.inside.clock.time
        await runs.inside.confirm(runs.caller(), granted.ticket, Outcome(copy))
    else:
        copy = await runs.pre_clone(copy_of)

    decided = await runs.ask(reader(at, copy, relation=DEV_READER, unique_id="model.shop.reader", **append))
    assert isinstance(decided.decision, Build)


async def test_a_copy_that_is_behind_a_silent_build_within_the_tolerance_is_built_after_it(runs: Runs) -> None:
    dev: dict[str, Any] = {"relation": DEV_READER, "clone_terms": CloneTerms(into_defer_target=False)}
    at = await runs.build(log(None))
    await runs.build(reader(at))
    await silently(runs, log(at, source=T0 + 1), at)
    copied = await runs.ask(reader(at, lag_tolerance_seconds=86_400, **dev))
    assert isinstance(copied.decision, Clone)
    await runs.inside.ledger._documents.delete(target_key("default", TargetKey("ns", LOG)))
    runs.inside.clock.time += MINUTE
    copy = runs.inside.clock.time
    await runs.inside.confirm(runs.caller(), copied.ticket, Outcome(copy))

    assert isinstance((await runs.ask(reader(at, copy, **dev))).decision, Build)


@pytest.mark.parametrize("policy", list(StaleUpstreamPolicy))
@pytest.mark.parametrize("nights", [1, 20])
async def test_rows_of_other_logic_do_not_wait_though_the_logic_came_back(
    runs: Runs, nights: int, policy: StaleUpstreamPolicy
) -> None:
    """Code A, B, A: the incremental keeps the rows of B (rule F5)."""
    other = Relation('"shop"."raw"."other"')
    plain: dict[str, Any] = {"lag_tolerance_seconds": 86_400, "stale_upstream_policy": policy}
    sql = f"select count(*) as n from {LOG} cross join {other}"

    def asked_for(log_at: int, own: int | None) -> Submission:
        return table(READER, sql, {LOG: log_at, other: T0}, own, **plain)

    at = await runs.build(log(None))
    own = await runs.build(asked_for(at, None))
    at = await runs.build(log(at, source=T0 + 1))
    patient = isinstance((await runs.ask(asked_for(at, own))).decision, Skip)
    at = await runs.build(log(at, hashes=HOOKED, source=T0 + 1))
    for night in range(nights):
        at = await runs.build(log(at, source=T0 + 2 + night))

    decided = await runs.ask(asked_for(at, own))
    assert patient, "data alone may wait"
    assert isinstance(decided.decision, Build)
    assert "rebuilt with changed logic" in decided.decision.description


async def test_rows_of_other_logic_do_not_wait_further_downstream(runs: Runs) -> None:
    top = Relation('"shop"."prod"."top"')

    def on_top(own_reader: int, own: int | None) -> Submission:
        return table(top, f"select n from {READER}", {READER: own_reader}, own, lag_tolerance_seconds=86_400)

    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    top_own = await runs.build(on_top(own, None))
    at = await runs.build(log(at, hashes=HOOKED))
    at = await runs.build(log(at, source=T0 + 1))
    own = await runs.build(reader(at, own))

    assert isinstance((await runs.ask(on_top(own, top_own))).decision, Build)


async def test_rows_of_other_logic_do_not_wait_where_they_are_confirmed_late(runs: Runs) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    late = await runs.ask(log(at, hashes=HOOKED))
    runs.inside.clock.time += MINUTE
    written = runs.inside.clock.time
    at = await runs.build(log(written, source=T0 + 1))
    await runs.inside.confirm(runs.caller(), late.ticket, Outcome(written))

    assert isinstance((await runs.ask(reader(at, own, lag_tolerance_seconds=86_400))).decision, Build)


async def test_rows_of_a_build_that_was_never_confirmed_do_not_wait(runs: Runs) -> None:
    """Its code may have been other code, and the next build keeps its rows."""
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    seen = await runs.ask(reader(at, own))
    runs.inside.clock.time += MINUTE
    at = await runs.build(log(runs.inside.clock.time, source=T0 + 1))

    assert isinstance(seen.decision, Skip), "what it read stood until it was over"
    assert isinstance((await runs.ask(reader(at, own, lag_tolerance_seconds=86_400))).decision, Build)


async def test_a_repeated_confirmation_leaves_the_lineage_of_an_incremental(runs: Runs) -> None:
    at = await runs.build(log(None))
    answer = await runs.ask(log(at, hashes=HOOKED, source=T0 + 1))
    at = await runs.confirm(answer)
    own = await runs.build(reader(at))
    await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(at))
    at = await runs.build(log(at, hashes=HOOKED, source=T0 + 2))

    waits = await runs.ask(reader(at, own, lag_tolerance_seconds=86_400))
    assert isinstance(waits.decision, Skip)


async def test_a_table_that_becomes_an_incremental_builds_those_who_read_it_before(runs: Runs) -> None:
    """A table lists no readers, so they are searched for."""
    at = await runs.build(log(None, execution_type=ExecutionType.FULL))
    own = await runs.build(reader(at))
    await silently(runs, log(at, hashes=HOOKED), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


async def test_an_incremental_that_is_on_record_for_the_first_time_builds_those_who_read_it_before(runs: Runs) -> None:
    """It was there, and looked like a source."""
    own = await runs.build(reader(T0))
    await silently(runs, log(T0), T0)

    assert isinstance((await runs.ask(reader(T0, own))).decision, Build)


async def test_more_readers_than_a_document_lists_are_searched_for(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbt_state_oss.application.recording.MOST_READERS", 1)
    assert MOST_READERS > 1
    at = await runs.build(log(None))
    names = [Relation(f'"shop"."prod"."reader_{number}"') for number in range(3)]
    owns = [await runs.build(reader(at, relation=name)) for name in names]
    await silently(runs, log(at, hashes=HOOKED), at)

    for name, own in zip(names, owns, strict=True):
        assert isinstance((await runs.ask(reader(at, own, relation=name))).decision, Build)


async def test_an_incremental_that_was_invalidated_and_wrote_no_row_builds_its_readers(runs: Runs) -> None:
    """Rule I5: what reads a forgotten target is rebuilt after it."""
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    accounts = [one async for one in runs.inside.ledger.accounts("default") if one.target.name == LOG]
    runs.inside.clock.time += MINUTE
    await runs.inside.ledger.forget(accounts[0], at=runs.inside.clock.time)
    await silently(runs, log(at), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


async def test_a_recorded_build_tells_its_readers(runs: Runs) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    runs.inside.clock.time += HOUR
    await runs.inside.record(runs.caller(), [Recorded(log(at, hashes=HOOKED), Outcome(at))])

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


async def test_a_reader_that_is_recorded_without_a_question_is_told_later(runs: Runs) -> None:
    at = await runs.build(log(None))
    runs.inside.clock.time += 48 * HOUR
    own = runs.inside.clock.time
    await runs.inside.record(runs.caller(), [Recorded(reader(at), Outcome(own))])
    assert isinstance((await runs.ask(reader(at, own))).decision, Skip)
    await silently(runs, log(at, hashes=HOOKED), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build)


async def test_a_repeated_confirmation_builds_nobody_again(runs: Runs) -> None:
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    answer = await silently(runs, log(at, hashes=HOOKED), at)
    own = await runs.build(reader(at, own))
    runs.inside.clock.time += MINUTE
    await runs.inside.confirm(runs.caller(), answer.ticket, Outcome(at))

    assert isinstance((await runs.ask(reader(at, own))).decision, Skip)


async def test_a_reader_keeps_its_one_request(clock: HandClock) -> None:
    store = CountingStore()
    inside = Inside(store, clock)
    runs = Runs(inside)
    at = await runs.build(log(None))
    own = await runs.build(reader(at))
    store.asked.clear()

    assert isinstance((await runs.ask(reader(at, own))).decision, Skip)

    assert store.asked == {"get": 1}
    await inside.close()


@pytest.mark.parametrize(
    ("changes", "is_built"),
    [
        ({}, False),
        ({"execution_type": ExecutionType.DBT_CUSTOM}, True),
        ({"source": T0 + 1}, False),
        ({"extras": {"on_schema_change": '"append_new_columns"'}}, True),
    ],
    ids=["the second run", "a strategy of the project", "a source that moved", "columns that may be added"],
)
async def test_what_wrote_no_row_and_has_no_hook_changed_nothing(
    runs: Runs, changes: dict[str, Any], *, is_built: bool
) -> None:
    """That there are no hooks is proven as in `test_hook_free.py`."""
    configuration = json.dumps({"materialized": "incremental"}).encode()
    hookless = NodeHashes(body="b1", configs=md5(configuration, usedforsecurity=False).hexdigest())
    first: dict[str, Any] = {
        "hashes": hookless,
        "clone_terms": CloneTerms(into_defer_target=True),
        "extras": {"on_schema_change": '"ignore"'},
    }
    second = {**first, **changes}
    at = await runs.build(log(None, **first))
    own = await runs.build(reader(at))
    asked = replace(log(at, **second), tolerate_nondeterminism=True)
    text = replace(asked.code, sql=f"select id from {SOURCE} where id > (select max(id) from {LOG})")  # type: ignore[arg-type]
    await silently(runs, replace(asked, code=text), at)

    assert isinstance((await runs.ask(reader(at, own))).decision, Build if is_built else Skip)


async def test_a_copy_of_an_incremental_lists_its_readers(runs: Runs, store: MemoryStore) -> None:
    """So a silent run upon the copy searches for nobody."""
    at = await runs.build(log(None))
    dev_log = Relation('"shop"."dev"."order_log"')
    copy = await runs.pre_clone(copy_order(LOG, dev_log, log(at), at))
    await runs.build(table(DEV_READER, f"select id from {dev_log}", {dev_log: copy}, target_name="dev"))

    found = await store.get(target_key("default", TargetKey("ns", dev_log)))

    assert isinstance(found, Document)
    assert decode_target(found.data).readers == (DEV_READER,)


async def test_a_silent_build_is_seen_though_no_record_explains_the_content_that_it_found(
    inside: Inside, clock: HandClock
) -> None:
    """The incremental is older than its first record, on a warehouse that stamps its epochs."""
    runs, house = Runs(inside), "snowflake"
    dialect = dialect_named(house)
    raw, middle, growing, reader = (
        dialect.relation(f"shop.{name}") for name in ("raw.orders", "prod.middle", "prod.growing", "prod.reader")
    )
    extras = {"on_schema_change": '"append_new_columns"'}

    def grows(columns: str, middle_at: int) -> Submission:
        sql = f"select {columns} from {middle} where id > (select max(id) from {growing})"
        return table(
            growing, sql, {middle: middle_at}, T0, house=house, execution_type=ExecutionType.MERGE, extras=extras
        )

    def reads(own_epoch: int | None = None) -> Submission:
        return table(reader, f"select * from {growing}", {growing: T0}, own_epoch, house=house)

    await runs.build(table(middle, f"select id from {raw}", {raw: T0}, house=house))
    written_by_hand = clock.time + 5 * MINUTE
    clock.time += 10 * MINUTE
    await runs.build(grows("id", written_by_hand))
    own = await runs.build(reads())
    assert isinstance((await runs.ask(reads(own))).decision, Skip)
    clock.time += 10 * MINUTE
    await runs.build(grows("id, amount", clock.time))

    asked = await runs.ask(reads(own))
    assert isinstance(asked.decision, Build), asked.decision.description
