"""Who calls: what the protocol learned from a call's metadata."""

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
    """One call's origin. Without authentication every caller is of `DEFAULT_ORGANIZATION`."""

    organization: str
    request_id: str
    """The transport's `x-request-id`, equal at each repetition of a call (rule W6); 32 hex digits."""
    session_id: str = ""
    client: ClientLine | None = None
    """Which client calls; None where its gRPC library is neither's."""
    request_bytes: int = field(default=0, compare=False)
    """How large its request is; protobuf would encode the message again to tell."""
