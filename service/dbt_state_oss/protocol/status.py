"""Maps errors to gRPC status codes, in one table.

Only a stopping server answers UNAVAILABLE: the client would retry twice, with seconds of back-off, for each node (rule X2).
Users see the message of this project's errors unchanged. For any other error, they only get a reference to the log.
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
"""The first matching class counts."""

STATUS_WHEN_ENDING = (StatusCode.UNAVAILABLE, "This server is shutting down. Retry the call.")
"""The answer of a server that no longer accepts calls. UNAVAILABLE is the only status that clients retry."""


def status_of(error: DbtStateError) -> tuple[StatusCode, str]:
    """Return the status code and the details for a call that raised `error`."""
    code = next(code for kind, code in STATUS_BY_ERROR if isinstance(error, kind))
    return code, str(error)


def status_of_unexpected(reference: str) -> tuple[StatusCode, str]:
    """Return the answer to an unexpected error. `reference` identifies its traceback in the log."""
    return StatusCode.INTERNAL, f"The server failed unexpectedly; see its log for request_id {reference}."


def status_of_timeout(seconds: float) -> tuple[StatusCode, str]:
    """Return the answer to a call that was cancelled after `seconds`."""
    return (
        StatusCode.DEADLINE_EXCEEDED,
        f"The server did not finish within {seconds:.3g} seconds and cancelled the call (DBTSTATE_CALL_TIMEOUT_SECONDS).",
    )
