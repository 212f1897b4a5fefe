"""A state that is older than the tables builds; it never takes them for what it knew (rules W4 and T3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.application.conftest import HandClock, Inside
from tests.domain.building import MART, MINUTE, ORDERS, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.ownership.archive import ArchivedDocument
from dbt_state_oss.application.ownership.transfer import Tally, documents_of, write
from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, Submission, TargetKey
from dbt_state_oss.stores.memory import MemoryStore

_FIRST = f"select id from {ORDERS}"
_SECOND = f"select id + 1 as id from {ORDERS}"
CHILD = Relation('"shop"."prod"."child"')


def told(_: Tally) -> None:
    return


def table(sql: str, *, relation: Relation = MART, reads: Relation = ORDERS, at: int = T0, dialect: str) -> Submission:
    code = Code(dialect_named(dialect), sql, "shop", "public", relation)
    return replace(SUBMISSION, key=TargetKey("ns", relation), relation=relation, code=code, inputs={reads: at})


class Warehouse:
    """A table and what reads it, built by way of whatever server is asked."""

    def __init__(self, dialect: str, clock: HandClock) -> None:
        self.dialect = dialect
        self.clock = clock
        self.epochs: dict[Relation, int] = {}

    def mart(self, sql: str = _FIRST, *, at: int = T0) -> Submission:
        mart = table(sql, at=at, dialect=self.dialect)
        return replace(mart, own_epoch=self.epochs.get(MART))

    def child(self) -> Submission:
        child = table(f"select id from {MART}", relation=CHILD, reads=MART, at=self.epochs[MART], dialect=self.dialect)
        return replace(child, own_epoch=self.epochs.get(CHILD))

    async def run(self, inside: Inside, caller: Caller, submission: Submission) -> str:
        """What was decided; a build is made and confirmed."""
        self.clock.time += MINUTE
        answer = await inside.submit(replace(caller, request_id=f"{self.clock.time:032d}"), submission)
        if isinstance(answer.decision, Build):
            assert submission.relation is not None
            self.clock.time += MINUTE
            self.epochs[submission.relation] = self.clock.time
            await inside.confirm(caller, answer.ticket, Outcome(self.clock.time, runtime_ms=1000))
            return "build"
        assert isinstance(answer.decision, Skip)
        return "skip"


async def copied(store: ObjectStore) -> MemoryStore:
    """A backup of the store, restored into a new one."""
    kept = [record async for record in documents_of(store, ticket_keys=False)]

    async def records() -> AsyncIterator[ArchivedDocument]:
        for record in kept:
            yield record

    restored = MemoryStore()
    await write(records, restored, told, overwrite=False)
    return restored


@pytest.fixture(params=["postgres", "snowflake"], ids=["exact epochs", "stamped epochs"])
def warehouse(request: pytest.FixtureRequest, clock: HandClock) -> Warehouse:
    return Warehouse(request.param, clock)


async def test_a_restored_state_of_unchanged_tables_skips(
    warehouse: Warehouse, inside: Inside, caller: Caller, clock: HandClock
) -> None:
    assert await warehouse.run(inside, caller, warehouse.mart()) == "build"
    assert await warehouse.run(inside, caller, warehouse.child()) == "build"
    restored = Inside(await copied(inside.store), clock)
    assert await warehouse.run(restored, caller, warehouse.mart()) == "skip"
    assert await warehouse.run(restored, caller, warehouse.child()) == "skip"
    await restored.close()


async def test_code_that_went_away_and_came_back_since_the_backup_builds(
    warehouse: Warehouse, inside: Inside, caller: Caller, clock: HandClock
) -> None:
    """The record of the backup tells of the code as it is now; the table holds what other code made meanwhile."""
    await warehouse.run(inside, caller, warehouse.mart())
    await warehouse.run(inside, caller, warehouse.child())
    backup = await copied(inside.store)
    assert await warehouse.run(inside, caller, warehouse.mart(_SECOND)) == "build"
    assert await warehouse.run(inside, caller, warehouse.child()) == "build"

    restored = Inside(backup, clock)
    assert await warehouse.run(restored, caller, warehouse.child()) == "build"
    assert await warehouse.run(restored, caller, warehouse.mart()) == "build"
    assert await warehouse.run(restored, caller, warehouse.child()) == "build"
    assert await warehouse.run(restored, caller, warehouse.child()) == "skip"
    await restored.close()


async def test_data_that_moved_since_the_backup_builds(
    warehouse: Warehouse, inside: Inside, caller: Caller, clock: HandClock
) -> None:
    await warehouse.run(inside, caller, warehouse.mart())
    backup = await copied(inside.store)
    moved = clock.time
    assert await warehouse.run(inside, caller, warehouse.mart(at=moved)) == "build"
    restored = Inside(backup, clock)
    assert await warehouse.run(restored, caller, warehouse.mart(at=moved)) == "build"
    await restored.close()
