"""The service Explain: returns the explanations of decisions, and the upstream changes of builds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from query_cache_protobuf.query_cache.services import explain_service_pb2 as wire
from query_cache_protobuf.query_cache.shared_pb2 import SubmitSQLResultType

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import JournalEntry, Verdict
from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.protocol.interceptors import Method
from dbt_state_oss.protocol.markup import escaped

_DECISIONS = {
    Verdict.SKIP: SubmitSQLResultType.SKIP_EXECUTION,
    Verdict.CLONE: SubmitSQLResultType.READY_TO_CLONE,
    Verdict.BUILD: SubmitSQLResultType.READY_TO_EXECUTE,
}


class ExplainServicer:
    """Answers with what is recorded. For ids that are left out, the client shows "explanation unavailable"."""

    def __init__(
        self,
        explain: Callable[[Caller, Sequence[str]], Awaitable[Mapping[str, JournalEntry]]],
        upstream_changes: Callable[[Caller, Sequence[str]], Awaitable[Mapping[str, Sequence[ExplainLine]]]],
    ) -> None:
        self._explain = explain
        self._upstream_changes = upstream_changes

    @property
    def methods(self) -> dict[str, Method]:
        return {
            "GetExplainMessages": self.get_explain_messages,
            "GetUpstreamDependencyChanges": self.get_upstream_dependency_changes,
        }

    async def get_explain_messages(
        self, caller: Caller, request: wire.GetExplainMessagesRequest
    ) -> wire.GetExplainMessagesResponse:
        explained = await self._explain(caller, request.execution_decision_ids)
        return wire.GetExplainMessagesResponse(
            messages=[
                wire.ExplainMessageEntry(
                    execution_decision_id=decision_id,
                    decision=_DECISIONS[entry.verdict],
                    decision_description=escaped(entry.description),
                    explain_lines=_lines(entry.explanation),
                )
                for decision_id, entry in explained.items()
            ]
        )

    async def get_upstream_dependency_changes(
        self, caller: Caller, request: wire.GetUpstreamDependencyChangesRequest
    ) -> wire.GetUpstreamDependencyChangesResponse:
        changes = await self._upstream_changes(caller, request.execution_ids)
        return wire.GetUpstreamDependencyChangesResponse(
            dependency_changes=[
                wire.UpstreamDependencyChanges(execution_id=execution_id, lines=_lines(lines))
                for execution_id, lines in changes.items()
            ]
        )


def _lines(lines: Iterable[ExplainLine]) -> list[wire.ExplainLine]:
    return [
        wire.ExplainLine(
            text=escaped(line.text),
            marker=wire.ExplainMarker.ValueType(line.marker),
            badge=wire.ExplainBadge.ValueType(line.badge),
            children=_lines(line.children),
        )
        for line in lines
    ]
