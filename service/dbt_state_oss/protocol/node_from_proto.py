"""Converts the dbt node of a request: from the node state that newer clients send, or from the labels of older clients."""

from __future__ import annotations

from collections.abc import Mapping

from query_cache_protobuf.query_cache.services.selector_service_pb2 import DbtNodeData
from query_cache_protobuf.query_cache.shared_pb2 import DbtNodeState

from dbt_state_oss.domain.submission import Node, NodeHashes

_ABSENT_PROJECT = "None"
"""The project id that the client sends if the project's configuration has none."""


def node_of_state(state: DbtNodeState, labels: Mapping[str, str]) -> Node:
    """Return the node that the node state describes. A node with an id is tracked, so it takes part in selection (rule W7)."""
    unique_id = state.node_unique_id or labels.get("dbt_node_unique_id", "")
    return Node(
        unique_id=unique_id,
        name=labels.get("dbt_node_name", ""),
        resource_type=state.resource_type or _resource_type(unique_id),
        project_name=state.project_name,
        project_id=project_id_of(state.project_id),
        profile_name=state.profile_name,
        target_name=state.target_name,
        hashes=node_hashes_of(state),
        node_hash=state.node_hash or None,
        representation=state.node_database_representation or None,
        tracked=bool(state.node_unique_id),
    )


def node_of_labels(labels: Mapping[str, str]) -> Node:
    """Return the node of a client that sends no node state. Fields that the labels do not give are empty."""
    unique_id = labels.get("dbt_node_unique_id", "")
    return Node(
        unique_id=unique_id,
        name=labels.get("dbt_node_name", ""),
        resource_type=_resource_type(unique_id),
        project_name=labels.get("dbt_node_fqn", "").partition(".")[0],
    )


def project_id_of(text: str) -> str:
    """Return the project's id, or an empty string if the project's configuration has none."""
    return "" if text == _ABSENT_PROJECT else text


def node_hashes_of(message: DbtNodeState | DbtNodeData) -> NodeHashes:
    """Return dbt's hashes of a node."""
    return NodeHashes(
        body=message.node_body_hash or None,
        configs=message.node_configs_hash or None,
        macros=message.node_macros_hash or None,
        persisted_descriptions=message.node_persisted_descriptions_hash or None,
        contract=message.node_contract_hash or None,
    )


def _resource_type(unique_id: str) -> str:
    return unique_id.partition(".")[0]
