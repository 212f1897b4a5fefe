"""Submit, build, confirm, submit again: what is promised, recorded and reused (decision-rules: Writing)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.application.conftest import LIFETIME_MS, HandClock, Inside
from tests.domain.building import BUILT, CUSTOMERS, MART, MINUTE, ORDERS, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.keys import target_key
from dbt_state_oss.application.ports import Document, Unchanged, Version
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.domain.decision import Build, Decision, Skip
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, ExecutionType, Submission, TargetKey
from dbt_state_oss.errors import InvalidTicket, StoreUnavailable
from dbt_state_oss.stores.memory import MemoryStore

SQL = 'select o.id, c.name from "shop"."raw"."orders" o join "shop"."raw"."customers" c on c.id = o.customer_id'


def code(sql: str, target: Relation = MART) -> Code:
    return Code(SUBMISSION.code.dialect, sql, "shop", "public", target)


MISSING = replace(SUBMISSION, code=code(SQL), own_epoch=None, extras={"grants": "{}"})
BUILT_ONCE = replace(MISSING, own_epoch=BUILT)
OUTCOME = Outcome(epoch=BUILT, runtime_ms=1500)


def edited(sql: str) -> Submission:
    return replace(BUILT_ONCE, code=code(sql))


async def test_a_confirmed_build_is_reused_and_costs_no_parsing(inside: Inside, caller: Caller) -> None:
    asked = await inside.submit(caller, MISSING)
    identity = await inside.confirm(caller, asked.ticket, OUTCOME)

    again = await inside.submit(caller, BUILT_ONCE)

    assert isinstance(asked.decision, Build)
    assert isinstance(again.decision, Skip)
    assert (again.decision.execution.id, again.decision.execution.runtime_ms, again.ticket) == (identity, 1500, "")
    assert len(inside.workers.parsed) == 1


async def test_a_cosmetic_edit_is_parsed_and_reused(inside: Inside, caller: Caller) -> None:
    asked = await inside.submit(caller, MISSING)
    await inside.confirm(caller, asked.ticket, OUTCOME)

    again = await inside.submit(
        caller, edited(f"-- a comment\n{SQL.upper().replace('SHOP', 'shop').replace('RAW', 'raw')}")
    )
    cosmetic = await inside.submit(caller, edited(f"-- a comment\n{SQL}"))

    assert isinstance(again.decision, Build)  # quoted names in other letters are other names
    assert isinstance(cosmetic.decision, Skip)


async def test_what_was_not_parsed_in_time_is_parsed_at_the_next_run(inside: Inside, caller: Caller) -> None:
    inside.workers.busy = True
    asked = await inside.submit(caller, MISSING)
    await inside.confirm(caller, asked.ticket, OUTCOME)
    while_busy = await inside.submit(caller, BUILT_ONCE)
    inside.workers.busy = False

    again = await inside.submit(caller, BUILT_ONCE)

    assert isinstance(while_busy.decision, Skip)
    assert isinstance(again.decision, Build)  # a text cannot be held against what was parsed
    assert len(inside.workers.parsed) == 1


async def test_what_cannot_be_parsed_is_not_parsed_again(inside: Inside, caller: Caller) -> None:
    unparsable = "select from where ("
    asked = await inside.submit(caller, replace(MISSING, code=code(unparsable)))
    await inside.confirm(caller, asked.ticket, OUTCOME)

    again = await inside.submit(caller, edited(unparsable))

    assert isinstance(again.decision, Skip)
    assert len(inside.workers.parsed) == 1


async def test_without_a_confirm_the_next_run_builds(inside: Inside, caller: Caller) -> None:
    await inside.submit(caller, MISSING)

    assert isinstance((await inside.submit(caller, BUILT_ONCE)).decision, Build)


async def test_a_ticket_survives_the_replica_that_issued_it(
    store: MemoryStore, clock: HandClock, caller: Caller
) -> None:
    issuing, other = Inside(store, clock), Inside(store, clock)
    asked = await issuing.submit(caller, MISSING)

    await other.confirm(caller, asked.ticket, OUTCOME)

    assert isinstance((await issuing.submit(caller, BUILT_ONCE)).decision, Skip)
    await issuing.node_states.close()


async def test_a_repeated_confirm_is_one_execution_with_its_first_time(
    inside: Inside, caller: Caller, clock: HandClock
) -> None:
    asked = await inside.submit(caller, MISSING)
    first = await inside.confirm(caller, asked.ticket, OUTCOME)
    clock.time += MINUTE
    second = await inside.confirm(caller, asked.ticket, OUTCOME)

    history = await inside.ledger.history("default", SUBMISSION.key)
    assert first == second
    assert [one.built_at for one in history.executions] == [clock.time - MINUTE]


async def test_a_repeated_submit_promises_the_same_execution(inside: Inside, caller: Caller) -> None:
    one, other = await inside.submit(caller, MISSING), await inside.submit(caller, MISSING)

    ids = {await inside.confirm(caller, each.ticket, OUTCOME) for each in (one, other)}

    assert len(ids) == 1


async def test_confirms_out_of_order_leave_the_youngest_build_the_latest(inside: Inside, caller: Caller) -> None:
    older = await inside.submit(Caller("default", "b" * 32), MISSING)
    younger = await inside.submit(Caller("default", "c" * 32), replace(MISSING, inputs={ORDERS: T0 + 1, CUSTOMERS: T0}))

    await inside.confirm(caller, younger.ticket, Outcome(epoch=BUILT + 10))
    await inside.confirm(caller, older.ticket, Outcome(epoch=BUILT))

    history = await inside.ledger.history("default", SUBMISSION.key)
    assert [one.epoch for one in history.executions] == [BUILT + 10, BUILT]


async def test_a_bad_ticket_records_nothing(inside: Inside, caller: Caller, clock: HandClock) -> None:
    asked = await inside.submit(caller, MISSING)
    clock.time += LIFETIME_MS + 1

    with pytest.raises(InvalidTicket):
        await inside.confirm(caller, asked.ticket, OUTCOME)
    assert not (await inside.ledger.history("default", SUBMISSION.key)).executions


async def test_state_that_cannot_be_read_is_a_build_that_can_be_confirmed_later(
    inside: Inside, store: MemoryStore, caller: Caller, clock: HandClock
) -> None:
    gone = MemoryStore()
    await gone.close()
    blind = Inside(gone, clock)

    asked = await blind.submit(caller, MISSING)
    with pytest.raises(StoreUnavailable):
        await blind.confirm(caller, asked.ticket, OUTCOME)
    await inside.confirm(caller, asked.ticket, OUTCOME)

    assert isinstance(asked.decision, Build)
    assert "could not be read" in asked.decision.description
    assert isinstance((await inside.submit(caller, BUILT_ONCE)).decision, Skip)
    await blind.node_states.close()


class SilentStore(MemoryStore):
    """A store that takes questions and never answers."""

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        await asyncio.Event().wait()
        raise AssertionError


async def test_state_that_is_not_read_in_time_is_a_build_that_says_so(caller: Caller, clock: HandClock) -> None:
    inside = Inside(SilentStore(), clock, read_timeout_seconds=0.01)
    untracked = replace(BUILT_ONCE, node=replace(BUILT_ONCE.node, tracked=False))

    decision = (await inside.submit(caller, untracked)).decision

    assert isinstance(decision, Build)
    assert "the store did not answer in time" in decision.description


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff", b"{}", b'{"format":"target/2","executions":[]}', b"[" * 100_000])
async def test_a_broken_document_counts_as_absent_and_is_set_aside(
    inside: Inside, store: MemoryStore, caller: Caller, garbage: bytes
) -> None:
    key = target_key("default", SUBMISSION.key)
    await store.put(key, garbage, expected=None)

    asked = await inside.submit(caller, BUILT_ONCE)
    await inside.confirm(caller, asked.ticket, OUTCOME)

    aside = [name async for name in store.list(f"{key}.broken-")]
    kept = await store.get(aside[0])
    assert isinstance(asked.decision, Build)
    assert isinstance(kept, Document)
    assert kept.data == garbage
    assert isinstance((await inside.submit(caller, BUILT_ONCE)).decision, Skip)
    assert len([account async for account in inside.ledger.accounts("default")]) == 1


async def test_hooks_move_the_epoch_of_the_latest_execution_forward_only(inside: Inside, caller: Caller) -> None:
    asked = await inside.submit(caller, MISSING)
    identity = await inside.confirm(caller, asked.ticket, OUTCOME)

    await inside.update_metadata(caller, identity, BUILT + 5)
    await inside.update_metadata(caller, identity, BUILT + 3)
    await inside.update_metadata(caller, identity, None)
    for unknown in ("", "x", "../../etc", identity.replace(".", "", 1), identity + "0"):
        await inside.update_metadata(caller, unknown, BUILT + 99)

    history = await inside.ledger.history("default", SUBMISSION.key)
    assert [one.epoch for one in history.executions] == [BUILT + 5]


async def test_an_older_execution_is_not_moved(inside: Inside, caller: Caller) -> None:
    ids = []
    for request_id, epoch in (("b" * 32, BUILT), ("c" * 32, BUILT + 10)):
        asked = await inside.submit(Caller("default", request_id), MISSING)
        ids.append(await inside.confirm(caller, asked.ticket, Outcome(epoch=epoch)))

    await inside.update_metadata(caller, ids[0], BUILT + 99)

    history = await inside.ledger.history("default", SUBMISSION.key)
    assert [one.epoch for one in history.executions] == [BUILT + 10, BUILT]


async def test_organizations_share_nothing(inside: Inside, caller: Caller) -> None:
    asked = await inside.submit(caller, MISSING)
    await inside.confirm(caller, asked.ticket, OUTCOME)

    assert isinstance((await inside.submit(Caller("others", "a" * 32), BUILT_ONCE)).decision, Build)


async def test_a_recorded_build_is_reused_like_a_confirmed_one(inside: Inside, caller: Caller) -> None:
    assert await inside.record(caller, [Recorded(MISSING, OUTCOME)]) == 1

    assert isinstance((await inside.submit(caller, BUILT_ONCE)).decision, Skip)


async def test_a_recorded_microbatch_is_never_reused(inside: Inside, caller: Caller) -> None:
    microbatch = replace(MISSING, execution_type=ExecutionType.MICROBATCH)
    await inside.record(caller, [Recorded(microbatch, OUTCOME)])

    decision = (await inside.submit(caller, replace(microbatch, own_epoch=BUILT))).decision

    assert isinstance(decision, Build)
    assert "some of its batches may have failed" in decision.description


@pytest.mark.parametrize(
    ("runtime_ms", "reused"),
    [(0, False), (BUILT - T0, False), (BUILT - T0 - 1, True)],
    ids=["its runtime is not known", "an input moved when it began", "all inputs are older than its beginning"],
)
async def test_an_untracked_build_is_reused_only_if_no_input_may_have_moved_during_it(
    inside: Inside, caller: Caller, runtime_ms: int, reused: bool
) -> None:
    outcome = Outcome(epoch=BUILT, runtime_ms=runtime_ms)
    await inside.record(caller, [Recorded(MISSING, outcome, from_speculative_submit=True)])

    assert isinstance((await inside.submit(caller, BUILT_ONCE)).decision, Skip) == reused


async def test_a_speculative_submit_is_a_skip_where_the_epochs_sent_so_far_prove_it(
    inside: Inside, caller: Caller
) -> None:
    asked = await inside.submit(caller, MISSING)
    identity = await inside.confirm(caller, asked.ticket, OUTCOME)

    answer = await inside.submit_speculatively(caller, BUILT_ONCE)

    assert answer is not None
    assert isinstance(answer.decision, Skip)
    assert answer.decision.execution.id == identity


@pytest.mark.parametrize(
    "lacking",
    [
        replace(BUILT_ONCE, own_epoch=None),
        replace(BUILT_ONCE, inputs={**BUILT_ONCE.inputs, ORDERS: None}),
        replace(BUILT_ONCE, inputs={CUSTOMERS: T0}),
        replace(BUILT_ONCE, inputs={ORDERS: None, CUSTOMERS: None}, lag_tolerance_seconds=100_000),
        edited(f"{SQL} limit 1"),
    ],
    ids=[
        "its own epoch",
        "an input's epoch",
        "an input",
        "all inputs' epochs, within the tolerance",
        "the logic of before",
    ],
)
async def test_a_speculative_submit_without_proof_stays_undecided(
    inside: Inside, caller: Caller, lacking: Submission
) -> None:
    asked = await inside.submit(caller, MISSING)
    await inside.confirm(caller, asked.ticket, OUTCOME)

    assert await inside.submit_speculatively(caller, lacking) is None


async def test_a_test_returns_the_results_that_were_recorded(inside: Inside, caller: Caller) -> None:
    test = replace(MISSING, key=TargetKey("ns", "test:t"), relation=None, execution_type=ExecutionType.DBT_DATA_TEST)
    results = DataTestResults(3, should_warn=True, should_error=True)
    asked = await inside.submit(caller, test)
    await inside.confirm(caller, asked.ticket, Outcome(None, results=results, runtime_ms=7))

    decision = (await inside.submit(caller, test)).decision

    assert isinstance(decision, Skip)
    assert (decision.execution.results, decision.execution.runtime_ms) == (results, 7)


async def test_tolerance_hides_data_that_moved_but_not_logic_two_levels_up(inside: Inside, clock: HandClock) -> None:
    def table(name: str, sql: str, own: int | None, inputs: dict[Relation, int]) -> Submission:
        relation = Relation(f'"shop"."prod"."{name}"')
        return replace(
            SUBMISSION,
            key=TargetKey("ns", relation),
            relation=relation,
            code=code(sql, relation),
            own_epoch=own,
            inputs=inputs,
            lag_tolerance_seconds=3600,
        )

    async def build(number: int, submission: Submission, epoch: int) -> Decision:
        caller = Caller("default", f"{number:032d}")
        asked = await inside.submit(caller, submission)
        clock.time += 1
        if isinstance(asked.decision, Build):
            await inside.confirm(caller, asked.ticket, Outcome(epoch))
        return asked.decision

    base, middle = Relation('"shop"."prod"."base"'), Relation('"shop"."prod"."middle"')
    selects = [f"select * from {ORDERS}", f"select * from {base}", f"select * from {middle}"]
    await build(1, table("base", selects[0], None, {ORDERS: T0}), 100)
    await build(2, table("middle", selects[1], None, {base: 100}), 200)
    await build(3, table("top", selects[2], None, {middle: 200}), 300)

    # Data alone: base is built again (as if by another job), its children may wait.
    await build(4, replace(table("base", selects[0], 100, {ORDERS: T0 + 1}), lag_tolerance_seconds=0), 110)
    waiting = await build(5, table("middle", selects[1], 200, {base: 110}), 210)
    assert isinstance(waiting, Skip)
    assert waiting.stale

    # Logic: base means something else, so its child is built, and so is the child's child.
    await build(6, table("base", selects[0] + " where id > 1", 110, {ORDERS: T0 + 1}), 120)
    assert isinstance(await build(7, table("middle", selects[1], 200, {base: 120}), 220), Build)
    last = await build(8, table("top", selects[2], 300, {middle: 220}), 320)
    assert isinstance(last, Build)
    assert "changed logic" in last.description


async def test_a_later_incremental_run_of_one_template_has_the_lineage_of_the_first(inside: Inside) -> None:
    first = replace(MISSING, execution_type=ExecutionType.MERGE, compare_unrendered_code=True)
    later = replace(first, own_epoch=BUILT, inputs={**first.inputs, ORDERS: T0 + 1}, code=code(f"{SQL} where o.id > 7"))
    for number, submission in enumerate((first, later)):
        caller = Caller("default", f"{number:032d}")
        asked = await inside.submit(caller, submission)
        await inside.confirm(caller, asked.ticket, Outcome(BUILT + number))

    newer, older = (await inside.ledger.history("default", SUBMISSION.key)).executions
    assert newer.logic.fingerprint.digest != older.logic.fingerprint.digest
    assert newer.lineage == older.lineage


BASE, TOP = Relation('"shop"."prod"."base"'), Relation('"shop"."prod"."top"')


def table(relation: Relation, sql: str, own: int | None, inputs: dict[Relation, int]) -> Submission:
    key = TargetKey("ns", relation)
    return replace(SUBMISSION, key=key, relation=relation, code=code(sql, relation), own_epoch=own, inputs=inputs)


async def test_an_upstream_rebuilt_from_the_same_data_does_not_rebuild_its_children(inside: Inside) -> None:
    async def build(number: int, submission: Submission, epoch: int) -> str:
        asked = await inside.submit(Caller("default", f"{number:032d}"), submission)
        assert isinstance(asked.decision, Build), asked.decision.description
        return await inside.confirm(Caller("default", f"{number:032d}"), asked.ticket, Outcome(epoch))

    await build(1, table(BASE, f"select id from {ORDERS}", None, {ORDERS: T0}), 100)
    await build(2, table(TOP, f"select id from {BASE}", None, {BASE: 100}), 200)
    await build(3, table(BASE, f"select 1 as id from {ORDERS}", 100, {ORDERS: T0}), 250)
    again = await build(4, table(BASE, f"select id from {ORDERS}", 250, {ORDERS: T0}), 300)
    child = table(TOP, f"select id from {BASE}", 200, {BASE: 300})
    assert isinstance((await inside.submit(Caller("default", "5" * 32), child)).decision, Skip)

    await inside.update_metadata(Caller("default", "6" * 32), again, 301)  # a hook wrote to it
    child = table(TOP, f"select id from {BASE}", 200, {BASE: 301})
    assert isinstance((await inside.submit(Caller("default", "7" * 32), child)).decision, Build)


async def test_an_upstream_that_others_had_written_to_before_it_was_mended_rebuilds_its_children(
    inside: Inside,
) -> None:
    """They may have written to it while the child read it."""
    for number, (submission, epoch) in enumerate(
        [
            (table(BASE, f"select id from {ORDERS}", None, {ORDERS: T0}), 100),
            (table(TOP, f"select id from {BASE}", None, {BASE: 100}), 200),
            (table(BASE, f"select id from {ORDERS}", 101, {ORDERS: T0}), 300),
        ]
    ):
        asked = await inside.submit(Caller("default", f"{number:032d}"), submission)
        await inside.confirm(Caller("default", f"{number:032d}"), asked.ticket, Outcome(epoch))
    child = table(TOP, f"select id from {BASE}", 200, {BASE: 300})
    decision = (await inside.submit(Caller("default", "4" * 32), child)).decision
    assert isinstance(decision, Build)
    assert "may have changed while the last build read it" in decision.description


async def test_the_target_is_named_by_namespace_too(inside: Inside, caller: Caller) -> None:
    asked = await inside.submit(caller, MISSING)
    await inside.confirm(caller, asked.ticket, OUTCOME)

    for namespace in ("", "other"):
        elsewhere = replace(BUILT_ONCE, key=TargetKey(namespace, MART))
        assert isinstance((await inside.submit(caller, elsewhere)).decision, Build)
