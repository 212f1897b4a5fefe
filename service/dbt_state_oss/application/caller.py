"""The caller of a use case, as read from a call's metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

DEFAULT_ORGANIZATION = "default"
"""The one organization of a server without authentication, whatever header the caller sends."""


class ClientLine(Enum):
    """An implementation of the client. The values are the names that the settings use."""

    PYTHON = "dbt-state"
    """The Python package, a plug-in of dbt-core 1.x."""
    RUST = "dbt"
    """Part of dbt v2."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The origin of one call. Without authentication every caller belongs to `DEFAULT_ORGANIZATION`."""

    organization: str
    request_id: str
    """The call's `x-request-id`: 32 hex digits, equal in each repetition of a call (rule W6)."""
    session_id: str = ""
    client: ClientLine | None = None
    """The client implementation; None if its gRPC library belongs to neither."""
    request_bytes: int = field(default=0, compare=False)
    """The size of the request. It is kept because protobuf would have to encode the message again to compute it."""
