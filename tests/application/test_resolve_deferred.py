"""Where deferred nodes live: only what is on record, of tables that were built, and of one project alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlglot import exp
from tests.application.conftest import Inside
from tests.domain.building import MART, NOW, SUBMISSION

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.resolve_deferred import Deferral
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Node, Submission, TargetKey
from dbt_state_oss.errors import StoreUnavailable
from dbt_state_oss.stores.memory import MemoryStore

NODE = SUBMISSION.node.unique_id
ELSEWHERE = Relation('"shop"."finance"."mart_1"')
ASKED = Deferral("4711", "shop", "shop", "prod", frozenset({NODE, "model.shop.unknown"}))
BY_NAME = replace(ASKED, project_id="")


def living_at(relation: Relation, *, project_id: str = "4711", resource_type: str = "model") -> Submission:
    node_of_project = replace(SUBMISSION.node, project_id=project_id, resource_type=resource_type)
    return replace(SUBMISSION, key=TargetKey("ns", relation), relation=relation, node=node_of_project, own_epoch=None)


async def build(inside: Inside, caller: Caller, submission: Submission) -> None:
    answer = await inside.submit(caller, submission)
    await inside.confirm(caller, answer.ticket, Outcome(epoch=NOW, runtime_ms=1))


Resolve = Callable[[Caller, Deferral], Awaitable[dict[str, Relation]]]


@pytest.fixture
def resolve(inside: Inside) -> Resolve:
    return inside.resolve_deferred


@pytest.mark.parametrize("asked", [ASKED, BY_NAME], ids=["by id", "by name"])
async def test_a_built_node_is_where_it_was_last_built_and_an_unknown_one_is_left_out(
    inside: Inside, resolve: Resolve, caller: Caller, asked: Deferral
) -> None:
    await build(inside, caller, living_at(MART))
    assert await resolve(caller, asked) == {NODE: MART}
    await build(inside, caller, living_at(ELSEWHERE))
    assert await resolve(caller, asked) == {NODE: ELSEWHERE}


async def test_a_place_where_nothing_was_built_is_none(inside: Inside, resolve: Resolve, caller: Caller) -> None:
    await build(inside, caller, living_at(MART))
    await inside.submit(caller, living_at(ELSEWHERE))
    assert await resolve(caller, ASKED) == {}


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, profile_name="another"),
        replace(ASKED, target_name="staging"),
        replace(ASKED, project_id="42"),
        replace(BY_NAME, project_name="another"),
    ],
    ids=["profile", "target", "project id", "project name"],
)
async def test_another_project_profile_or_target_has_no_part_in_it(
    inside: Inside, resolve: Resolve, caller: Caller, other: Deferral
) -> None:
    await build(inside, caller, living_at(MART))
    assert await resolve(caller, other) == {}


async def test_a_project_that_never_had_an_id_is_found_by_its_name(
    inside: Inside, resolve: Resolve, caller: Caller
) -> None:
    await build(inside, caller, living_at(MART, project_id=""))
    assert await resolve(caller, BY_NAME) == {NODE: MART}
    assert await resolve(caller, ASKED) == {}


@pytest.mark.parametrize("ids", [("1", "2"), ("", "1")], ids=["two ids", "one without an id"])
async def test_by_name_nothing_is_found_where_two_projects_have_the_name(
    inside: Inside, resolve: Resolve, caller: Caller, ids: tuple[str, str]
) -> None:
    for project_id in ids:
        await build(inside, caller, living_at(MART, project_id=project_id))
    assert await resolve(caller, BY_NAME) == {}
    assert await resolve(caller, replace(ASKED, project_id="1")) == {NODE: MART}


@pytest.mark.parametrize(
    "elsewhere",
    [replace(SUBMISSION.node, profile_name="another"), replace(SUBMISSION.node, target_name="another")],
    ids=["profile", "target"],
)
async def test_a_project_of_the_name_in_another_profile_or_target_is_no_other_choice(
    inside: Inside, resolve: Resolve, caller: Caller, elsewhere: Node
) -> None:
    await build(inside, caller, living_at(MART, project_id="1"))
    other = living_at(ELSEWHERE)
    await build(inside, caller, replace(other, node=replace(elsewhere, project_id="2")))
    assert await resolve(caller, BY_NAME) == {NODE: MART}


async def test_a_test_has_no_relation_even_where_its_failures_are_stored(
    inside: Inside, resolve: Resolve, caller: Caller
) -> None:
    await build(inside, caller, living_at(MART, resource_type="test"))
    assert await resolve(caller, ASKED) == {}


async def test_state_that_cannot_be_read_is_an_error(
    store: MemoryStore, inside: Inside, resolve: Resolve, caller: Caller
) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await resolve(caller, ASKED)


@pytest.mark.parametrize("warehouse", ["postgres", "redshift", "snowflake", "bigquery", "databricks"])
def test_the_client_reads_a_canonical_name_in_every_dialect(warehouse: str) -> None:
    dialect = dialect_named(warehouse)
    quote = dialect.identifier_quotes[0]
    written = ".".join(f"{quote}{part}{quote}" for part in ("my-project", "finance", "select"))
    read, parts = exp.to_table(dialect.relation(written), dialect=warehouse), exp.to_table(written, dialect=warehouse)
    assert (read.catalog, read.db, read.name) == (parts.catalog, parts.db, parts.name)
