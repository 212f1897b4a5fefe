"""What a request fails to report, though a decision depends on it (rule L13, decision record 17).

Clients of different generations send different fields. A field that is absent from both the request and the record has not
been compared, so it does not count as unchanged.
"""

from __future__ import annotations

from dbt_state_oss.domain.submission import ExecutionType, NodeHashes, Submission

_WINDOW = frozenset({"__microbatch_event_time_start", "__microbatch_event_time_end"})
"""Extras with the event-time window of a microbatch: the SQL of the request has no filter on it."""

_THRESHOLDS = frozenset({"severity", "error_if", "warn_if", "fail_calc", "limit", "where"})
"""Extras that decide the results of a data test. A client that sends them sends all that are set."""


def lacks_window(submission: Submission) -> bool:
    """Whether the request does not say which event-time window a microbatch covers."""
    return submission.execution_type is ExecutionType.MICROBATCH and not submission.extras.keys() >= _WINDOW


def unreported(submission: Submission, recorded: NodeHashes | None) -> str | None:
    """What the request, or a record with the hashes `recorded`, leaves out: the end of a sentence. None where all is reported.

    The results of a data test depend on its query and its thresholds. Everything else may have hooks, keys and grants, which
    only the hash of the configuration shows in every case.
    """
    if submission.is_data_test and submission.extras.keys() & _THRESHOLDS:
        return None
    if submission.node.hashes.sent and (recorded is None or recorded.sent):
        return None
    if submission.is_data_test:
        return "when the test fails (severity, error_if, and so on)"
    return "the configuration, which may have changed"
