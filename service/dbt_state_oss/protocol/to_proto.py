"""Converts answers of the domain to responses. Pure. Every text is escaped for the client's rich markup.

The client acts on which response field is set. `explained_decision` only explains it, so both are always set together.
"""

from __future__ import annotations

from query_cache_protobuf.query_cache.services.clone_service_pb2 import ReadyToCloneResponse
from query_cache_protobuf.query_cache.services.sql_service_pb2 import (
    ReadyToExecuteResponse,
    SkipExecutionResponse,
    SubmitSQLResponse,
)
from query_cache_protobuf.query_cache.shared_pb2 import ExplainedDecision, RejectionReason, SubmitSQLResultType
from query_cache_protobuf.query_cache.struct_pb2 import Struct, Value

from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.clone_ddl import sql_name
from dbt_state_oss.domain.decision import Build, Clone, Skip
from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Submission
from dbt_state_oss.protocol.markup import escaped


def submit_response(submission: Submission, answer: Answer) -> SubmitSQLResponse:
    """Return the response to a submission."""
    match answer.decision:
        case Skip() as skip:
            return SubmitSQLResponse(skip_execution=_skip(skip, answer.decision_id))
        case Clone() as clone:
            return SubmitSQLResponse(ready_to_clone=_clone(submission, clone, answer))
        case Build() as build:
            return SubmitSQLResponse(ready_to_execute=_build(build, answer))


def _skip(skip: Skip, decision_id: str) -> SkipExecutionResponse:
    execution = skip.execution
    return SkipExecutionResponse(
        explained_decision=ExplainedDecision(
            decision=SubmitSQLResultType.SKIP_EXECUTION,
            is_stale=skip.stale,
            decision_description=escaped(skip.description),
        ),
        execution_results=None if execution.results is None else _results(execution.results),
        execution_runtime_ms=execution.runtime_ms,
        execution_decision_id=decision_id,
        execution_id=execution.id,
    )


def _clone(submission: Submission, clone: Clone, answer: Answer) -> ReadyToCloneResponse:
    dialect = submission.code.dialect
    assert submission.relation is not None, "only what has a table is cloned"
    return ReadyToCloneResponse(
        request_id=answer.ticket,
        clone_sqls=clone.statements,
        clone_source=relation_name(dialect, clone.source),
        clone_target=relation_name(dialect, submission.relation),
        clone_required_last_modified_epoch=clone.required_epoch,
        explained_decision=ExplainedDecision(
            decision=SubmitSQLResultType.READY_TO_CLONE,
            skip_rejection_reason=RejectionReason.TARGET_TABLE_MISMATCH,
            is_stale=clone.stale,
            decision_description=escaped(clone.description),
        ),
        execution_runtime_ms=clone.execution.runtime_ms,
        execution_decision_id=answer.decision_id,
    )


def relation_name(dialect: Dialect, relation: Relation) -> str:
    """Return the relation's name in SQL of its dialect, or its canonical spelling if the dialect cannot express it."""
    return sql_name(dialect, relation) or relation


def _build(build: Build, answer: Answer) -> ReadyToExecuteResponse:
    return ReadyToExecuteResponse(
        request_id=answer.ticket,
        explained_decision=ExplainedDecision(
            decision=SubmitSQLResultType.READY_TO_EXECUTE,
            skip_rejection_reason=RejectionReason.ValueType(build.skip_rejection),
            clone_rejection_reason=RejectionReason.ValueType(build.clone_rejection),
            decision_description=escaped(build.description),
        ),
        execution_decision_id=answer.decision_id,
    )


def _results(results: DataTestResults) -> Struct:
    """Return exactly the three keys that the client digests (rule F8)."""
    return Struct(
        fields={
            "failures": Value(int_value=results.failures),
            "should_warn": Value(bool_value=results.should_warn),
            "should_error": Value(bool_value=results.should_error),
        }
    )
