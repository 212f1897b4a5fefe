"""The service Clone: pre-clones a table of production into development before dbt builds on it there (rule C5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from query_cache_protobuf.query_cache.services.clone_service_pb2 import (
    CloneRequest,
    CloneResponse,
    ReadyToCloneResponse,
    UnableToCloneResponse,
)
from query_cache_protobuf.query_cache.shared_pb2 import ExplainedDecision, RejectionReason, SubmitSQLResultType

from dbt_state_oss.application.caller import Caller, ClientLine
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.domain.clone import CloneOrder, CloneRefusal
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.submission import CloneTerms, TargetKey
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.protocol.from_proto import execution_type_of
from dbt_state_oss.protocol.interceptors import Method
from dbt_state_oss.protocol.markup import escaped
from dbt_state_oss.protocol.node_from_proto import node_of_labels
from dbt_state_oss.protocol.to_proto import relation_name

_log = structlog.get_logger(__name__)


class CloneServicer:
    """Answers requests for pre-clones. Logs one line per answer."""

    def __init__(self, register_clone: Callable[[Caller, CloneOrder], Awaitable[CloneGrant | CloneRefusal]]) -> None:
        self._register_clone = register_clone

    @property
    def methods(self) -> dict[str, Method]:
        return {"RegisterClone": self.register_clone}

    async def register_clone(self, caller: Caller, request: CloneRequest) -> CloneResponse:
        order = clone_order_of(request, caller.client)
        answer = await self._register_clone(caller, order)
        _log.info(
            "pre_clone",
            node=order.node.unique_id or order.key.name,
            decision="clone" if isinstance(answer, CloneGrant) else "no clone",
            description=f"from {order.source}" if isinstance(answer, CloneGrant) else answer.because,
            request_id=caller.request_id,
            session_id=caller.session_id,
        )
        return clone_response(order, answer)


def clone_order_of(request: CloneRequest, client: ClientLine | None = None) -> CloneOrder:
    """Convert the request to a clone order. Raises InvalidRequest if it does not name both source and target."""
    if not request.target_table or not request.clone_source_table:
        raise InvalidRequest("The request does not name both the table to copy and the one to make.")
    dialect = dialect_named(request.dialect)
    target, source = (
        dialect.relation(name, default_catalog=request.default_catalog, default_schema=dialect.default_schema)
        for name in (request.target_table, request.clone_source_table)
    )
    has_limit = request.HasField("clone_chain_depth_limit")
    return CloneOrder(
        key=TargetKey(request.table_namespace, target),
        dialect=dialect,
        source=source,
        target=target,
        execution_type=execution_type_of(request.execution_type),
        node=node_of_labels(request.labels),
        source_epoch=request.clone_source_last_modified_epoch or None,
        source_table_type=request.clone_source_table_type or None,
        terms=CloneTerms(
            chain_depth_limit=request.clone_chain_depth_limit if has_limit else None,
            hours_to_expiration=request.table_properties.hours_to_expiration or None,
            partition_expiration_days=request.table_properties.partition_expiration_days or None,
        ),
        client_stamps=client is ClientLine.RUST,
    )


def clone_response(order: CloneOrder, answer: CloneGrant | CloneRefusal) -> CloneResponse:
    """Return the response. A grant is also set in the deprecated field, the only one that the oldest clients read."""
    source = relation_name(order.dialect, order.source)
    target = relation_name(order.dialect, order.target)
    match answer:
        case CloneGrant(statements, ticket):
            ready = ReadyToCloneResponse(
                request_id=ticket,
                clone_sqls=statements,
                clone_source=source,
                clone_target=target,
                explained_decision=ExplainedDecision(
                    decision=SubmitSQLResultType.READY_TO_CLONE,
                    skip_rejection_reason=RejectionReason.FORCED_NOT_ELIGIBLE,
                ),
            )
            return CloneResponse(ready_to_clone=ready, ready_to_clone_v1=ready)
        case CloneRefusal(reason, because):
            explained = ExplainedDecision(
                decision=SubmitSQLResultType.READY_TO_EXECUTE,
                clone_rejection_reason=RejectionReason.ValueType(reason),
                decision_description=escaped(f"model was not cloned because {because}"),
            )
            return CloneResponse(
                unable_to_clone=UnableToCloneResponse(
                    clone_source=source, clone_target=target, explained_decision=explained
                )
            )
