"""Services that clients know and this version does not have yet.

They answer UNIMPLEMENTED with a sentence: an empty success would be obeyed (rule X4).
"""

from __future__ import annotations

from typing import Any

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.errors import NotSupportedYet
from dbt_state_oss.protocol.interceptors import Method

SENTENCES = {
    "Explain": (
        "This version of dbt-state-oss does not explain past decisions yet. "
        "Each decision and its reason is a line in the server's log."
    ),
}
"""By service name, shown to users as they are."""


def upcoming(sentence: str) -> Method:
    """A method that answers with `sentence` alone."""

    async def refuse(caller: Caller, request: Any) -> Any:
        raise NotSupportedYet(sentence)

    return refuse
