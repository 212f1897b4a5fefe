"""What a request does not report, although a decision depends on it (rule L13, decision record 0017).

Clients of different versions send different fields. A field that both the request and the record lack was not compared, so it
does not count as unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.submission import ExecutionType, NodeHashes, Submission

_WINDOW = frozenset({"__microbatch_event_time_start", "__microbatch_event_time_end"})
"""Extras with the event-time window of a microbatch. The SQL of the request is not filtered by it."""

_THRESHOLDS = frozenset({"severity", "error_if", "warn_if", "fail_calc", "limit", "where"})
"""Extras that determine the results of a data test. A client that sends one of them sends all that are set."""


def has_window(submission: Submission) -> bool:
    """Whether dbt filters what the query reads by event time: a microbatch, or its full refresh."""
    return submission.extras.keys() >= _WINDOW


def lacks_window(submission: Submission) -> bool:
    """Whether the request does not report the event-time window of a microbatch."""
    return submission.execution_type is ExecutionType.MICROBATCH and not has_window(submission)


def needs_thresholds(submission: Submission) -> bool:
    """Whether only the thresholds show that the request is complete. Then the record also keeps default ones."""
    return submission.is_data_test and not submission.node.hashes.sent


def unreported(submission: Submission, recorded: Execution | None) -> str | None:
    """What the request or the record does not report: a sentence. None if both report everything.

    The results of a data test depend on its query and its thresholds. Any other node may have hooks, keys and grants, which
    only the hash of the configuration always includes.
    """
    is_test = submission.is_data_test
    complete = _is_complete(submission.node.hashes, submission.extras, is_test=is_test)
    if recorded is not None:
        complete = complete and _is_complete(recorded.hashes, recorded.logic.extras, is_test=is_test)
    if complete:
        return None
    if is_test:
        return "the thresholds of the test (severity, error_if, …) were not reported, now or at its last run"
    return "its configuration was not reported, now or at its last build"


def _is_complete(hashes: NodeHashes, extras: Mapping[str, str], *, is_test: bool) -> bool:
    return hashes.sent or (is_test and bool(extras.keys() & _THRESHOLDS))
