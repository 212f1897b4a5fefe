"""Converts requests to values of the domain. Pure, cheap (parses no SQL), and lenient with every client generation.

Absent and zero are distinguished: an epoch that is absent or 0 is unknown (rule F3), and a missing field that only newer
clients send is None. `node_from_proto` converts the part that describes the dbt node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from query_cache_protobuf.query_cache.services.execution_service_pb2 import (
    ConfirmExecutionRequest,
    ExecutionOutcome,
    ExecutionRecord,
    RecordExecutionsRequest,
    SQLExecution,
    ValuesExecution,
)
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest, SubmitValuesRequest
from query_cache_protobuf.query_cache.shared_pb2 import ModelExecutionType, QueryDependency, TableModifiedInfo
from query_cache_protobuf.query_cache.shared_pb2 import StaleUpstreamPolicy as WirePolicy
from query_cache_protobuf.query_cache.struct_pb2 import Struct, Value

from dbt_state_oss.application.caller import ClientLine
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.domain.dialects import Dialect, dialect_named
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.sql.columns import folded
from dbt_state_oss.domain.submission import (
    MOST_RELATIONS,
    CloneTerms,
    Code,
    ExecutionType,
    Node,
    SeedValues,
    StaleUpstreamPolicy,
    Submission,
    TargetKey,
    ViewDefinition,
    data_test_name,
)
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.protocol.node_from_proto import node_of_labels, node_of_state

LENIENT_DEPENDENCIES = 12
"""A field of SubmitEnrichedSQLRequest that clients up to 2.40 and the Rust client send. Newer messages reserve its number."""

_LENGTH_DELIMITED = 2
_RESULT_KEYS = frozenset({"failures", "should_warn", "should_error"})
_EXECUTION_TYPES: dict[int, ExecutionType] = {
    number: ExecutionType.__members__.get(name, ExecutionType.UNKNOWN) for name, number in ModelExecutionType.items()
}


def submission_of_query(request: SubmitEnrichedSQLRequest, client: ClientLine | None = None) -> Submission:
    """Convert the submission of a model, snapshot, view or data test. Raises InvalidRequest if it names no target."""
    return _query(
        request,
        lag_tolerance_seconds=max(0, request.freshness_tolerance_seconds),
        stale_upstream_policy=_policy(request.stale_upstream_policy),
        tolerate_nondeterminism=request.tolerate_nondeterminism,
        compare_unrendered_code=request.compare_unrendered_code,
        compare_selected_columns=request.compare_selected_columns,
        schemas=_schemas(request),
        ignore_external_modifications=request.ignore_external_modifications,
        clone_terms=_clone_terms(request),
        deferred=_lenient_dependencies(request),
        client_stamps=client is ClientLine.RUST,
    )


def submission_of_values(request: SubmitValuesRequest, client: ClientLine | None = None) -> Submission:
    """Convert the submission of a seed. Raises InvalidRequest if it names no target."""
    return _values(
        request,
        own_epoch=request.last_modified_epoch or None,
        clone_terms=_clone_terms(request),
        client_stamps=client is ClientLine.RUST,
    )


def recorded(record: ExecutionRecord) -> Recorded:
    """Convert the record of a build without a ticket. Raises InvalidRequest if it does not say what was built."""
    outcome = outcome_of(record.outcome)
    if record.HasField("enriched_sql"):
        query = record.enriched_sql
        return Recorded(_query(query), outcome, from_speculative_submit=query.from_speculative_submit)
    if record.HasField("values"):
        return Recorded(_values(record.values), outcome, from_speculative_submit=False)
    raise InvalidRequest("A record holds neither a query nor the values of a seed.")


def recorded_in(data: bytes) -> Recorded:
    """Convert the only record in the bytes of a RecordExecutionsRequest.

    Raises ValueError if the bytes are not such a message or do not hold exactly one record.
    """
    try:
        request = RecordExecutionsRequest.FromString(data)
    except DecodeError as error:
        raise ValueError("it is not a RecordExecutionsRequest") from error
    if len(request.records) != 1:
        raise ValueError(f"it holds {len(request.records)} records instead of one")
    return recorded(request.records[0])


def outcome_of(message: ConfirmExecutionRequest | ExecutionOutcome) -> Outcome:
    """Convert the outcome of a build."""
    return Outcome(
        epoch=message.last_modified_epoch or None,
        table_type=message.table_type or None,
        results=_results(message.execution_results) if message.HasField("execution_results") else None,
        runtime_ms=message.execution_runtime_ms if message.HasField("execution_runtime_ms") else None,
        failed_to_clone=isinstance(message, ConfirmExecutionRequest) and message.failed_to_clone,
    )


def execution_type_of(number: int) -> ExecutionType:
    """Convert the protocol's number to an execution type. Numbers that only newer clients send become UNKNOWN."""
    return _EXECUTION_TYPES.get(number, ExecutionType.UNKNOWN)


def _execution_type_of_node(number: int, node: Node) -> ExecutionType:
    """Return `execution_type_of`, but SNAPSHOT for a snapshot that is sent as FULL.

    Under --full-refresh, clients send a snapshot as FULL, although dbt runs it as always.
    """
    execution_type = execution_type_of(number)
    is_snapshot = node.resource_type == "snapshot" and execution_type is ExecutionType.FULL
    return ExecutionType.SNAPSHOT if is_snapshot else execution_type


def _query(message: SubmitEnrichedSQLRequest | SQLExecution, **terms: Any) -> Submission:
    dialect = dialect_named(message.dialect)
    catalog = message.default_catalog
    schema = message.default_schema or dialect.default_schema or ""
    node = _node(message)
    execution_type = _execution_type_of_node(message.execution_type, node)
    oversized = len(message.tables) + len(message.query_dependencies) > MOST_RELATIONS
    tables = {} if oversized else _tables(message.tables, dialect, catalog, schema)
    relation: Relation | None = None
    if execution_type is ExecutionType.DBT_DATA_TEST:
        name = data_test_name(node.unique_id, tables)
    elif message.target_table:
        name = relation = dialect.relation(message.target_table, default_catalog=catalog, default_schema=schema)
    else:
        raise InvalidRequest("The request names no target table, and it is no data test.")
    return Submission(
        key=TargetKey(namespace=message.table_namespace, name=name),
        relation=relation,
        execution_type=execution_type,
        code=Code(
            dialect=dialect,
            sql=message.sql,
            default_catalog=catalog,
            default_schema=schema,
            target=relation,
            views=() if oversized else _views(message.query_dependencies, dialect, catalog, schema),
        ),
        extras=dict(message.semantic_extras),
        own_epoch=tables.pop(relation, None) if relation else None,
        inputs=tables,
        node=node,
        oversized=oversized,
        **terms,
    )


def _values(
    message: SubmitValuesRequest | ValuesExecution,
    *,
    own_epoch: Epoch | None = None,
    clone_terms: CloneTerms | None = None,
    client_stamps: bool = False,
) -> Submission:
    if not message.target_table:
        raise InvalidRequest("The request names no target table.")
    dialect = dialect_named(message.dialect)
    relation = dialect.relation(
        message.target_table,
        default_catalog=message.default_catalog,
        default_schema=dialect.default_schema,
    )
    return Submission(
        key=TargetKey(namespace=message.table_namespace, name=relation),
        relation=relation,
        execution_type=ExecutionType.VALUES,
        code=SeedValues(dialect=dialect, values_hash=message.values_hash),
        extras=dict(message.semantic_extras),
        own_epoch=own_epoch,
        inputs={},
        node=_node(message),
        clone_terms=clone_terms or CloneTerms(),
        client_stamps=client_stamps,
    )


def _node(message: SubmitEnrichedSQLRequest | SubmitValuesRequest | SQLExecution | ValuesExecution) -> Node:
    if message.HasField("dbt_node_state"):
        return node_of_state(message.dbt_node_state, message.labels)
    return node_of_labels(message.labels)


def _tables(
    tables: Iterable[TableModifiedInfo], dialect: Dialect, catalog: str, schema: str
) -> dict[Relation, Epoch | None]:
    """Return epochs by relation. If two entries name one relation, an unknown epoch wins, then the later one."""
    epochs: dict[Relation, Epoch | None] = {}
    for table in tables:
        relation = dialect.relation(table.name, default_catalog=catalog, default_schema=schema)
        epoch = table.last_modified_epoch or None
        if relation in epochs:
            known = epochs[relation]
            epoch = None if known is None or epoch is None else max(known, epoch)
        epochs[relation] = epoch
    return epochs


def _views(views: Iterable[QueryDependency], dialect: Dialect, catalog: str, schema: str) -> tuple[ViewDefinition, ...]:
    return tuple(
        ViewDefinition(
            relation=dialect.relation(view.name, default_catalog=catalog, default_schema=schema),
            text=view.query,
            default_catalog=view.default_catalog or catalog,
            default_schema=view.default_schema or schema,
        )
        for view in views
    )


def _schemas(request: SubmitEnrichedSQLRequest) -> dict[Relation, dict[str, str]]:
    """Return columns by relation. A table that is listed twice, or has two columns with one name, is left out."""
    dialect, schemas, ambiguous = dialect_named(request.dialect), {}, set()
    for table in request.table_schemas:
        relation = dialect.relation(
            table.name,
            default_catalog=request.default_catalog,
            default_schema=request.default_schema or dialect.default_schema,
        )
        columns = {folded(column.name): column.type for column in table.columns}
        if relation in schemas or len(columns) != len(table.columns):
            ambiguous.add(relation)
        schemas[relation] = columns
    return {relation: columns for relation, columns in schemas.items() if columns and relation not in ambiguous}


def _policy(number: int) -> StaleUpstreamPolicy:
    """Convert the policy. An unknown policy of a newer client becomes ANY, which builds more often, never less (rule F4)."""
    return StaleUpstreamPolicy.ALL if number == WirePolicy.ALL else StaleUpstreamPolicy.ANY


def _clone_terms(request: SubmitEnrichedSQLRequest | SubmitValuesRequest) -> CloneTerms:
    knows_targets = request.HasField("allow_clones")
    properties = request.clone_table_properties
    return CloneTerms(
        allowed=request.allow_clones if knows_targets else True,
        chain_depth_limit=request.clone_chain_depth_limit if request.HasField("clone_chain_depth_limit") else None,
        time_travel_limit_seconds=(
            request.clone_time_travel_limit if request.HasField("clone_time_travel_limit") else None
        ),
        hours_to_expiration=properties.hours_to_expiration or None,
        partition_expiration_days=properties.partition_expiration_days or None,
        into_defer_target=request.is_defer_to_profile if knows_targets else None,
        defer_enabled=request.defer_enabled if knows_targets else None,
    )


def _lenient_dependencies(request: SubmitEnrichedSQLRequest) -> tuple[Relation, ...]:
    """Return field 12 of older clients. The current message definition has it among the unknown fields."""
    dialect = dialect_named(request.dialect)
    return tuple(
        dialect.relation(
            field.data.decode("utf-8", "replace"),
            default_catalog=request.default_catalog,
            default_schema=request.default_schema or dialect.default_schema,
        )
        for field in UnknownFieldSet(request)
        if field.field_number == LENIENT_DEPENDENCIES and field.wire_type == _LENGTH_DELIMITED
    )


def _results(struct: Struct) -> DataTestResults | None:
    """Return a data test's results, or None for anything but exactly an integer and two booleans (rule F8)."""
    if struct.fields.keys() != _RESULT_KEYS:
        return None
    failures = struct.fields["failures"]
    should_warn = _boolean(struct.fields["should_warn"])
    should_error = _boolean(struct.fields["should_error"])
    if failures.WhichOneof("kind") != "int_value" or should_warn is None or should_error is None:
        return None
    return DataTestResults(failures=failures.int_value, should_warn=should_warn, should_error=should_error)


def _boolean(value: Value) -> bool | None:
    """Return a boolean. 0 and 1 count too, because a warehouse without booleans returns them. Anything else is None."""
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "int_value" if value.int_value in (0, 1):
            return bool(value.int_value)
        case _:
            return None
