"""What is brought into a state, or told it by a clock that was wrong, takes nothing away that was recorded since."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from tests.application.conftest import HandClock, Inside
from tests.application.runs import Runs, table
from tests.domain.building import MART, MINUTE, ORDERS, SUBMISSION, T0

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.ownership.archive import ArchivedDocument
from dbt_state_oss.application.ownership.transfer import documents_of, write
from dbt_state_oss.application.resolve_deferred import Deferral
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Submission, TargetKey

ELSEWHERE = Relation('"shop"."second"."mart"')


def silent(_: object) -> None:
    return


def of_project(project_id: str, relation: Relation) -> Submission:
    return replace(
        SUBMISSION,
        key=TargetKey("ns", relation),
        relation=relation,
        own_epoch=None,
        node=replace(SUBMISSION.node, project_id=project_id),
    )


async def test_an_import_does_not_forget_that_two_projects_have_one_name(inside: Inside, caller: Caller) -> None:
    """Else a checkout without a project id would be deferred to the tables of one of them."""
    runs = Runs(inside)
    resolve = inside.resolve_deferred
    asked = Deferral("", "shop", "shop", "prod", frozenset({SUBMISSION.node.unique_id}))
    await runs.build(of_project("1", MART))
    assert await resolve(caller, asked) == {SUBMISSION.node.unique_id: MART}
    backup = [record async for record in documents_of(inside.store, ticket_keys=False)]
    await runs.build(of_project("2", ELSEWHERE))
    assert await resolve(caller, asked) == {}, "two projects of the name: no choice"

    async def records() -> AsyncIterator[ArchivedDocument]:
        for record in backup:
            yield record

    await write(records, inside.store, silent, overwrite=True)
    assert await resolve(caller, asked) == {}, "both projects are on record still"


async def test_a_target_that_was_forgotten_by_a_clock_far_ahead_can_be_recorded_again(
    inside: Inside, clock: HandClock
) -> None:
    runs, mart = Runs(inside), table(MART, "select id from raw.orders", {ORDERS: T0})
    await runs.build(mart)
    (account,) = [one async for one in inside.ledger.accounts("default")]
    await inside.ledger.forget(account, at=clock.time + 365 * 24 * 60 * MINUTE)
    (account,) = [one async for one in inside.ledger.accounts("default")]
    await inside.ledger.forget(account, at=clock.time + 1)
    await runs.build(mart)
    assert (await inside.ledger.history("default", mart.key)).latest is not None
