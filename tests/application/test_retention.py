"""What is kept for explanations goes when it is out of date, and when it was kept under another setting."""

from __future__ import annotations

import asyncio

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.test_lifecycle import MISSING

from dbt_state_oss.application import retention as retentions
from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.ports import Version
from dbt_state_oss.application.retention import Retention, day_of
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.stores.memory import MemoryStore

CALLER = Caller("default", "a" * 32)
DAY_MS = 86_400_000


async def keys(store: MemoryStore) -> list[str]:
    return [key async for key in store.list("")]


async def put_all(store: MemoryStore, *names: str) -> None:
    for name in names:
        await store.put(name, b"whatever it holds", expected=None)


@pytest.fixture
def days(clock: HandClock) -> list[str]:
    """Today and each of the 32 days before it."""
    return [day_of(clock.time - age * DAY_MS) for age in range(33)]


async def test_parts_of_the_journal_go_after_their_days(store: MemoryStore, clock: HandClock, days: list[str]) -> None:
    await put_all(store, *(f"default/journal/{day}/s/0123456789abcdef" for day in days))
    await put_all(
        store, f"default/journal/{days[32]}/s/0.broken-ff", "default/targets/=/0", "other/journal/20200101/s/0"
    )
    await Retention(store, clock, journal_days=30, store_sql=StoreSql.NONE).tidy("default")
    kept = {f"default/journal/{day}/s/0123456789abcdef" for day in days[:31]}
    assert set(await keys(store)) == kept | {"default/targets/=/0", "other/journal/20200101/s/0"}


@pytest.mark.parametrize("keep", StoreSql)
async def test_texts_go_that_another_setting_kept(store: MemoryStore, clock: HandClock, keep: StoreSql) -> None:
    await put_all(store, "default/texts-canonical/=/0", "default/texts-full/=/0", "other/texts-full/=/0")
    await Retention(store, clock, journal_days=30, store_sql=keep).tidy("default")
    left = [key for key in await keys(store) if key.startswith("default/")]
    assert left == ([] if keep is StoreSql.NONE else [f"default/texts-{keep.value}/=/0"])
    assert "other/texts-full/=/0" in await keys(store)


async def test_much_is_deleted_bit_by_bit_and_then_not_looked_for_until_tomorrow(
    store: MemoryStore, clock: HandClock, days: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retentions, "MOST_DELETED", 2)
    await put_all(store, *(f"default/journal/20200101/s/{number}" for number in range(3)))
    retention = Retention(store, clock, journal_days=30, store_sql=StoreSql.NONE)
    await retention.tidy("default")
    assert len(await keys(store)) == 1
    await retention.tidy("default")
    assert await keys(store) == []
    await put_all(store, "default/journal/20200101/s/0")
    await retention.tidy("default")
    assert len(await keys(store)) == 1
    clock.time += DAY_MS
    await retention.tidy("default")
    assert await keys(store) == []


class DeletingSlowly(MemoryStore):
    """Takes deletions, and carries out none before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.deleting: set[str] = set()
        self.two_at_once = asyncio.Event()
        self.told = asyncio.Event()

    async def delete(self, key: str, *, expected: Version) -> None:
        self.deleting.add(key)
        if len(self.deleting) > 1:
            self.two_at_once.set()
        await self.told.wait()
        await super().delete(key, expected=expected)


async def test_decisions_are_written_while_much_is_deleted_and_the_end_does_not_wait(clock: HandClock) -> None:
    store = DeletingSlowly()
    await put_all(store, *(f"default/journal/20200101/s/{number}" for number in range(9)))
    inside = Inside(store, clock)
    await inside.submit(CALLER, MISSING)
    await store.two_at_once.wait()
    later = await inside.submit(CALLER, MISSING)
    await inside.close()
    assert await Journal(store, clock).find("default", [later.decision_id])
    assert len(store.deleting) < 9


async def test_what_is_tidied_already_is_not_begun_twice(store: MemoryStore, clock: HandClock) -> None:
    retention = Retention(store, clock, journal_days=30, store_sql=StoreSql.NONE)
    retention.begin("default")
    retention.begin("default")
    assert len(retention._running) == 1
    await asyncio.gather(*retention._running.values())
    retention.begin("default")
    assert not retention._running
    await retention.close()
    clock.time += DAY_MS
    retention.begin("default")
    assert not retention._running


async def test_a_store_that_is_away_is_tried_again(clock: HandClock) -> None:
    gone = MemoryStore()
    await gone.close()
    retention = Retention(gone, clock, journal_days=30, store_sql=StoreSql.NONE)
    await retention.tidy("default")
    await retention.tidy("default")
    assert not retention._tidied
