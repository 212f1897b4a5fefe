"""Every error that this project raises. The class says what whoever catches it should do.

Messages are shown to users as they are: no secret, no SQL text.
"""

from __future__ import annotations


class DbtStateError(Exception):
    """Any error of this project."""


class InvalidRequest(DbtStateError):
    """The caller must mend the request; sending it again unchanged is of no use."""


class InvalidTicket(InvalidRequest):
    """A request id that this organization's servers did not issue, or that has expired (rule W3). Nothing was recorded."""


class InvalidSettings(DbtStateError):
    """The settings have faults; all of them are in the message. The operator must mend them before the server starts."""


class CannotListen(DbtStateError):
    """The address to serve on is not to be had. The operator must free it or name another."""


class NothingRecorded(DbtStateError):
    """What is asked has to be held against a build, and none is on record; run dbt first."""


class StoreError(DbtStateError):
    """The store could not be asked."""


class StoreUnavailable(StoreError):
    """The store did not answer, or not in time. Trying again later may succeed; nothing is known to be written."""


class StoreMisconfigured(StoreError):
    """The store cannot be used as it is configured: its address, its credentials, its permissions or what it is capable of.

    Repeating the request does not help. The operator has to change something first; the message says what.
    """


class StoreReadOnly(StoreError):
    """The store refuses writes: read-only, full, or without permission. Somebody must mend it."""


class Conflict(StoreError):
    """A lost compare-and-set race: read again, merge, and try again. Not a failure."""


class Overloaded(DbtStateError):
    """Too much work waits already; this one was not taken."""
