"""Submit: may this node be skipped, or cloned? (decision-rules: Order of questions)"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.candidates import Candidates
from dbt_state_oss.application.deadline import answered_within
from dbt_state_oss.application.gathering import Gathering
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.keys import CLONE, execution_id
from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.application.ports import Clock
from dbt_state_oss.application.sessions import Sessions
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.application.tickets import Tickets
from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.cloning import CloneTargets, draft_copy, may_be_cloned, why_not_here, with_clone
from dbt_state_oss.domain.decide import build_unasked, decide
from dbt_state_oss.domain.decision import Build, Clone, Decision, Skip
from dbt_state_oss.domain.draft import OVERSIZED, draft_execution
from dbt_state_oss.domain.explanation import ExplainLine, Marker, Section
from dbt_state_oss.domain.submission import Code, Submission
from dbt_state_oss.errors import StoreError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, its id, and for a build or a clone the ticket to confirm it with (empty for a skip)."""

    decision: Decision
    decision_id: str
    ticket: str


class Submit:
    """Decides a submission. Stores only the node state (rules W3, W7), so it may be repeated (rule W6)."""

    def __init__(
        self,
        *,
        gathering: Gathering,
        candidates: Candidates,
        clone_targets: CloneTargets,
        tickets: Tickets,
        node_states: NodeStates,
        journal: Journal,
        texts: SqlTexts,
        clock: Clock,
        decide_within_seconds: float,
        sessions: Sessions | None = None,
    ) -> None:
        """If a decision takes longer than `decide_within_seconds`, the state counts as unreadable, since the call must be
        answered.

        `sessions` are the dbt runs that this process has heard of.
        """
        self._gathering = gathering
        self._candidates = candidates
        self._clone_targets = clone_targets
        self._tickets = tickets
        self._node_states = node_states
        self._journal = journal
        self._texts = texts
        self._clock = clock
        self._decide_within = decide_within_seconds
        self._sessions = sessions or Sessions()

    async def __call__(self, caller: Caller, submission: Submission) -> Answer:
        """The answer. If the state cannot be read in time, it is a build that says so, never an error (rule X1)."""
        now = self._clock.now()
        case, decision = await self._decided(caller, submission, now)
        return await self._answer(caller, case, decision)

    async def speculatively(self, caller: Caller, submission: Submission) -> Answer | None:
        """The skip or clone that the epochs sent so far prove; None if they prove none, or if the state cannot be read (rule
        W8).

        It is never a build: the client would read the inputs' epochs again after it, and record a change during the build as
        seen.
        """
        if submission.oversized:
            return None
        try:
            async with answered_within(self._decide_within):
                case = await self._gathering.known(caller.organization, submission, self._clock.now())
                decision = await by_size(submission.weight, decide, case)
                if isinstance(decision, Build) and _own_table_is_known(case):
                    case, decision = await self._clone_or(caller, case, decision)
        except StoreError as error:
            _log_unread(submission, error)
            return None
        return None if isinstance(decision, Build) else await self._answer(caller, case, decision)

    async def _decided(self, caller: Caller, submission: Submission, now: int) -> tuple[Case, Decision]:
        try:
            async with answered_within(self._decide_within):
                case = await self._gathering.known(caller.organization, submission, now)
                if submission.oversized:
                    return case, build_unasked(submission, OVERSIZED)
                decision = await by_size(submission.weight, decide, case)
                if isinstance(decision, Build):
                    return await self._clone_or(caller, case, decision)
        except StoreError as error:
            _log_unread(submission, error)
            case = await self._gathering.unknown(submission, now)
            decision = build_unasked(submission, f"the recorded state could not be read: {error}")
        return case, decision

    async def _clone_or(self, caller: Caller, case: Case, build: Build) -> tuple[Case, Clone | Build]:
        """A clone, if one provably equals the build, with the case completed for the record of either."""
        case = await self._gathering.with_upstream(caller.organization, case)
        if not may_be_cloned(case):
            return case, build
        because = why_not_here(case, self._clone_targets)
        if because is not None:
            line = ExplainLine(Section.CLONES.value, Marker.INFO, children=(ExplainLine(because, Marker.INFO),))
            return case, replace(build, explanation=(*build.explanation, line))
        candidates = await self._candidates.find(caller.organization, case)
        recorded = {relation for one in candidates for build in one.history.executions for relation in build.inputs}
        case = await self._gathering.with_histories(caller.organization, case, recorded)
        return case, await by_size(case.submission.weight, with_clone, case, build, candidates)

    async def _answer(self, caller: Caller, case: Case, decision: Decision) -> Answer:
        submission = case.submission
        skipped = decision.execution.id if isinstance(decision, Skip) else ""
        same_inputs = isinstance(decision, Skip) and self._saw_inputs_unmoved(caller, case, decision)
        self._node_states.note(
            caller.organization,
            submission,
            at=case.now,
            reused=bool(skipped),
            unchanged_inputs_of=skipped if same_inputs else "",
        )
        if isinstance(decision, Skip):
            name = self._journal.note(caller, case, decision, execution_id=decision.execution.id)
            return Answer(decision, name, "")
        self._texts.note(caller.organization, case)
        identity = execution_id(submission.key, caller.request_id, case.raw_digest)
        weight = submission.weight
        draft = await by_size(weight, draft_execution, case, execution_id=identity, decided_at=case.now)
        copy = None
        if isinstance(decision, Clone):
            identity = execution_id(submission.key, caller.request_id, CLONE)
            copy = draft_copy(case, decision, execution_id=identity, decided_at=case.now)
        name = self._journal.note(caller, case, decision, execution_id=identity)
        views = tuple({view.relation for view in submission.code.views}) if isinstance(submission.code, Code) else ()
        ticket = await by_size(weight, self._tickets.seal, caller.organization, submission.key, draft, copy, views)
        return Answer(decision, name, ticket)

    def _saw_inputs_unmoved(self, caller: Caller, case: Case, skip: Skip) -> bool:
        """Whether all inputs were seen as recorded after the execution was confirmed (rule F2).

        Histories of inputs are gathered only if an input has changed. A client keeps epochs in memory during its run, so what
        it reports may be as old as its run.
        """
        began = self._sessions.began_at(caller.session_id)
        return not case.upstream and began is not None and began >= skip.execution.confirmed_at


def _own_table_is_known(case: Case) -> bool:
    """It has an epoch, or no build of it is recorded. An epoch that is still missing may prove a skip later."""
    return case.submission.own_epoch is not None or case.history.latest is None


def _log_unread(submission: Submission, error: StoreError) -> None:
    _log.error("state_read_failed", node=submission.node.unique_id, cause=str(error))
