"""UpdateMetadata: updates the recorded epoch after hooks have changed the epoch of a reused table (rule W5)."""

from __future__ import annotations

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.ports import Clock


class UpdateMetadata:
    """Raises the recorded epoch of an execution."""

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def __call__(self, caller: Caller, execution_id: str, epoch: int | None) -> None:
        """Raise the epoch if the execution is still its target's latest. Unknown ids are ignored. Raises `StoreError`."""
        if epoch is not None:
            await self._ledger.raise_epoch(caller.organization, execution_id, epoch, at=self._clock.now())
