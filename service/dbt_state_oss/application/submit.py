"""Submit: may this node be left as it is? (sections 2 to 4, 8)"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.gathering import Gathering
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.keys import execution_id
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.application.ports import Clock
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.application.tickets import Tickets
from dbt_state_oss.domain.case import Case, draft_execution
from dbt_state_oss.domain.decide import build_unasked, decide
from dbt_state_oss.domain.decision import Decision, Skip
from dbt_state_oss.domain.submission import Submission
from dbt_state_oss.errors import StoreError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, a name for it, and for a build the ticket to confirm it with (empty for a skip)."""

    decision: Decision
    decision_id: str
    ticket: str


class Submit:
    """Decides a submission. Stores nothing but the node's looks (rules W3, W7), so it may be repeated at will (rule W6)."""

    def __init__(
        self,
        *,
        gathering: Gathering,
        tickets: Tickets,
        node_states: NodeStates,
        journal: Journal,
        texts: SqlTexts,
        clock: Clock,
    ) -> None:
        self._gathering = gathering
        self._tickets = tickets
        self._node_states = node_states
        self._journal = journal
        self._texts = texts
        self._clock = clock

    async def __call__(self, caller: Caller, submission: Submission) -> Answer:
        """The answer. State that cannot be read in time means a build that says so, never an error (rule X1)."""
        now = self._clock.now()
        case, decision = await self._decided(caller, submission, now)
        self._node_states.note(caller.organization, submission)
        if isinstance(decision, Skip):
            return self._reuse(caller, case, decision)
        self._texts.note(caller.organization, case)
        identity = execution_id(submission.key, caller.request_id, case.raw_digest)
        draft = draft_execution(case, execution_id=identity, decided_at=now)
        name = self._journal.note(caller, case, decision, execution_id=identity)
        return Answer(decision, name, self._tickets.seal(caller.organization, submission.key, draft))

    async def speculatively(self, caller: Caller, submission: Submission) -> Answer | None:
        """The skip that the epochs sent so far prove; None where they don't, or the state cannot be read (rule W8).

        Never a build: the client would read the inputs' epochs again after it, and record a change during the build as seen.
        """
        try:
            case = await self._gathering.known(caller.organization, submission, self._clock.now())
        except StoreError as error:
            _log_unread(submission, error)
            return None
        decision = decide(case)
        if not isinstance(decision, Skip):
            return None
        self._node_states.note(caller.organization, submission)
        return self._reuse(caller, case, decision)

    def _reuse(self, caller: Caller, case: Case, skip: Skip) -> Answer:
        name = self._journal.note(caller, case, skip, execution_id=skip.execution.id)
        return Answer(skip, name, "")

    async def _decided(self, caller: Caller, submission: Submission, now: int) -> tuple[Case, Decision]:
        try:
            case = await self._gathering.known(caller.organization, submission, now)
            decision = decide(case)
            if not isinstance(decision, Skip):
                case = await self._gathering.with_upstream(caller.organization, case)
        except StoreError as error:
            _log_unread(submission, error)
            case = await self._gathering.unknown(submission, now)
            decision = build_unasked(submission, f"the recorded state could not be read: {error}")
        return case, decision


def _log_unread(submission: Submission, error: StoreError) -> None:
    _log.error("state_not_read", node=submission.node.unique_id, cause=str(error))
