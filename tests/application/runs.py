"""What tests of histories tell: runs that ask and do as they are told, and the tables that they ask about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.application.conftest import Inside
from tests.domain.building import MINUTE, SUBMISSION

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.clone import CloneOrder
from dbt_state_oss.domain.decision import Build
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, NodeHashes, Submission, TargetKey


class Runs:
    """Clients that are obeyed: each build is asked about, done and confirmed, its epoch being the clock's time."""

    def __init__(self, inside: Inside, *, calls: int = 0) -> None:
        self.inside = inside
        self.calls = calls

    def caller(self) -> Caller:
        """A call of a dbt process that has just begun."""
        self.calls += 1
        session = f"session-{self.calls}"
        self.inside.sessions.begin(session, at=self.inside.clock.time)
        return Caller("default", f"{self.calls:032d}", session)

    async def ask(self, submission: Submission) -> Answer:
        self.inside.clock.time += MINUTE
        return await self.inside.submit(self.caller(), submission)

    async def confirm(self, asked: Answer) -> int:
        """The epoch of the table that was built."""
        assert isinstance(asked.decision, Build), asked.decision.description
        return await self._confirmed(asked.ticket)

    async def build(self, submission: Submission) -> int:
        return await self.confirm(await self.ask(submission))

    async def build_test(self, submission: Submission, results: DataTestResults) -> None:
        """Run a data test that is to be run."""
        asked = await self.ask(submission)
        assert isinstance(asked.decision, Build), asked.decision.description
        await self.inside.confirm(self.caller(), asked.ticket, Outcome(None, results=results, runtime_ms=1000))

    async def pre_clone(self, order: CloneOrder) -> int:
        """The epoch of the copy, which is made before anything is asked."""
        self.inside.clock.time += MINUTE
        register = self.inside.register_clone
        granted = await register(self.caller(), order)
        assert isinstance(granted, CloneGrant)
        return await self._confirmed(granted.ticket)

    async def _confirmed(self, ticket: str) -> int:
        self.inside.clock.time += MINUTE
        epoch = self.inside.clock.time
        await self.inside.confirm(self.caller(), ticket, Outcome(epoch, runtime_ms=1000))
        return epoch


def assert_built(answer: Answer) -> None:
    assert isinstance(answer.decision, Build), answer.decision.description


def table(
    relation: Relation,
    sql: str,
    inputs: Mapping[Relation, int | None],
    own_epoch: int | None = None,
    *,
    house: str = "postgres",
    target_name: str = "prod",
    unique_id: str | None = None,
    hashes: NodeHashes = SUBMISSION.node.hashes,
    **changes: Any,
) -> Submission:
    """A question about a table that is made of `sql`; its node is named as it is unless `unique_id` says otherwise."""
    name = relation.split(".")[-1].strip('"')
    node = replace(SUBMISSION.node, unique_id=unique_id or f"model.shop.{name}", target_name=target_name, hashes=hashes)
    return replace(
        SUBMISSION,
        key=TargetKey("ns", relation),
        relation=relation,
        code=Code(dialect_named(house), sql, "shop", "public", relation),
        inputs=inputs,
        own_epoch=own_epoch,
        node=node,
        **changes,
    )


def copy_order(source: Relation, target: Relation, built: Submission, source_epoch: int) -> CloneOrder:
    """The pre-clone of what `built` asks about, from `source` as it is reported at `source_epoch` to `target`."""
    return CloneOrder(
        TargetKey(built.key.namespace, target),
        built.code.dialect,
        source,
        target,
        built.execution_type,
        built.node,
        source_epoch=source_epoch,
    )
