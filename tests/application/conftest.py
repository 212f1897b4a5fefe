"""A server's inside without gRPC: the use cases on a store in memory, a clock that is set by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import pytest
from tests.domain.building import NOW

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.candidates import Candidates
from dbt_state_oss.application.confirm import Confirm
from dbt_state_oss.application.gathering import Gathering
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.application.ports import KeyRing, ObjectStore
from dbt_state_oss.application.record import Record
from dbt_state_oss.application.retention import Retention
from dbt_state_oss.application.sessions import Sessions
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.application.submit import Submit
from dbt_state_oss.application.tickets import Tickets
from dbt_state_oss.application.update_metadata import UpdateMetadata
from dbt_state_oss.domain.cloning import CloneTargets
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence
from dbt_state_oss.domain.fingerprint import Fingerprint
from dbt_state_oss.domain.fingerprinting import fallback_fingerprint, fingerprint
from dbt_state_oss.domain.kept_sql import StoreSql
from dbt_state_oss.domain.node_patterns import NO_NODES, NodePatterns
from dbt_state_oss.domain.submission import Code
from dbt_state_oss.stores.memory import MemoryStore

P = ParamSpec("P")
T = TypeVar("T")

RING = KeyRing("k1", {"k1": b"1" * 32})
LIFETIME_MS = 3_600_000
EVERY_NODE = NodePatterns(("*",))


@dataclass
class HandClock:
    """A clock that stands until it is set."""

    time: int = NOW

    def now(self) -> int:
        return self.time


@dataclass
class CountingFingerprinter:
    """Parses in place and counts; does not while it is busy."""

    parsed: list[Code] = field(default_factory=list)
    busy: bool = False

    async def fingerprint(self, code: Code) -> Fingerprint:
        if self.busy:
            return fallback_fingerprint(code)
        self.parsed.append(code)
        return fingerprint(code)

    async def close(self) -> None:
        return


class InPlace:
    """Does at once what a server has workers for."""

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        return work(*arguments, **named)


class Inside:
    """All use cases on one store; another `Inside` on the same store is another replica."""

    def __init__(
        self,
        store: ObjectStore,
        clock: HandClock,
        *,
        read_timeout_seconds: float = 1.0,
        store_sql: StoreSql = StoreSql.NONE,
        clone_targets: CloneTargets = CloneTargets.DEVELOPMENT,
        trusted_hooks: NodePatterns = EVERY_NODE,
        never_reuse: NodePatterns = NO_NODES,
        missing_evidence: MissingEvidence = MissingEvidence.BUILD,
    ) -> None:
        self.store = store
        self.clock = clock
        self.fingerprinter = CountingFingerprinter()
        self.ledger = Ledger(store, cache_bytes=1_000_000, read_timeout_seconds=read_timeout_seconds)
        self.node_states = NodeStates(store, clock)
        self.retention = Retention(store, clock, journal_days=30, store_sql=store_sql)
        self.journal = Journal(store, clock, retention=self.retention)
        self.texts = SqlTexts(store, InPlace(), keep=store_sql)
        self.tickets = Tickets(RING, clock, lifetime_ms=LIFETIME_MS)
        gathering = Gathering(
            self.ledger,
            self.node_states,
            self.fingerprinter,
            BuildOn.CONFIGS,
            missing_evidence,
            never_reuse=never_reuse,
            trusted_hooks=trusted_hooks,
        )
        self.candidates = Candidates(store, self.ledger)
        self.sessions = Sessions()
        self.submit = Submit(
            gathering=gathering,
            candidates=self.candidates,
            clone_targets=clone_targets,
            tickets=self.tickets,
            node_states=self.node_states,
            journal=self.journal,
            texts=self.texts,
            clock=clock,
            decide_within_seconds=1.5 * read_timeout_seconds,
            sessions=self.sessions,
        )
        self.confirm = Confirm(ledger=self.ledger, candidates=self.candidates, tickets=self.tickets, clock=clock)
        self.record = Record(
            ledger=self.ledger,
            gathering=gathering,
            candidates=self.candidates,
            node_states=self.node_states,
            clock=clock,
            sessions=self.sessions,
        )
        self.update_metadata = UpdateMetadata(ledger=self.ledger, clock=clock)

    async def close(self) -> None:
        """Write what waits in the background."""
        await self.retention.close()
        await self.node_states.close()
        await self.journal.close()
        await self.texts.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    yield store
    await store.close()


@pytest.fixture
async def inside(store: MemoryStore, clock: HandClock) -> AsyncIterator[Inside]:
    inside = Inside(store, clock)
    yield inside
    await inside.close()


@pytest.fixture
def caller() -> Caller:
    return Caller("default", "a" * 32)
