"""Errors into status codes, in one table.

Never UNAVAILABLE, but from a server that ends: the client would try again twice with seconds of back-off, for each node
(rule X2). The message of an
error of ours is shown to users as it is; of any other error nothing leaves the server but a reference to the log.
"""

from __future__ import annotations

from grpc import StatusCode

from dbt_state_oss.errors import (
    DbtStateError,
    InvalidRequest,
    NothingRecorded,
    Overloaded,
    StoreError,
)

STATUS_BY_ERROR: tuple[tuple[type[DbtStateError], StatusCode], ...] = (
    (InvalidRequest, StatusCode.INVALID_ARGUMENT),
    (NothingRecorded, StatusCode.FAILED_PRECONDITION),
    (Overloaded, StatusCode.RESOURCE_EXHAUSTED),
    (StoreError, StatusCode.INTERNAL),
    (DbtStateError, StatusCode.INTERNAL),
)
"""The first class that fits counts."""

STATUS_WHEN_ENDING = (StatusCode.UNAVAILABLE, "This server is shutting down. Retry the call.")
"""The answer to a call that reaches a server which takes no more: the only status that clients try again."""


def status_of(error: DbtStateError) -> tuple[StatusCode, str]:
    """The status code and the details that answer a call which raised `error`."""
    code = next(code for kind, code in STATUS_BY_ERROR if isinstance(error, kind))
    return code, str(error)


def status_of_unexpected(reference: str) -> tuple[StatusCode, str]:
    """The answer to an error that nobody foresaw; `reference` finds its traceback in the log."""
    return StatusCode.INTERNAL, f"The server failed unexpectedly; see its log for request_id {reference}."


def status_of_timeout(seconds: float) -> tuple[StatusCode, str]:
    """The answer to a call that was given up after `seconds`."""
    return (
        StatusCode.DEADLINE_EXCEEDED,
        f"The server did not finish within {seconds:.3g} seconds and cancelled the call.",
    )
