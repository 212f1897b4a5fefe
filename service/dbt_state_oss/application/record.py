"""Record: builds that the client made without a submission (write-only mode, untracked builds)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.candidates import Candidates
from dbt_state_oss.application.confirm import Outcome, completed
from dbt_state_oss.application.gathering import Gathering
from dbt_state_oss.application.keys import execution_id
from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.application.ports import Clock
from dbt_state_oss.application.reading import read_by
from dbt_state_oss.application.sessions import Sessions
from dbt_state_oss.domain.draft import draft_execution
from dbt_state_oss.domain.history import Execution, Input
from dbt_state_oss.domain.submission import ExecutionType, Submission

_MICROBATCH_UNPROVEN = (
    "it is a microbatch that was recorded without a submission, and some of its batches may have failed"
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One build that has happened, as the client reports it."""

    submission: Submission
    outcome: Outcome
    from_speculative_submit: bool = False


class Record:
    """Records builds after the fact."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        gathering: Gathering,
        candidates: Candidates,
        node_states: NodeStates,
        clock: Clock,
        sessions: Sessions | None = None,
    ) -> None:
        """`sessions` are the dbt runs that this process has heard of."""
        self._ledger = ledger
        self._gathering = gathering
        self._candidates = candidates
        self._node_states = node_states
        self._clock = clock
        self._sessions = sessions or Sessions()

    async def __call__(self, caller: Caller, records: Sequence[Recorded], *, at: int | None = None) -> int:
        """The number of recorded builds: all of them, once they are durable. Raises `StoreError`; records that were already
        written stay.

        `at` is when they were built, Unix milliseconds; the default is now.
        """
        organization = caller.organization
        for number, recorded in enumerate(records):
            submission, now = recorded.submission, self._clock.now() if at is None else at
            case = await self._gathering.known(organization, submission, now)
            if not submission.oversized:
                case = await self._gathering.with_upstream(organization, case)
            identity = execution_id(submission.key, f"{caller.request_id}-{number}", case.raw_digest)
            draft = await by_size(submission.weight, draft_execution, case, execution_id=identity, decided_at=None)
            draft = replace(draft, not_before=self._sessions.began_at(caller.session_id))
            execution = _as_provable(completed(draft, recorded.outcome, at=now), recorded)
            execution = await read_by(self._ledger, organization, submission.key, execution)
            await asyncio.gather(
                self._ledger.add(organization, submission.key, execution),
                self._candidates.list(organization, submission.key, execution),
            )
            self._node_states.note(organization, submission, at=now, reused=False)
        return len(records)


def _as_provable(execution: Execution, recorded: Recorded) -> Execution:
    """The record without what it cannot prove (rule W8)."""
    if recorded.submission.execution_type is ExecutionType.MICROBATCH:
        return replace(execution, unproven=_MICROBATCH_UNPROVEN)
    if not recorded.from_speculative_submit:
        return execution
    # The epochs were read again after the build: what may have changed during it was perhaps not seen by it.
    runtime = recorded.outcome.runtime_ms
    start = execution.epoch - runtime if execution.epoch is not None and runtime else None
    inputs = {
        relation: known if start is not None and known.epoch is not None and known.epoch < start else _unknown(known)
        for relation, known in execution.inputs.items()
    }
    return replace(execution, inputs=inputs, data_identity=None, found_epoch=None)


def _unknown(known: Input) -> Input:
    return replace(known, epoch=None, identity=None, columns_identity=None)
