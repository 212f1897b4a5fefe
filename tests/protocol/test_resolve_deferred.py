"""Deferral requests, on a recorded one of the real client."""

from __future__ import annotations

import pytest
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ResolveDeferredRelationsRequest
from tests.protocol.recordings import recorded_requests

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.resolve_deferred import Deferral
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.protocol.execution import ExecutionServicer

SEED = "seed.shop.countries"


async def asked_of(request: ResolveDeferredRelationsRequest) -> Deferral:
    """The question that the request becomes; its answer must come back as it is."""
    questions: list[Deferral] = []

    async def resolve(caller: Caller, deferral: Deferral) -> dict[str, Relation]:
        questions.append(deferral)
        return {SEED: Relation('"shop"."prod"."countries"')}

    async def not_asked(*_: object) -> None:
        raise AssertionError("nothing else is asked")

    servicer = ExecutionServicer(
        confirm=not_asked,  # type: ignore[arg-type]
        record=not_asked,  # type: ignore[arg-type]
        update_metadata=not_asked,
        resolve_deferred=resolve,
    )
    response = await servicer.resolve_deferred_relations(Caller("default", "r"), request)
    assert dict(response.fqn_by_unique_id) == {SEED: '"shop"."prod"."countries"'}
    return questions[0]


async def test_a_request_becomes_a_deferral_field_by_field() -> None:
    (request,) = recorded_requests(
        "deferral", "Execution/ResolveDeferredRelations", ResolveDeferredRelationsRequest
    )  # fmt: skip
    assert await asked_of(request) == Deferral(
        "4711", "shop", "shop", "prod", frozenset({"model.shop.stg_orders", SEED})
    )  # fmt: skip


@pytest.mark.parametrize("project_id", ["", "None"], ids=["absent", "left out of the configuration"])
async def test_a_project_without_an_id_has_none(project_id: str) -> None:
    request = ResolveDeferredRelationsRequest(project_name="shop", project_id=project_id)
    assert (await asked_of(request)).project_id == ""
