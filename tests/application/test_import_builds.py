"""What is imported is recorded as of its run: with the run's times, and under every rule that holds for unasked builds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.application.conftest import Inside
from tests.application.test_import_proof import BEGAN, ENDED, ID, LONG_AGO, RAN, built, manifest
from tests.domain.building import MART, ORDERS

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.importing.builds import proven_builds
from dbt_state_oss.application.importing.proof import Judged
from dbt_state_oss.application.importing.run import PlainRun
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.submission import TargetKey

RUN = PlainRun(manifest(), {ID: RAN}, {})
TARGET = TargetKey("ns", MART)
WRITTEN = ENDED - 10


async def record(inside: Inside, run: PlainRun, build: Recorded) -> None:
    await inside.import_builds(DEFAULT_ORGANIZATION, proven_builds(run, Judged({ID: build})), lambda _: None)


async def imported(inside: Inside, build: Recorded) -> History:
    await record(inside, RUN, build)
    return await inside.ledger.history(DEFAULT_ORGANIZATION, TARGET)


async def test_it_was_built_when_its_table_was_written_and_began_with_its_compilation(inside: Inside) -> None:
    (execution,) = (await imported(inside, built(WRITTEN))).executions
    assert (execution.epoch, execution.built_at, execution.confirmed_at) == (WRITTEN, WRITTEN, WRITTEN)
    assert execution.began_at == BEGAN
    assert execution.unproven is None
    assert execution.inputs[ORDERS].epoch == LONG_AGO


async def test_an_input_that_is_not_older_than_the_beginning_is_unknown(inside: Inside) -> None:
    (execution,) = (await imported(inside, built(WRITTEN, orders=BEGAN))).executions
    assert execution.inputs[ORDERS].epoch is None


@pytest.mark.parametrize(("forgotten_at", "recorded"), [(BEGAN, False), (WRITTEN + 1, False), (BEGAN - 1, True)])
async def test_what_was_invalidated_since_it_began_stays_so(inside: Inside, forgotten_at: int, recorded: bool) -> None:
    older = built(WRITTEN - 10_000)
    before = replace(RAN, began=BEGAN - 20_000)
    await record(inside, replace(RUN, results={ID: before}), older)
    accounts = [account async for account in inside.ledger.accounts(DEFAULT_ORGANIZATION)]
    assert await inside.forget(accounts[0], at=forgotten_at)
    assert bool((await imported(inside, built(WRITTEN))).executions) == recorded


async def test_repeated_it_is_the_same_record(inside: Inside) -> None:
    first = await imported(inside, built(WRITTEN))
    assert await imported(inside, built(WRITTEN)) == first
