"""The engine: all commands and queries of the product on one store. gRPC, the command line and the tests use it.

Each method takes a caller or an organization. A method that can act as of another time than the clock's takes that time too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import structlog

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.candidates import Candidates
from dbt_state_oss.application.codec import JournalEntry
from dbt_state_oss.application.confirm import Confirm, Outcome
from dbt_state_oss.application.explain import Explain
from dbt_state_oss.application.gathering import Gathering
from dbt_state_oss.application.importing.builds import ProvenBuild
from dbt_state_oss.application.inspect import (
    NamedDecision,
    decisions_about,
    latest_decisions,
    matches,
    standing,
    targets,
)
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.application.node_states import PAUSE_SECONDS, NodeStates
from dbt_state_oss.application.ownership import transfer
from dbt_state_oss.application.ownership.archive import ArchivedDocument
from dbt_state_oss.application.ownership.downstream import Reached, with_downstream
from dbt_state_oss.application.ownership.prune_plan import PrunePlan, plan_of
from dbt_state_oss.application.ownership.pruning import Pruned, Pruning
from dbt_state_oss.application.policy import Policy
from dbt_state_oss.application.ports import Clock, KeyRing, ObjectStore, Workers
from dbt_state_oss.application.record import Record, Recorded
from dbt_state_oss.application.register_clone import CloneGrant, RegisterClone
from dbt_state_oss.application.resolve_deferred import Deferral, ResolveDeferred
from dbt_state_oss.application.retention import Retention
from dbt_state_oss.application.select_nodes import Selection, SelectNodes
from dbt_state_oss.application.sessions import Sessions
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.application.submit import Answer, Submit
from dbt_state_oss.application.tickets import Tickets
from dbt_state_oss.application.update_metadata import UpdateMetadata
from dbt_state_oss.application.upstream_changes import UpstreamChanges
from dbt_state_oss.domain.clone import CloneOrder, CloneRefusal
from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.domain.standing import Standing
from dbt_state_oss.domain.submission import Submission, TargetKey

MOST_DECISIONS = 5
"""The most decisions that are returned about one name or pattern."""

_LAST_WRITES_SECONDS = 5.0
"""The time to write node states, journal and SQL texts during shutdown. No decision depends on them."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The limits of an engine. Times are in seconds."""

    cache_bytes: int = 0
    """The size of the cache for histories of targets, in memory."""
    read_timeout_seconds: float = 10.0
    """The longest time for one read of the state. After it, the state counts as unreadable (rule X1)."""
    decide_within_seconds: float = 15.0
    """The longest time for everything that a decision reads and parses."""
    nodes_pause_seconds: float = PAUSE_SECONDS
    """How long node states are collected before they are written."""
    journal_days: int = 30
    store_sql: StoreSql | None = StoreSql.NONE
    """Which SQL is stored to explain decisions. None stores nothing, but reads what servers with any setting have stored."""


class Engine:
    """The use cases of one server. Another engine on the same store acts as another replica.

    The code that creates the engine owns the store and the workers, and closes them after the engine. Commands and queries
    raise `StoreError` if the store fails, except `submit`, which then answers with a build (rule X1).
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Clock,
        workers: Workers,
        key_ring: KeyRing,
        ticket_lifetime_ms: int,
        policy: Policy | None = None,
        limits: EngineLimits | None = None,
    ) -> None:
        policy, limits = policy or Policy(), limits or EngineLimits()
        self._store, self._clock = store, clock
        self._node_states = NodeStates(store, pause_seconds=limits.nodes_pause_seconds)
        keep = limits.store_sql or StoreSql.NONE
        self._retention = Retention(store, clock, journal_days=limits.journal_days, store_sql=keep)
        self._journal = Journal(store, clock, retention=self._retention)
        self._texts = SqlTexts(store, workers, keep=keep)
        self._ledger = Ledger(store, cache_bytes=limits.cache_bytes, read_timeout_seconds=limits.read_timeout_seconds)
        self._sessions = Sessions()
        gathering = Gathering(self._ledger, self._node_states, workers, policy)
        candidates = Candidates(store, self._ledger)
        tickets = Tickets(key_ring, clock, lifetime_ms=ticket_lifetime_ms)
        self._submit = Submit(
            gathering=gathering,
            candidates=candidates,
            clone_targets=policy.clone_targets,
            tickets=tickets,
            node_states=self._node_states,
            journal=self._journal,
            texts=self._texts,
            clock=clock,
            decide_within_seconds=limits.decide_within_seconds,
            sessions=self._sessions,
        )
        self._confirm = Confirm(ledger=self._ledger, candidates=candidates, tickets=tickets, clock=clock)
        self._record = Record(
            ledger=self._ledger,
            gathering=gathering,
            candidates=candidates,
            node_states=self._node_states,
            clock=clock,
            sessions=self._sessions,
        )
        self._update_metadata = UpdateMetadata(ledger=self._ledger, clock=clock)
        self._register_clone = RegisterClone(
            ledger=self._ledger, tickets=tickets, clock=clock, never_reuse=policy.never_reuse
        )
        self._resolve_deferred = ResolveDeferred(node_states=self._node_states, ledger=self._ledger)
        self._select_nodes = SelectNodes(node_states=self._node_states)
        other_kinds = (StoreSql.FULL, StoreSql.CANONICAL) if limits.store_sql is None else ()
        self._explain = Explain(
            journal=self._journal,
            texts=[self._texts, *(SqlTexts(store, workers, keep=each) for each in other_kinds)],
        )
        self._upstream_changes = UpstreamChanges(ledger=self._ledger, clock=clock)

    # Calls of dbt's client

    def begin_session(self, session_id: str) -> None:
        """Note that a dbt process begins now (rule T9)."""
        self._sessions.begin(session_id, at=self._clock.now())

    async def submit(self, caller: Caller, submission: Submission) -> Answer:
        """See `Submit.__call__`."""
        return await self._submit(caller, submission)

    async def submit_speculatively(self, caller: Caller, submission: Submission) -> Answer | None:
        """See `Submit.speculatively`."""
        return await self._submit.speculatively(caller, submission)

    async def confirm(self, caller: Caller, ticket: str, outcome: Outcome) -> str:
        """See `Confirm.__call__`."""
        return await self._confirm(caller, ticket, outcome)

    async def record(self, caller: Caller, records: Sequence[Recorded], *, at: int | None = None) -> int:
        """See `Record.__call__`."""
        return await self._record(caller, records, at=at)

    async def update_metadata(self, caller: Caller, execution_id: str, epoch: int | None) -> None:
        """See `UpdateMetadata.__call__`."""
        await self._update_metadata(caller, execution_id, epoch)

    async def register_clone(self, caller: Caller, order: CloneOrder) -> CloneGrant | CloneRefusal:
        """See `RegisterClone.__call__`."""
        return await self._register_clone(caller, order)

    async def resolve_deferred(self, caller: Caller, deferral: Deferral) -> dict[str, Relation]:
        """See `ResolveDeferred.__call__`."""
        return await self._resolve_deferred(caller, deferral)

    async def select_nodes(self, caller: Caller, selection: Selection) -> list[str]:
        """See `SelectNodes.__call__`."""
        return await self._select_nodes(caller, selection)

    async def explain(self, caller: Caller, decision_ids: Collection[str]) -> dict[str, JournalEntry]:
        """See `Explain.__call__`."""
        return await self._explain(caller, decision_ids)

    async def upstream_changes(
        self, caller: Caller, execution_ids: Sequence[str]
    ) -> dict[str, tuple[ExplainLine, ...]]:
        """See `UpstreamChanges.__call__`."""
        return await self._upstream_changes(caller, execution_ids)

    # Queries of the owner of the state

    async def targets(self, organization: str, pattern: str = "*") -> list[TargetAccount]:
        """Return the targets that match a pattern, see `inspect.targets`."""
        return [account async for account in targets(self._ledger, organization, pattern)]

    async def standing(self, organization: str, account: TargetAccount, *, at: int | None = None) -> Standing:
        """Return a target's standing by its record, now or at the time `at`."""
        return await standing(self._ledger, organization, account, now=self._clock.now() if at is None else at)

    async def latest_decisions(
        self, organization: str, wanted: Collection[TargetKey]
    ) -> dict[TargetKey, NamedDecision]:
        """Return the newest decision about each of these targets, with its id."""
        found = await latest_decisions(self._store, organization, wanted)
        return {
            target: (name, await self._explain.in_full(organization, entry)) for target, (name, entry) in found.items()
        }

    async def decisions_about(self, organization: str, pattern: str) -> dict[str, JournalEntry]:
        """Return the newest decisions about the targets that match a pattern, by id, newest first."""
        found = await decisions_about(self._store, organization, pattern, most=MOST_DECISIONS)
        return {name: await self._explain.in_full(organization, entry) for name, entry in found.items()}

    # Commands of the owner of the state

    async def reached(self, organization: str, pattern: str, *, downstream: bool) -> list[Reached]:
        """Return the targets that match a pattern, and the targets that are invalidated with them.

        With `downstream`, these are all targets that were built from them. Otherwise, only the readers of views are followed.
        """
        everyone = [account async for account in self._ledger.accounts(organization)]
        everyone.sort(key=lambda one: (one.target.name, one.target.namespace))
        roots = [account for account in everyone if matches(account, pattern)]
        return with_downstream(roots, everyone, follow=lambda account: downstream or account.may_be_view)

    async def forget(self, account: TargetAccount, *, at: int | None = None) -> bool:
        """Invalidate a target as of now, or at the time `at` (rule I5). Return false if nothing was recorded about it."""
        return await self._ledger.forget(account, at=self._clock.now() if at is None else at)

    async def plan_prune(self, organization: str, cut_off: int, on_progress: Callable[[int], None]) -> PrunePlan:
        """Return what was neither built nor submitted since `cut_off` (Unix milliseconds), see `plan_of`."""
        return await plan_of(self._store, organization, cut_off, on_progress)

    async def prune(self, organization: str, plan: PrunePlan, on_progress: Callable[[int], None]) -> Pruned:
        """Delete what was planned, see `Pruning`."""
        return await Pruning(self._store, organization)(plan, on_progress)

    async def import_builds(
        self, organization: str, builds: Iterable[ProvenBuild], on_progress: Callable[[int], None]
    ) -> None:
        """Record builds of plain dbt as of the time when they were made (rule W9). Each build must come after its inputs.

        `on_progress` is called with the number of recorded builds. Builds that were recorded before an error stay recorded.
        """
        for number, build in enumerate(builds, start=1):
            await self._record(Caller(organization, build.request_id), [build.recorded], at=build.at)
            on_progress(number)

    # The whole state

    async def is_empty(self) -> bool:
        """Return whether the store has no records of any organization."""
        return await transfer.is_empty(self._store)

    def documents(self, *, ticket_keys: bool) -> AsyncGenerator[ArchivedDocument, None]:
        """Return the whole state, see `transfer.documents_of`."""
        return transfer.documents_of(self._store, ticket_keys=ticket_keys)

    async def compare(
        self, documents: transfer.Documents, on_progress: Callable[[transfer.Tally], None]
    ) -> transfer.Tally:
        """Return what `bring_in` would do with each document, see `transfer.compare`."""
        return await transfer.compare(documents, self._store, on_progress)

    async def bring_in(
        self,
        documents: transfer.Documents,
        on_progress: Callable[[transfer.Tally], None],
        *,
        overwrite: bool,
        into_use: bool = False,
    ) -> transfer.Tally:
        """Write documents into the store, see `transfer.write`."""
        return await transfer.write(documents, self._store, on_progress, overwrite=overwrite, into_use=into_use)

    async def close(self) -> None:
        """Write everything that waits, and stop. A slow store does not delay this for more than a few seconds.

        May be called twice.
        """
        await self._retention.close()
        try:
            async with asyncio.timeout(_LAST_WRITES_SECONDS):
                await asyncio.gather(self._node_states.close(), self._journal.close(), self._texts.close())
        except TimeoutError:
            _log.warning("shutdown_writes_incomplete", seconds=_LAST_WRITES_SECONDS)
