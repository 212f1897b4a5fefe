"""The journal of decisions: told of at once, written in groups, found by id alone, lost before anything waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.test_lifecycle import BUILT_ONCE, MISSING, OUTCOME, SQL, code
from tests.domain.building import CASE, MART
from tests.domain.varying import SAME

from dbt_state_oss.application import journal as journals
from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import Verdict
from dbt_state_oss.application.explain import MOST_ASKED
from dbt_state_oss.application.inspect import decisions_about
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.journal_part import MOST_ENTRIES
from dbt_state_oss.application.keys import is_aside, journal_prefix
from dbt_state_oss.application.ports import Document, Unchanged, Version
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build
from dbt_state_oss.domain.explanation import MOST_LINES, ExplainLine
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.stores.memory import MemoryStore

CALLER = Caller("default", "a" * 32, "b" * 32)
STRANGER = Caller("strangers", "a" * 32, "b" * 32)
DAY_MS = 86_400_000


class Counting(MemoryStore):
    """Counts what it is asked; takes no writes while `full`."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = self.puts = 0

    async def get(self, key: str, *, unless: Version | None = None) -> Document | Unchanged | None:
        self.gets += 1
        return await super().get(key, unless=unless)

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        self.puts += 1
        return await super().put(key, data, expected=expected)


@pytest.fixture
async def counting() -> AsyncIterator[Counting]:
    store = Counting()
    yield store
    await store.close()


def noted(journal: Journal, *, caller: Caller = CALLER, times: int = 1) -> list[str]:
    decision = decide(SAME)
    return [journal.note(caller, SAME, decision, execution_id=f"ns.t.{number}") for number in range(times)]


async def keys(store: MemoryStore) -> list[str]:
    return [key async for key in store.list(journal_prefix("default"))]


async def test_a_decision_is_told_of_at_once_by_who_made_it_and_by_others_when_it_is_written(
    inside: Inside, store: MemoryStore, clock: HandClock
) -> None:
    built = await inside.submit(CALLER, MISSING)
    await inside.confirm(CALLER, built.ticket, OUTCOME)
    skipped = await inside.submit(CALLER, BUILT_ONCE)
    other = Journal(store, clock)
    ids = [built.decision_id, skipped.decision_id]
    assert len(await inside.journal.find("default", ids)) == 2

    await inside.close()
    found = await other.find("default", ids)
    assert [found[each].verdict for each in ids] == [Verdict.BUILD, Verdict.SKIP]
    assert [found[each].description for each in ids] == [built.decision.description, skipped.decision.description]
    assert [found[each].explanation for each in ids] == [built.decision.explanation, skipped.decision.explanation]
    assert (found[ids[0]].target, found[ids[0]].at) == (MISSING.key, clock.time)
    assert (found[ids[0]].saved_ms, found[ids[1]].saved_ms) == (0, 1500)
    assert (await inside.ledger.history("default", MISSING.key)).executions[0].id == found[ids[0]].execution_id


async def test_a_run_of_fifty_is_written_in_one_put_and_found_in_one_read(counting: Counting, clock: HandClock) -> None:
    journal, other = Journal(counting, clock), Journal(counting, clock)
    ids = noted(journal, times=50)
    await journal.close()
    assert counting.puts == 1
    counting.gets = 0
    assert (await other.find("default", ids)).keys() == set(ids)
    assert counting.gets == 1


async def test_a_long_session_goes_on_in_further_parts(counting: Counting, clock: HandClock) -> None:
    journal, other = Journal(counting, clock), Journal(counting, clock)
    ids = noted(journal, times=2 * MOST_ENTRIES + 1)
    await journal.close()
    assert len(await keys(counting)) == 3
    assert len(await other.find("default", ids)) == len(set(ids)) == 2 * MOST_ENTRIES + 1


async def test_another_organization_finds_nothing(inside: Inside) -> None:
    (name,) = noted(inside.journal)
    assert await inside.journal.find(STRANGER.organization, [name]) == {}
    await inside.close()
    assert await inside.journal.find(STRANGER.organization, [name]) == {}
    assert list(await inside.journal.find("default", [name])) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "20260101.s.0123456789abcdef",
        "../../x.s.0123456789abcdef.1",
        "20260101.a/../b.0123456789abcdef.1",
        "20260101.s.0123456789abcdef.1",
        "20260101.s.0123456789abcdef.1\n",
        "9" * 10_000,
    ],
    ids=["empty", "a word", "no number", "a path", "a path as session", "of no part", "with a line's end", "long"],
)
async def test_an_id_that_is_none_or_names_nothing_is_left_out(inside: Inside, name: str) -> None:
    assert await inside.journal.find("default", [name]) == {}


async def test_what_was_written_already_is_added_to(store: MemoryStore, clock: HandClock) -> None:
    journal = Journal(store, clock)
    first = noted(journal)
    assert await journal._write()
    second = noted(journal)
    assert await journal._write()
    assert len(await keys(store)) == 1
    assert len(await Journal(store, clock).find("default", first + second)) == 2
    await journal.close()


async def test_a_part_that_somebody_deletes_is_written_again_whole(store: MemoryStore, clock: HandClock) -> None:
    journal = Journal(store, clock)
    first = noted(journal)
    await journal._write()
    (key,) = await keys(store)
    document = await store.get(key)
    assert isinstance(document, Document)
    await store.delete(key, expected=document.version)
    second = noted(journal)
    assert not await journal._write()  # finds out
    assert await journal._write()
    assert len(await Journal(store, clock).find("default", first + second)) == 2
    await journal.close()


async def test_a_broken_part_counts_as_absent_and_a_broken_decision_hides_no_other(
    store: MemoryStore, clock: HandClock
) -> None:
    journal, other = Journal(store, clock), Journal(store, clock)
    ids = noted(journal, times=2)
    await journal.close()
    (key,) = await keys(store)
    document = await store.get(key)
    assert isinstance(document, Document)
    damaged = document.data.replace(b'"number":1', b'"number":"one"')
    version = await store.put(key, damaged, expected=document.version)
    assert list(await other.find("default", ids)) == ids[1:]
    await store.put(key, damaged[:-5], expected=version)
    assert await other.find("default", ids) == {}


async def test_while_the_store_is_away_decisions_are_dropped_before_memory_runs_out(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_MOST_NOTED", 10)
    monkeypatch.setattr(journals, "_MOST_BYTES", 20_000)
    gone = MemoryStore()
    await gone.close()
    journal = Journal(gone, clock)
    ids: list[str] = []
    for _ in range(20):
        ids += noted(journal, times=20)
        assert not await journal._write()
    assert len(set(ids)) == len(ids)
    assert journal._bytes < 40_000
    kept = await journal.find("default", [name for name in ids if name in await held(journal, ids)])
    assert 10 <= len(kept) < 100
    await journal.close()


async def held(journal: Journal, ids: list[str]) -> set[str]:
    """Those of the decisions that are still in memory."""
    parts = {part.id_of(number) for part in journal._parts.values() for number in part.entries()}
    return parts & set(ids)


async def test_an_endless_account_is_abridged(store: MemoryStore, clock: HandClock) -> None:
    journal = Journal(store, clock)
    lines = tuple(ExplainLine(f"line {number}") for number in range(10_000))
    name = journal.note(CALLER, SAME, replace(decide(SAME), explanation=lines), execution_id="ns.t.x")
    await journal.close()
    explanation = (await journal.find("default", [name]))[name].explanation
    assert len(explanation) == MOST_LINES + 1
    assert explanation[-1].text == f"… and {10_000 - MOST_LINES} more"


async def test_the_newest_decisions_about_a_name_are_found(store: MemoryStore, clock: HandClock) -> None:
    for description in ("first", "second", "third"):
        journal = Journal(store, clock)
        case = replace(CASE, now=clock.time)
        journal.note(CALLER, case, replace(decide(case), description=description), execution_id="")
        await journal.close()
        clock.time += DAY_MS
    for pattern in (MART, "shop.prod.*", "mart", "model.shop.mart"):
        found = await decisions_about(store, "default", pattern, most=2)
        assert [entry.description for entry in found.values()] == ["third", "second"]
    assert await decisions_about(store, "default", "other", most=2) == {}


async def test_more_ids_than_an_answer_has_room_for_are_refused(inside: Inside) -> None:
    explain = inside.explain
    assert await explain(CALLER, ["x"] * MOST_ASKED) == {}
    with pytest.raises(InvalidRequest, match="the limit is"):
        await explain(CALLER, ["x"] * (MOST_ASKED + 1))


async def test_a_decision_without_the_state_is_explained_too(clock: HandClock) -> None:
    gone = MemoryStore()
    await gone.close()
    blind = Inside(gone, clock)
    asked = await blind.submit(CALLER, replace(MISSING, code=code(SQL)))
    assert isinstance(asked.decision, Build)
    (entry,) = (await blind.journal.find("default", [asked.decision_id])).values()
    assert "could not be read" in entry.explanation[0].text
    await blind.close()


def test_what_was_set_aside_lies_under_the_day_of_its_part() -> None:
    assert is_aside(f"{journal_prefix('default')}20260101/s/0123.broken-ff")
