"""The service Execution: records builds and their outcome, and resolves deferred relations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from query_cache_protobuf.query_cache.services.execution_service_pb2 import (
    ConfirmExecutionRequest,
    ConfirmExecutionResponse,
    RecordExecutionsRequest,
    RecordExecutionsResponse,
    ResolveDeferredRelationsRequest,
    ResolveDeferredRelationsResponse,
    UpdateExecutionMetadataRequest,
    UpdateExecutionMetadataResponse,
)

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.application.resolve_deferred import Deferral
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.protocol.from_proto import outcome_of, recorded
from dbt_state_oss.protocol.interceptors import Method
from dbt_state_oss.protocol.node_from_proto import project_id_of


class ExecutionServicer:
    """Records builds and resolves deferred relations. It answers only after a record is durable (rule W1)."""

    def __init__(
        self,
        *,
        confirm: Callable[[Caller, str, Outcome], Awaitable[str]],
        record: Callable[[Caller, Sequence[Recorded]], Awaitable[int]],
        update_metadata: Callable[[Caller, str, int | None], Awaitable[None]],
        resolve_deferred: Callable[[Caller, Deferral], Awaitable[Mapping[str, Relation]]],
    ) -> None:
        self._confirm = confirm
        self._record = record
        self._update_metadata = update_metadata
        self._resolve_deferred = resolve_deferred

    @property
    def methods(self) -> dict[str, Method]:
        return {
            "ConfirmExecution": self.confirm_execution,
            "RecordExecutions": self.record_executions,
            "UpdateExecutionMetadata": self.update_execution_metadata,
            "ResolveDeferredRelations": self.resolve_deferred_relations,
        }

    async def confirm_execution(self, caller: Caller, request: ConfirmExecutionRequest) -> ConfirmExecutionResponse:
        execution_id = await self._confirm(caller, request.request_id, outcome_of(request))
        return ConfirmExecutionResponse(success=True, execution_id=execution_id)

    async def record_executions(self, caller: Caller, request: RecordExecutionsRequest) -> RecordExecutionsResponse:
        records = [await by_size(caller.request_bytes, recorded, record) for record in request.records]
        stored = await self._record(caller, records)
        return RecordExecutionsResponse(records_stored=stored)

    async def update_execution_metadata(
        self, caller: Caller, request: UpdateExecutionMetadataRequest
    ) -> UpdateExecutionMetadataResponse:
        """Update the epoch. Clients that received no execution id send an empty one; then there is nothing to update."""
        if request.execution_id:
            await self._update_metadata(caller, request.execution_id, request.last_modified_epoch or None)
        return UpdateExecutionMetadataResponse()

    async def resolve_deferred_relations(
        self, caller: Caller, request: ResolveDeferredRelationsRequest
    ) -> ResolveDeferredRelationsResponse:
        """Return relation names in canonical spelling, which the client reads in every dialect.

        The client computes the names of nodes that are left out.
        """
        deferral = Deferral(
            project_id=project_id_of(request.project_id),
            project_name=request.project_name,
            profile_name=request.profile_name,
            target_name=request.target_name,
            unique_ids=frozenset(request.node_unique_ids),
        )
        return ResolveDeferredRelationsResponse(fqn_by_unique_id=await self._resolve_deferred(caller, deferral))
