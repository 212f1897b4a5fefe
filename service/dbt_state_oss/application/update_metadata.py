"""Update metadata: hooks on a reused table have moved its epoch (rule W5)."""

from __future__ import annotations

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.ledger import Ledger


class UpdateMetadata:
    """Moves the recorded epoch of an execution forward."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    async def __call__(self, caller: Caller, execution_id: str, epoch: int | None) -> None:
        """Do so if the execution is still its target's latest; unknown ids are ignored. Raises `StoreError`."""
        if epoch is not None:
            await self._ledger.raise_epoch(caller.organization, execution_id, epoch)
