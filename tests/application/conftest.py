"""A server's inside without gRPC: the use cases on a store in memory, a clock that is set by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ParamSpec, TypeVar

import pytest
from tests.domain.building import NOW

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.engine import Engine, EngineLimits
from dbt_state_oss.application.policy import Policy
from dbt_state_oss.application.ports import KeyRing, ObjectStore
from dbt_state_oss.domain.cloning import CloneTargets
from dbt_state_oss.domain.decision import MissingEvidence
from dbt_state_oss.domain.node_patterns import NO_NODES, NodePatterns
from dbt_state_oss.domain.sql.fingerprint import Fingerprint
from dbt_state_oss.domain.sql.fingerprinting import fallback_fingerprint, fingerprint
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.domain.submission import Code
from dbt_state_oss.stores.memory import MemoryStore

P = ParamSpec("P")
T = TypeVar("T")

_fingerprint = lru_cache(maxsize=4096)(fingerprint)
"""Random histories ask for the same few texts thousands of times."""

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
class WorkersInPlace:
    """Does in place what a server has processes for, and counts what is parsed; does not parse while it is busy."""

    parsed: list[Code] = field(default_factory=list)
    busy: bool = False

    async def fingerprint(self, code: Code) -> Fingerprint:
        if self.busy:
            return fallback_fingerprint(code)
        self.parsed.append(code)
        return _fingerprint(code)

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        return work(*arguments, **named)


class Inside(Engine):
    """An engine on one store, whose parts can be looked at; another `Inside` on the same store is another replica."""

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
        self.workers = WorkersInPlace()
        super().__init__(
            store,
            clock=clock,
            workers=self.workers,
            key_ring=RING,
            ticket_lifetime_ms=LIFETIME_MS,
            policy=Policy(
                clone_targets=clone_targets,
                trusted_hooks=trusted_hooks,
                never_reuse=never_reuse,
                missing_evidence=missing_evidence,
            ),
            limits=EngineLimits(
                cache_bytes=1_000_000,
                read_timeout_seconds=read_timeout_seconds,
                decide_within_seconds=1.5 * read_timeout_seconds,
                store_sql=store_sql,
            ),
        )
        self.ledger, self.node_states, self.journal = self._ledger, self._node_states, self._journal
        self.texts, self.sessions, self.retention = self._texts, self._sessions, self._retention


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
