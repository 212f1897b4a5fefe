"""A warning that callers can provoke is written once for each interval."""

from __future__ import annotations

from collections.abc import Callable

from structlog.testing import capture_logs

from dbt_state_oss.telemetry.limited import LimitedWarning


class Timers:
    """Keeps what is to be called later until the test says that it is time."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def later(self, _seconds: float, call: Callable[[], None]) -> None:
        self.waiting.append(call)

    def ring(self) -> None:
        (call,) = self.waiting
        self.waiting = []
        call()


def test_a_thousand_warnings_become_two_lines_with_the_count() -> None:
    timers = Timers()
    warn = LimitedWarning("unreadable", later=timers.later)
    with capture_logs() as logs:
        for number in range(1000):
            warn(cause=str(number))
        timers.ring()
    assert [(line["cause"], line["suppressed"]) for line in logs] == [("0", 0), ("999", 998)]


def test_the_line_at_the_end_of_an_interval_begins_the_next_one() -> None:
    timers = Timers()
    warn = LimitedWarning("unreadable", later=timers.later)
    with capture_logs() as logs:
        warn()
        warn()
        timers.ring()
        warn()
        timers.ring()
        timers.ring()
        warn()
    assert [line["suppressed"] for line in logs] == [0, 0, 0, 0]


def test_what_was_counted_is_written_when_the_server_ends() -> None:
    warn = LimitedWarning("unreadable", later=Timers().later)
    with capture_logs() as logs:
        for _ in range(3):
            warn()
        warn.flush()
    assert [line["suppressed"] for line in logs] == [0, 1]
