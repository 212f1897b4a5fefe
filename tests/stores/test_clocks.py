"""A server whose clock is not the store's warns of it at its start."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs
from tests.emulators.proxy import Proxy
from tests.emulators.running import REMOTE_STORES, SHARED_BUCKET, Emulators, s3_variables
from tests.emulators.s3_faults import LASTING

from dbt_state_oss.opening import open_store
from dbt_state_oss.settings import read_settings


class ShiftedClock:
    """The machine's clock, so many seconds ahead."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self._seconds * 1000


async def warnings_of(
    variables: Mapping[str, str], clock: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, float | None]]:
    """What opening the store that `variables` lead to warns of: the events, each with how far the clock is ahead, in seconds."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with capture_logs() as logs:
        store = await open_store(read_settings(os.environ, {}).store, clock=clock)
        await store.close()
    return [(log["event"], log.get("seconds_ahead")) for log in logs if log["log_level"] == "warning"]


@pytest.mark.parametrize("kind", REMOTE_STORES)
@pytest.mark.parametrize("ahead", [3600, -90])
async def test_a_clock_that_differs_is_told(
    kind: str, ahead: int, emulators: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = emulators.variables(kind, emulators.fresh_name())
    [(event, seconds)] = await warnings_of(variables, ShiftedClock(ahead), monkeypatch)
    assert event == "clock_differs_from_store"
    assert seconds == pytest.approx(ahead, abs=10)


@pytest.mark.parametrize("kind", REMOTE_STORES)
async def test_the_same_clock_is_no_matter(kind: str, emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = emulators.variables(kind, emulators.fresh_name())
    assert await warnings_of(variables, ShiftedClock(0), monkeypatch) == []


async def test_a_store_that_does_not_tell_its_time_is_used_all_the_same(
    emulators: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(emulators.seaweedfs.endpoint)
    variables = s3_variables(proxy.endpoint, SHARED_BUCKET, emulators.fresh_name())
    with proxy.fault(LASTING["access that is denied"], on=lambda request: request.method == "HEAD") as done:
        assert await warnings_of(variables, ShiftedClock(3600), monkeypatch) == []
    assert done.total() > 0
    proxy.stop()
