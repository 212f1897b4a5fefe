"""Orders of clones off the wire, and the answers that every generation of clients can read."""

from __future__ import annotations

from typing import Any

import pytest
from query_cache_protobuf.query_cache.services.clone_service_pb2 import CloneRequest, TableProperties
from query_cache_protobuf.query_cache.shared_pb2 import ModelExecutionType, RejectionReason, SubmitSQLResultType
from structlog.testing import capture_logs
from tests.protocol.recordings import recorded_requests

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.domain.clone import CloneOrder, CloneRefusal
from dbt_state_oss.domain.decision import RejectionReason as Reason
from dbt_state_oss.domain.submission import CloneTerms, ExecutionType, TargetKey
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.protocol.clone import CloneServicer, clone_order_of, clone_response

SNOWFLAKE = CloneRequest(
    target_table="shop.dev.orders",
    clone_source_table="shop.prod.orders",
    dialect="snowflake",
    default_catalog="SHOP",
    execution_type=ModelExecutionType.SNAPSHOT,
)
GRANT = CloneGrant(("CREATE …", "INSERT …"), "ticket-1")
REFUSAL = CloneRefusal(Reason.CLONE_CHAIN_LIMIT_EXCEEDED, "no clones [of any kind] are wanted")


def recorded_order() -> CloneRequest:
    (request,) = recorded_requests("pre_clone", "Clone/RegisterClone", CloneRequest)
    return request  # fmt: skip


def changed(request: CloneRequest, **fields: Any) -> CloneRequest:
    other = CloneRequest(**fields)
    copy = CloneRequest.FromString(request.SerializeToString())
    copy.MergeFrom(other)
    return copy


def test_an_order_is_read_as_the_client_sends_it() -> None:
    order = clone_order_of(recorded_order())

    assert order.key == TargetKey("f528764d624db129b32c21fbca0cb8d6", '"shop"."dev"."order_log"')
    assert (order.source, order.target) == ('"shop"."prod"."order_log"', '"shop"."dev"."order_log"')
    assert (order.dialect.name, order.execution_type) == ("postgres", ExecutionType.MERGE)
    assert order.source_epoch == 1795352217372
    assert (order.node.unique_id, order.node.resource_type) == ("model.shop.order_log", "model")
    assert (order.source_table_type, order.terms) == (None, CloneTerms())


def test_names_are_those_of_the_submits_however_dbt_spells_them() -> None:
    order = clone_order_of(SNOWFLAKE)

    assert (order.source, order.target) == ('"SHOP"."PROD"."ORDERS"', '"SHOP"."DEV"."ORDERS"')


def test_terms_are_read_and_a_limit_of_none_is_kept_apart_from_no_limit() -> None:
    properties = TableProperties(hours_to_expiration=12, partition_expiration_days=30)
    terms = changed(SNOWFLAKE, clone_chain_depth_limit=0, table_properties=properties)

    order = clone_order_of(changed(terms, clone_source_table_type="TRANSIENT TABLE"))

    assert order.terms == CloneTerms(chain_depth_limit=0, hours_to_expiration=12, partition_expiration_days=30)
    assert order.source_table_type == "TRANSIENT TABLE"
    assert order.source_epoch is None


@pytest.mark.parametrize("missing", ["target_table", "clone_source_table"])
def test_an_order_that_names_no_table_is_refused(missing: str) -> None:
    request = recorded_order()
    request.ClearField(missing)  # type: ignore[arg-type]

    with pytest.raises(InvalidRequest):
        clone_order_of(request)


def test_a_grant_stands_in_the_field_of_every_generation_and_never_in_the_untrackable_one() -> None:
    response = clone_response(clone_order_of(recorded_order()), GRANT)

    assert response.ready_to_clone == response.ready_to_clone_v1
    assert response.WhichOneof("response") == "ready_to_clone_v1"
    assert not response.HasField("unable_to_clone")


def test_a_grant_carries_statements_names_and_ticket_and_explains_nothing() -> None:
    ready = clone_response(clone_order_of(SNOWFLAKE), GRANT).ready_to_clone

    assert (ready.request_id, tuple(ready.clone_sqls)) == (GRANT.ticket, GRANT.statements)
    assert (ready.clone_source, ready.clone_target) == ('"SHOP"."PROD"."ORDERS"', '"SHOP"."DEV"."ORDERS"')
    assert ready.explained_decision.decision == SubmitSQLResultType.READY_TO_CLONE
    assert ready.explained_decision.skip_rejection_reason == RejectionReason.FORCED_NOT_ELIGIBLE
    assert (ready.explained_decision.decision_description, ready.execution_decision_id) == ("", "")
    assert not ready.HasField("clone_required_last_modified_epoch")


def test_a_refusal_says_why() -> None:
    response = clone_response(clone_order_of(SNOWFLAKE), REFUSAL)

    assert response.WhichOneof("response") is None
    assert not response.HasField("ready_to_clone")
    explained = response.unable_to_clone.explained_decision
    assert explained.clone_rejection_reason == RejectionReason.CLONE_CHAIN_LIMIT_EXCEEDED
    assert explained.decision_description == r"model was not cloned because no clones \[of any kind] are wanted"


@pytest.mark.parametrize(("answer", "decision"), [(GRANT, "clone"), (REFUSAL, "no clone")])
async def test_each_answer_is_one_line_in_the_log(answer: CloneGrant | CloneRefusal, decision: str) -> None:
    async def register(caller: Caller, order: CloneOrder) -> CloneGrant | CloneRefusal:
        return answer

    with capture_logs() as logs:
        await CloneServicer(register).register_clone(Caller("default", "r" * 32), recorded_order())

    (line,) = logs
    assert (line["event"], line["node"], line["decision"]) == ("pre_clone", "model.shop.order_log", decision)
