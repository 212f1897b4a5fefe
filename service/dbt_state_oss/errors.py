"""All errors of this project. The class tells the code that catches an error what to do.

Users see the messages unchanged, so a message must not contain secrets or SQL text.
"""

from __future__ import annotations


class DbtStateError(Exception):
    """Any error of this project."""


class InvalidRequest(DbtStateError):
    """The request is wrong. The caller must correct it; sending it again unchanged does not help."""


class InvalidTicket(InvalidRequest):
    """A request id that this organization's servers did not issue, or that has expired (rule W3). Nothing was recorded."""


class InvalidSettings(DbtStateError):
    """The settings have faults, all listed in the message. The operator must correct them before the server can start."""


class CannotListen(DbtStateError):
    """The server cannot listen on its address. The operator must free the address or set another one."""


class NothingRecorded(DbtStateError):
    """The answer needs a recorded build to compare with, and there is none. Run dbt first."""


class StoreError(DbtStateError):
    """The store could not carry out a request."""


class StoreUnavailable(StoreError):
    """The store did not answer, or not in time. A later retry may succeed. Whether anything was written is unknown."""


class StoreMisconfigured(StoreError):
    """The store cannot be used with this configuration: its address, credentials, permissions or capabilities are wrong.

    Repeating the request does not help. The operator must change something first. The message says what.
    """


class StoreReadOnly(StoreError):
    """The store refuses writes: it is read-only or full, or permissions are missing. The operator must correct this."""


class Conflict(StoreError):
    """Another write won a compare-and-set race. Read again, merge, and retry. This is not a failure."""


class Overloaded(DbtStateError):
    """The server has too much waiting work and did not accept this request."""
