"""Requests into submissions and outcomes, on recorded requests of the real clients."""

from __future__ import annotations

from dataclasses import replace

import pytest
from query_cache_protobuf.query_cache.services.clone_service_pb2 import TableProperties
from query_cache_protobuf.query_cache.services.execution_service_pb2 import (
    ConfirmExecutionRequest,
    ExecutionOutcome,
    ExecutionRecord,
    RecordExecutionsRequest,
    ValuesExecution,
)
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest, SubmitValuesRequest
from query_cache_protobuf.query_cache.shared_pb2 import DbtNodeState, TableModifiedInfo
from query_cache_protobuf.query_cache.shared_pb2 import StaleUpstreamPolicy as WirePolicy
from query_cache_protobuf.query_cache.struct_pb2 import Struct, Value
from tests.protocol.recordings import recorded_requests

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import (
    CloneTerms,
    Code,
    ExecutionType,
    Node,
    NodeHashes,
    SeedValues,
    StaleUpstreamPolicy,
    Submission,
    TargetKey,
    ViewDefinition,
)
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.protocol.from_proto import outcome_of, recorded, submission_of_query, submission_of_values

TOTALS = Relation('"shop"."prod"."order_totals"')
COUNTRIES = Relation('"shop"."prod"."countries"')
ORDERS = Relation('"shop"."raw"."orders"')
NAMESPACE = "f528764d624db129b32c21fbca0cb8d6"


def table_model() -> SubmitEnrichedSQLRequest:
    """A table model over a seed and a staging view, whose table exists."""
    return recorded_requests(
        "table_over_staging_view", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest
    )[1]  # fmt: skip


def data_test(number: int = 0) -> SubmitEnrichedSQLRequest:
    return recorded_requests("data_tests", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)[number]


def test_a_table_models_request_becomes_a_submission_field_by_field() -> None:
    request = table_model()
    assert submission_of_query(request) == Submission(
        key=TargetKey(NAMESPACE, TOTALS),
        relation=TOTALS,
        execution_type=ExecutionType.FULL,
        code=Code(
            dialect=dialect_named("postgres"),
            sql=request.sql,
            default_catalog="shop",
            default_schema="public",
            target=TOTALS,
            views=(
                ViewDefinition(
                    Relation('"shop"."prod"."stg_orders"'), request.query_dependencies[0].query, "shop", "public"
                ),
            ),
        ),
        extras={
            "on_schema_change": '"ignore"',
            "lookback": "1",
            "event_time": "",
            "__persisted_docs_hash": "736da1988a4100574db218baaee1a1e5",
            "contract": '{"alias_types": true, "enforced": false}',
            "grants": "{}",
            "unique_key": "",
        },
        own_epoch=1795352217956,
        inputs={ORDERS: 1795352201595, COUNTRIES: 1795352236479},
        node=Node(
            unique_id="model.shop.order_totals",
            name="order_totals",
            resource_type="model",
            project_name="shop",
            project_id="4711",
            profile_name="shop",
            target_name="prod",
            hashes=NodeHashes(
                body="2503773a67fc7d864b3edf93501776cf",
                configs="0d5f0e1b69e397cdbc5763219d03f339",
                persisted_descriptions="736da1988a4100574db218baaee1a1e5",
                contract="298a88779c630d09cfb26e926f3af91b",
            ),
            node_hash="c41e69af6b4718739ae303c3c99939ed",
            representation="shop.prod.order_totals",
            tracked=True,
        ),
        lag_tolerance_seconds=2700,
        tolerate_nondeterminism=True,
        clone_terms=CloneTerms(time_travel_limit_seconds=0, into_defer_target=True, defer_enabled=True),
    )


def test_a_seeds_request_becomes_a_submission_field_by_field() -> None:
    (request,) = recorded_requests("session_and_seed", "SQL/SubmitValues", SubmitValuesRequest)
    request.last_modified_epoch = 1795352215434
    assert submission_of_values(request) == Submission(
        key=TargetKey(NAMESPACE, COUNTRIES),
        relation=COUNTRIES,
        execution_type=ExecutionType.VALUES,
        code=SeedValues(dialect_named("postgres"), "cafedccd04d4d65e440db3d4b38158e0"),
        extras={"column_types": "{}", "delimiter": '","', "quote_columns": ""},
        own_epoch=1795352215434,
        inputs={},
        node=Node(
            unique_id="seed.shop.countries",
            name="countries",
            resource_type="seed",
            project_name="shop",
            project_id="4711",
            profile_name="shop",
            target_name="prod",
            hashes=NodeHashes(body="cafedccd04d4d65e440db3d4b38158e0"),
            node_hash="cafedccd04d4d65e440db3d4b38158e0",
            tracked=True,
        ),
        clone_terms=CloneTerms(time_travel_limit_seconds=0, into_defer_target=True, defer_enabled=True),
    )


def test_a_seed_that_dbt_names_without_quotes_is_the_table_that_models_name_with_them() -> None:
    seed = SubmitValuesRequest(target_table="shop.prod.countries", dialect="snowflake", default_catalog="SHOP")
    model = SubmitEnrichedSQLRequest(
        target_table='"SHOP"."PROD"."X"',
        dialect="snowflake",
        tables=[TableModifiedInfo(name='"SHOP"."PROD"."COUNTRIES"')],
    )
    assert submission_of_values(seed).relation in submission_of_query(model).inputs


@pytest.mark.parametrize("epoch", [None, 0], ids=["absent", "zero"])
def test_an_epoch_that_is_not_told_is_unknown(epoch: int | None) -> None:
    request = table_model()
    for table in request.tables:
        table.ClearField("last_modified_epoch")
        if epoch is not None:
            table.last_modified_epoch = epoch
    submission = submission_of_query(request)
    assert submission.own_epoch is None
    assert submission.inputs == {ORDERS: None, COUNTRIES: None}


def test_of_two_spellings_of_one_table_the_later_epoch_counts_and_an_unknown_one_above_all() -> None:
    request = table_model()
    request.tables.add(name="shop.raw.orders", last_modified_epoch=1795352201596)
    request.tables.add(name='"shop".raw.orders', last_modified_epoch=1795352201594)
    assert submission_of_query(request).inputs[ORDERS] == 1795352201596
    request.tables.add(name="SHOP.RAW.orders")
    request.tables.add(name="shop.raw.ORDERS", last_modified_epoch=1795352201597)
    assert submission_of_query(request).inputs[ORDERS] is None


def test_a_data_test_is_named_by_its_node_and_all_tables_that_it_reads() -> None:
    request = data_test()
    request.tables.add(name='"shop"."prod"."countries"', last_modified_epoch=5)
    submission = submission_of_query(request)
    assert submission.key == TargetKey(NAMESPACE, f"test:test.shop.no_negative {COUNTRIES} {TOTALS}")
    assert submission.is_data_test
    assert submission.relation is None
    assert submission.own_epoch is None
    assert submission.inputs == {TOTALS: 1795352217956, COUNTRIES: 5}


def test_the_order_of_tables_does_not_rename_a_data_test() -> None:
    one, other = data_test(), data_test()
    names = ['"shop"."prod"."a"', '"shop"."prod"."b"']
    one.tables.extend(TableModifiedInfo(name=name) for name in names)
    other.tables.extend(TableModifiedInfo(name=name) for name in reversed(names))
    assert submission_of_query(one).key == submission_of_query(other).key


def test_a_request_that_names_no_target_is_refused() -> None:
    request = table_model()
    request.ClearField("target_table")
    with pytest.raises(InvalidRequest, match="no target table"):
        submission_of_query(request)
    with pytest.raises(InvalidRequest, match="no target table"):
        submission_of_values(SubmitValuesRequest(dialect="postgres"))


def test_an_execution_type_that_is_too_new_is_unknown() -> None:
    request = table_model()
    request.MergeFromString(b"\x20\x63")  # field 4, varint 99
    assert submission_of_query(request).execution_type is ExecutionType.UNKNOWN


def test_every_execution_type_of_the_wire_has_its_own_meaning() -> None:
    request = table_model()
    types = set()
    for number in range(1, 12):
        request.execution_type = number  # type: ignore[assignment]
        types.add(submission_of_query(request).execution_type)
    assert types == set(ExecutionType) - {ExecutionType.UNKNOWN}


def test_a_snapshot_under_full_refresh_is_a_snapshot_which_dbt_never_makes_anew() -> None:
    request = table_model()
    assert submission_of_query(request).execution_type is ExecutionType.FULL
    request.dbt_node_state.resource_type = "snapshot"
    assert submission_of_query(request).execution_type is ExecutionType.SNAPSHOT


def test_the_clients_options_are_read() -> None:
    request = table_model()
    request.stale_upstream_policy = WirePolicy.ALL
    request.tolerate_nondeterminism = False
    request.compare_unrendered_code = True
    request.compare_selected_columns = True
    request.ignore_external_modifications = True
    request.clone_chain_depth_limit = 0
    request.clone_time_travel_limit = 604_800
    request.clone_table_properties.CopyFrom(TableProperties(hours_to_expiration=12, partition_expiration_days=3))
    request.allow_clones = False
    submission = submission_of_query(request)
    assert submission.stale_upstream_policy is StaleUpstreamPolicy.ALL
    assert not submission.tolerate_nondeterminism
    assert submission.compare_unrendered_code
    assert submission.compare_selected_columns
    assert submission.ignore_external_modifications
    assert submission.clone_terms == CloneTerms(
        allowed=False,
        chain_depth_limit=0,
        time_travel_limit_seconds=604_800,
        hours_to_expiration=12,
        partition_expiration_days=3,
        into_defer_target=True,
        defer_enabled=True,
    )


def test_the_columns_of_tables_are_read_as_they_were_sent() -> None:
    request = recorded_requests("selected_columns", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)[0]
    submission = submission_of_query(request)
    assert submission.compare_selected_columns
    assert submission.schemas == {
        COUNTRIES: {"code": "text", "name": "text"},
        ORDERS: {
            "id": "integer",
            "code": "text",
            "amount": "numeric(10,2)",
            "ts": "timestamp without time zone",
        },
    }


def test_columns_that_leave_a_doubt_are_not_taken() -> None:
    request = recorded_requests("selected_columns", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)[0]
    again = request.table_schemas.add(name="shop.raw.orders")
    again.columns.add(name="id", type="text")
    request.table_schemas[0].columns.add(name="CODE", type="text")
    assert submission_of_query(request).schemas == {}


def test_a_policy_that_is_too_new_is_the_one_that_builds_more_often() -> None:
    request = table_model()
    request.MergeFromString(b"\x88\x01\x07")  # field 17, varint 7
    assert submission_of_query(request).stale_upstream_policy is StaleUpstreamPolicy.ANY


def test_a_negative_tolerance_is_none() -> None:
    request = table_model()
    request.freshness_tolerance_seconds = -5
    assert submission_of_query(request).lag_tolerance_seconds == 0


def test_a_project_id_that_reads_none_is_absent() -> None:
    request = table_model()
    request.dbt_node_state.project_id = "None"
    assert submission_of_query(request).node.project_id == ""


def test_hashes_that_are_empty_are_absent() -> None:
    request = table_model()
    request.dbt_node_state.CopyFrom(DbtNodeState(node_unique_id="model.shop.x", node_configs_hash=""))
    node = submission_of_query(request).node
    assert (node.hashes, node.node_hash, node.representation) == (NodeHashes(), None, None)


def test_a_confirmation_becomes_an_outcome() -> None:
    confirmations = recorded_requests("data_tests", "Execution/ConfirmExecution", ConfirmExecutionRequest)
    assert outcome_of(confirmations[0]) == Outcome(
        epoch=None, table_type=None, results=DataTestResults(0, should_warn=False, should_error=False), runtime_ms=14
    )
    (table,) = recorded_requests("table_over_staging_view", "Execution/ConfirmExecution", ConfirmExecutionRequest)
    table.table_type = "TRANSIENT TABLE"
    assert outcome_of(table) == Outcome(1795352217956, "TRANSIENT TABLE", None, 255)


def test_a_runtime_that_is_not_told_is_not_zero() -> None:
    assert outcome_of(ConfirmExecutionRequest()).runtime_ms is None
    assert outcome_of(ConfirmExecutionRequest(execution_runtime_ms=0)).runtime_ms == 0


NO = Value(bool_value=False)


@pytest.mark.parametrize(
    ("fields", "results"),
    [
        ({"failures": Value(int_value=3), "should_warn": NO, "should_error": Value(bool_value=True)}, (3, False, True)),
        ({"failures": Value(int_value=3), "should_warn": Value(int_value=1), "should_error": NO}, (3, True, False)),
        ({"failures": Value(double_value=3), "should_warn": NO, "should_error": NO}, None),
        ({"failures": Value(bool_value=True), "should_warn": NO, "should_error": NO}, None),
        ({"failures": Value(int_value=3), "should_warn": Value(int_value=2), "should_error": NO}, None),
        ({"failures": Value(int_value=3), "should_warn": Value(string_value="f"), "should_error": NO}, None),
        ({"failures": Value(int_value=3), "should_warn": NO}, None),
        ({"failures": Value(int_value=3), "should_warn": NO, "should_error": NO, "more": NO}, None),
        ({"failures": Value(), "should_warn": NO, "should_error": NO}, None),
        ({}, None),
    ],
    ids=[
        "booleans",
        "a warehouse's 0 and 1",
        "failures as a double",
        "failures as a boolean",
        "2 is no boolean",
        "a text is no boolean",
        "a key is missing",
        "a key too many",
        "a value without a kind",
        "nothing",
    ],
)
def test_only_an_integer_and_two_booleans_are_a_data_tests_results(
    fields: dict[str, Value], results: tuple[int, bool, bool] | None
) -> None:
    outcome = outcome_of(ConfirmExecutionRequest(execution_results=Struct(fields=fields)))
    assert outcome.results == (None if results is None else DataTestResults(*results))


def test_a_record_holds_the_same_submission_as_the_question_would_but_for_its_terms() -> None:
    (question,) = recorded_requests(
        "speculative_then_recorded", "SQL/SubmitEnrichedSQLSpeculative", SubmitEnrichedSQLRequest
    )
    (request,) = recorded_requests("speculative_then_recorded", "Execution/RecordExecutions", RecordExecutionsRequest)
    record = recorded(request.records[0])
    asked = submission_of_query(question)
    assert record.from_speculative_submit
    assert record.outcome == Outcome(epoch=1795352327210, runtime_ms=0)
    assert record.submission == replace(
        asked,
        own_epoch=1795352327210,
        inputs={ORDERS: 1795352201595, COUNTRIES: 1795352317763},
        lag_tolerance_seconds=0,
        clone_terms=CloneTerms(),
    )


def test_a_record_of_a_seed_holds_the_same_submission_as_the_question_would_but_for_its_terms() -> None:
    (question,) = recorded_requests("session_and_seed", "SQL/SubmitValues", SubmitValuesRequest)
    told = {field.name: getattr(question, field.name) for field in ValuesExecution.DESCRIPTOR.fields}
    submission = recorded(ExecutionRecord(values=ValuesExecution(**told))).submission
    assert submission == replace(submission_of_values(question), own_epoch=None, clone_terms=CloneTerms())


def test_an_outcome_is_read_from_a_record_as_from_a_confirmation() -> None:
    results = Struct(fields={"failures": Value(int_value=3), "should_warn": NO, "should_error": Value(bool_value=True)})
    outcome = ExecutionOutcome(
        last_modified_epoch=5, table_type="TRANSIENT TABLE", execution_results=results, execution_runtime_ms=7
    )
    assert outcome_of(outcome) == Outcome(5, "TRANSIENT TABLE", DataTestResults(3, False, True), 7)
    assert outcome_of(ExecutionOutcome()) == Outcome(epoch=None)


def test_records_of_seeds_and_data_tests_are_read() -> None:
    seed, data_test = recorded_requests("write_only", "Execution/RecordExecutions", RecordExecutionsRequest)
    assert recorded(seed.records[0]).submission.key == TargetKey(NAMESPACE, COUNTRIES)
    record = recorded(data_test.records[0])
    assert record.submission.key == TargetKey(NAMESPACE, f"test:test.shop.no_negative {TOTALS}")
    assert record.outcome.results == DataTestResults(0, should_warn=False, should_error=False)
    assert not record.from_speculative_submit


def test_a_record_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="neither"):
        recorded(ExecutionRecord())
