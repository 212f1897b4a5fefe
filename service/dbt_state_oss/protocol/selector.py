"""The service SelectorService: returns the nodes that match a `state:` selector."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from query_cache_protobuf.query_cache.services.selector_service_pb2 import (
    SelectorCriteria,
    SelectorRequest,
    SelectorResponse,
)

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.select_nodes import Selection
from dbt_state_oss.domain.selection import Criterion, NodeLook
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.protocol.interceptors import Method
from dbt_state_oss.protocol.node_from_proto import node_hashes_of, project_id_of

_CRITERIA = {SelectorCriteria.Value(criterion.name): criterion for criterion in Criterion}


class SelectorServicer:
    """Answers selections. It returns only ids from the request, because the client fails on any other id."""

    def __init__(self, select: Callable[[Caller, Selection], Awaitable[Sequence[str]]]) -> None:
        self._select = select

    @property
    def methods(self) -> dict[str, Method]:
        return {"GetStateSelection": self.get_state_selection}

    async def get_state_selection(self, caller: Caller, request: SelectorRequest) -> SelectorResponse:
        """Return the matching node ids. Raises `InvalidRequest` if the criterion is absent or unknown to this version."""
        selection = await by_size(caller.request_bytes, selection_of, request)
        return SelectorResponse(node_unique_ids=await self._select(caller, selection))


def selection_of(request: SelectorRequest) -> Selection:
    """Convert the request. Raises `InvalidRequest` if the criterion is absent or unknown to this version."""
    criterion = _CRITERIA.get(request.selector_criteria)
    if criterion is None:
        known = ", ".join(f"state:{each.value}" for each in Criterion)
        raise InvalidRequest(f"The state selector {request.selector_criteria} is not supported; supported are {known}.")
    return Selection(
        criterion=criterion,
        project_id=project_id_of(request.project_id),
        target_name=request.target,
        nodes={
            node.node_unique_id: NodeLook(node_hashes_of(node), node.node_database_representation or None)
            for node in request.nodes
        },
    )
