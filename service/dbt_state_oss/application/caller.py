"""Who calls: what the protocol learned from a call's metadata."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """One call's origin. Without authentication every caller is of the one organization "default"."""

    organization: str
    request_id: str
    """The transport's `x-request-id`, equal at each repetition of a call (rule W6); 32 hex digits."""
    session_id: str = ""
