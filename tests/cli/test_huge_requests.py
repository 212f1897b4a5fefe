"""Requests far larger than those of a project: each is answered in time with a build that can be confirmed."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from query_cache_protobuf.query_cache.services.execution_service_pb2 import (
    ConfirmExecutionRequest,
    ExecutionOutcome,
    ExecutionRecord,
    RecordExecutionsRequest,
    SQLExecution,
)
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import ReadyToExecuteResponse, SubmitEnrichedSQLRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.commands import Serving, serving
from tests.cli.huge import HUGE
from tests.cli.questions import BUILT_AT

CALL_SECONDS = 60
ALWAYS_BUILT = {"10,000 tables", "2,000 views", "5 MB of SQL", "20 MB of SQL"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("huge") / "state", "--parse-timeout-seconds", "1") as server:
        yield server


@pytest.fixture
def channel(server: Serving) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address, options=[("grpc.max_send_message_length", -1)]) as channel:
        yield channel


def asked(channel: grpc.Channel, request: SubmitEnrichedSQLRequest) -> ReadyToExecuteResponse | None:
    """The build that it is answered with; None where it is skipped."""
    answer = SQLStub(channel).SubmitEnrichedSQL(request, timeout=CALL_SECONDS)
    return None if answer.HasField("skip_execution") else answer.ready_to_execute


def _with_own_epoch(request: SubmitEnrichedSQLRequest) -> None:
    """Report the target as it was built."""
    for table in request.tables:
        if table.name == request.target_table:
            table.last_modified_epoch = BUILT_AT


@pytest.mark.parametrize("kind", HUGE)
def test_a_huge_request_is_a_build_that_can_be_confirmed(channel: grpc.Channel, kind: str) -> None:
    request = HUGE[kind](1)
    build = asked(channel, request)
    assert build is not None
    confirmation = ConfirmExecutionRequest(request_id=build.request_id, last_modified_epoch=BUILT_AT)
    assert ExecutionStub(channel).ConfirmExecution(confirmation, timeout=CALL_SECONDS).success
    _with_own_epoch(request)
    again = asked(channel, request)
    if kind in ALWAYS_BUILT:
        assert again is not None
    else:
        # SQL that was not parsed in time is parsed at the next run, where it may be.
        assert (again is None) == ("SQL" not in kind)


def test_a_request_of_too_many_tables_says_so(channel: grpc.Channel) -> None:
    build = asked(channel, HUGE["10,000 tables"](2))
    assert build is not None
    assert "names more than 2000 tables and views" in build.explained_decision.decision_description


def test_a_record_of_too_many_tables_is_taken_and_proves_nothing(channel: grpc.Channel) -> None:
    request = HUGE["10,000 tables"](3)
    query = SQLExecution(
        target_table=request.target_table,
        dialect=request.dialect,
        default_catalog=request.default_catalog,
        table_namespace=request.table_namespace,
        sql=request.sql,
        tables=request.tables,
    )
    record = ExecutionRecord(enriched_sql=query, outcome=ExecutionOutcome(last_modified_epoch=BUILT_AT))
    assert ExecutionStub(channel).RecordExecutions(RecordExecutionsRequest(records=[record])).records_stored == 1
    del request.tables[10:]
    _with_own_epoch(request)
    build = asked(channel, request)
    assert build is not None
    assert "cannot justify a skip" in build.explained_decision.decision_description


def test_a_huge_request_is_not_decided_before_its_time(channel: grpc.Channel) -> None:
    answer = SQLStub(channel).SubmitEnrichedSQLSpeculative(HUGE["10,000 tables"](4), timeout=CALL_SECONDS)
    assert answer.HasField("undecided")
