"""The service SQL: answers submissions with decisions."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import structlog
from query_cache_protobuf.query_cache.services.sql_service_pb2 import (
    SubmitEnrichedSQLRequest,
    SubmitSQLResponse,
    SubmitSQLSpeculativeResponse,
    SubmitValuesRequest,
    UndecidedResponse,
)

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.decision import Build
from dbt_state_oss.domain.submission import Submission
from dbt_state_oss.protocol.from_proto import submission_of_query, submission_of_values
from dbt_state_oss.protocol.interceptors import Method
from dbt_state_oss.protocol.to_proto import submit_response

_log = structlog.get_logger(__name__)


class SqlServicer:
    """Answers submissions. Logs one line per decision."""

    def __init__(
        self,
        *,
        submit: Callable[[Caller, Submission], Awaitable[Answer]],
        speculate: Callable[[Caller, Submission], Awaitable[Answer | None]],
    ) -> None:
        self._submit = submit
        self._speculate = speculate

    @property
    def methods(self) -> dict[str, Method]:
        return {
            "SubmitEnrichedSQL": self.submit_enriched_sql,
            "SubmitValues": self.submit_values,
            "SubmitEnrichedSQLSpeculative": self.submit_enriched_sql_speculative,
        }

    async def submit_enriched_sql(self, caller: Caller, request: SubmitEnrichedSQLRequest) -> SubmitSQLResponse:
        return await self._answer(
            caller, await by_size(caller.request_bytes, submission_of_query, request, caller.client)
        )

    async def submit_values(self, caller: Caller, request: SubmitValuesRequest) -> SubmitSQLResponse:
        return await self._answer(
            caller, await by_size(caller.request_bytes, submission_of_values, request, caller.client)
        )

    async def submit_enriched_sql_speculative(
        self, caller: Caller, request: SubmitEnrichedSQLRequest
    ) -> SubmitSQLSpeculativeResponse:
        """Answer with a skip or a clone if the epochs sent so far prove it, otherwise with undecided.

        After undecided, the client waits for the other epochs and submits the node again.
        """
        submission = await by_size(caller.request_bytes, submission_of_query, request, caller.client)
        started = time.perf_counter()
        answer = await self._speculate(caller, submission)
        if answer is None:
            return SubmitSQLSpeculativeResponse(undecided=UndecidedResponse())
        _log_decision(caller, submission, answer, duration_ms=(time.perf_counter() - started) * 1000)
        response = submit_response(submission, answer)
        if response.HasField("ready_to_clone"):
            return SubmitSQLSpeculativeResponse(ready_to_clone=response.ready_to_clone)
        return SubmitSQLSpeculativeResponse(skip_execution=response.skip_execution)

    async def _answer(self, caller: Caller, submission: Submission) -> SubmitSQLResponse:
        started = time.perf_counter()
        answer = await self._submit(caller, submission)
        _log_decision(caller, submission, answer, duration_ms=(time.perf_counter() - started) * 1000)
        return submit_response(submission, answer)


def _log_decision(caller: Caller, submission: Submission, answer: Answer, *, duration_ms: float) -> None:
    decision = answer.decision
    reuse = None if isinstance(decision, Build) else decision
    _log.info(
        "decision",
        node=submission.node.unique_id or submission.key.name,
        decision=type(decision).__name__.lower(),
        description=decision.description,
        stale=reuse is not None and reuse.stale,
        saved_ms=0 if reuse is None else reuse.execution.runtime_ms,
        duration_ms=round(duration_ms, 2),
        decision_id=answer.decision_id,
        request_id=caller.request_id,
        session_id=caller.session_id,
    )
