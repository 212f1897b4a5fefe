"""What is imported is recorded as of its run: with the run's times, and under every rule that holds for unasked builds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.test_manifest_proof import BEGAN, ENDED, ID, LONG_AGO, RAN, built, manifest
from tests.domain.building import MART, ORDERS

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.cli.manifest.artifacts import PlainRun
from dbt_state_oss.cli.manifest.recording import record
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.settings import Settings, read_settings
from dbt_state_oss.stores.local import LocalStore

RUN = PlainRun(manifest(), {ID: RAN}, {})
TARGET = TargetKey("ns", MART)
WRITTEN = ENDED - 10


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({}, {"--dir": str(tmp_path), "--parse-workers": "1"})


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    store = await LocalStore.open(tmp_path)
    yield Ledger(store, cache_bytes=0)
    await store.close()


async def imported(settings: Settings, ledger: Ledger, build: Recorded) -> History:
    await record(settings, RUN, {ID: build})
    return await ledger.history(DEFAULT_ORGANIZATION, TARGET)


async def test_it_was_built_when_its_table_was_written_and_began_with_its_compilation(
    settings: Settings, ledger: Ledger
) -> None:
    (execution,) = (await imported(settings, ledger, built(WRITTEN))).executions
    assert (execution.epoch, execution.built_at, execution.confirmed_at) == (WRITTEN, WRITTEN, WRITTEN)
    assert execution.began_at == BEGAN
    assert execution.unproven is None
    assert execution.inputs[ORDERS].epoch == LONG_AGO


async def test_an_input_that_is_not_older_than_the_beginning_is_unknown(settings: Settings, ledger: Ledger) -> None:
    (execution,) = (await imported(settings, ledger, built(WRITTEN, orders=BEGAN))).executions
    assert execution.inputs[ORDERS].epoch is None


@pytest.mark.parametrize(("forgotten_at", "recorded"), [(BEGAN, False), (WRITTEN + 1, False), (BEGAN - 1, True)])
async def test_what_was_invalidated_since_it_began_stays_so(
    settings: Settings, ledger: Ledger, forgotten_at: int, recorded: bool
) -> None:
    older = built(WRITTEN - 10_000)
    before = replace(RAN, began=BEGAN - 20_000)
    await record(settings, replace(RUN, results={ID: before}), {ID: older})
    accounts = [account async for account in ledger.accounts(DEFAULT_ORGANIZATION)]
    assert await ledger.forget(accounts[0], at=forgotten_at)
    assert bool((await imported(settings, ledger, built(WRITTEN))).executions) == recorded


async def test_repeated_it_is_the_same_record(settings: Settings, ledger: Ledger) -> None:
    first = await imported(settings, ledger, built(WRITTEN))
    assert await imported(settings, ledger, built(WRITTEN)) == first


async def test_a_state_is_begun_where_there_is_none(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    await record(read_settings({}, {"--dir": str(directory), "--parse-workers": "1"}), RUN, {ID: built(WRITTEN)})
    store = await LocalStore.open(directory)
    assert len((await Ledger(store, cache_bytes=0).history(DEFAULT_ORGANIZATION, TARGET)).executions) == 1
    await store.close()
