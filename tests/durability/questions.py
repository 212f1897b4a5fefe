"""What the load asks and confirms: requests as a client sends them, small and all alike but for what must differ."""

from __future__ import annotations

from hashlib import md5

from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest, SubmitValuesRequest
from query_cache_protobuf.query_cache.shared_pb2 import DbtNodeState, ModelExecutionType, TableModifiedInfo
from query_cache_protobuf.query_cache.struct_pb2 import Struct, Value

NAMESPACE = md5(b"localhost", usedforsecurity=False).hexdigest()
SOURCE = '"shop"."raw"."orders"'

Question = SubmitEnrichedSQLRequest | SubmitValuesRequest


def model(name: str, *, factor: int, source_epoch: int, own_epoch: int | None) -> SubmitEnrichedSQLRequest:
    """A table; `factor` tells its queries apart, `own_epoch` is None where the table does not exist yet."""
    target = f'"shop"."prod"."{name}"'
    return SubmitEnrichedSQLRequest(
        target_table=target,
        dialect="postgres",
        default_catalog="shop",
        default_schema="public",
        execution_type=ModelExecutionType.FULL,
        sql=f"select code, sum(amount) * {factor} as total from {SOURCE} where amount > 0 group by code",
        tables=[
            TableModifiedInfo(name=SOURCE, last_modified_epoch=source_epoch),
            TableModifiedInfo(name=target, last_modified_epoch=own_epoch),
        ],
        tolerate_nondeterminism=True,
        table_namespace=NAMESPACE,
        allow_clones=True,
        dbt_node_state=_node("model", name),
    )


def data_test(name: str, *, source_epoch: int) -> SubmitEnrichedSQLRequest:
    """A data test's count query, which has no target table."""
    return SubmitEnrichedSQLRequest(
        dialect="postgres",
        default_catalog="shop",
        default_schema="public",
        execution_type=ModelExecutionType.DBT_DATA_TEST,
        sql=f"select count(*) as failures, count(*) != 0 as should_warn, false as should_error from {SOURCE}",
        tables=[TableModifiedInfo(name=SOURCE, last_modified_epoch=source_epoch)],
        tolerate_nondeterminism=True,
        table_namespace=NAMESPACE,
        allow_clones=True,
        dbt_node_state=_node("test", name),
    )


def seed(name: str, *, content: str) -> SubmitValuesRequest:
    """A seed whose file holds `content`; its table does not exist yet."""
    return SubmitValuesRequest(
        target_table=f'"shop"."prod"."{name}"',
        dialect="postgres",
        default_catalog="shop",
        values_hash=md5(content.encode(), usedforsecurity=False).hexdigest(),
        table_namespace=NAMESPACE,
        allow_clones=True,
        dbt_node_state=_node("seed", name),
    )


def confirmation(ticket: str, *, epoch: int | None, failures: int | None) -> ConfirmExecutionRequest:
    """The build's end: a table's epoch, or what a data test found."""
    return ConfirmExecutionRequest(
        request_id=ticket,
        last_modified_epoch=epoch,
        execution_results=None if failures is None else _results(failures),
        execution_runtime_ms=12,
    )


def _results(failures: int) -> Struct:
    return Struct(
        fields={
            "failures": Value(int_value=failures),
            "should_warn": Value(bool_value=failures != 0),
            "should_error": Value(bool_value=False),
        }
    )


def _node(resource_type: str, name: str) -> DbtNodeState:
    digest = md5(name.encode(), usedforsecurity=False).hexdigest()
    return DbtNodeState(
        node_unique_id=f"{resource_type}.shop.{name}",
        target_name="prod",
        project_name="shop",
        resource_type=resource_type,
        profile_name="shop",
        project_id="4711",
        node_hash=digest,
        node_body_hash=digest,
        node_configs_hash=digest,
        node_database_representation=f"shop.prod.{name}",
    )
