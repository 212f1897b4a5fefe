"""A configuration hash proves that there are no hooks where it is the hash of a configuration without hooks."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import md5
from typing import Any

import pytest
from tests.domain.building import SUBMISSION

from dbt_state_oss.domain.hooks import provably_has_no_hooks
from dbt_state_oss.domain.submission import CloneTerms, ExecutionType, NodeHashes, Submission

EXTRAS = {
    "on_schema_change": '"ignore"',
    "lookback": "1",
    "unique_key": "",
    "contract": '{"alias_types": true, "enforced": false}',
    "grants": "{}",
    "event_time": "",
}
"""What dbt-state 2.62 sends of a model that configures none of it."""


def asking(
    configuration: dict[str, Any] | None,
    execution_type: ExecutionType = ExecutionType.FULL,
    resource_type: str = "model",
    **extras: str,
) -> Submission:
    """A question about a node with this unrendered configuration."""
    text = None if configuration is None else json.dumps(configuration, sort_keys=True)
    configs = None if text is None else md5(text.encode(), usedforsecurity=False).hexdigest()
    node = replace(SUBMISSION.node, resource_type=resource_type, hashes=NodeHashes("b", configs))
    terms = CloneTerms(into_defer_target=True)
    return replace(SUBMISSION, node=node, execution_type=execution_type, extras=EXTRAS | extras, clone_terms=terms)


TABLE = {"materialized": "table"}
INCREMENTAL = {"materialized": "incremental"}
PROVEN = {
    "a table": asking(TABLE),
    "a table with a default spelled out": asking(TABLE | {"on_schema_change": "ignore"}),
    "an incremental without a strategy": asking(INCREMENTAL, ExecutionType.APPEND),
    "an incremental with a key": asking(
        INCREMENTAL | {"incremental_strategy": "delete+insert", "unique_key": ["a", "b"]},
        ExecutionType.DELETE_INSERT,
        unique_key='["a", "b"]',
    ),
    "an incremental under a full refresh": asking(INCREMENTAL | {"unique_key": "id"}, unique_key='"id"'),
    "persisted docs": asking(TABLE | {"persist_docs": {"relation": True}}, __persisted_docs_hash="d"),
    "an enforced contract": asking(
        TABLE | {"contract": {"enforced": True}}, contract='{"alias_types": true, "enforced": true}'
    ),
    "a seed without a configuration": asking(None, ExecutionType.VALUES, "seed"),
    "a seed with column types": asking(
        {"column_types": {"a": "integer"}}, ExecutionType.VALUES, "seed", column_types='{"a": "integer"}', lookback=""
    ),
}
HOOK = {"post-hook": "delete from {{ this }}"}
OPEN = {
    "a table with a hook": asking(TABLE | HOOK),
    "an incremental with a hook": asking(INCREMENTAL | HOOK, ExecutionType.APPEND),
    "a seed with a hook": asking(HOOK, ExecutionType.VALUES, "seed"),
    "a key that no extra tells": asking(TABLE | {"meta": {"owner": "me"}}),
    "a custom materialization": asking({"materialized": "mine"}, ExecutionType.DBT_CUSTOM),
    "a key that the configuration lacks": asking(INCREMENTAL, ExecutionType.APPEND, unique_key='"id"'),
    "too many optional keys": asking(
        TABLE, ExecutionType.FULL, "model", **{f"flag_{number}": "false" for number in range(6)}
    ),
}


@pytest.mark.parametrize("submission", PROVEN.values(), ids=PROVEN)
def test_a_configuration_without_hooks_is_proven(submission: Submission) -> None:
    assert provably_has_no_hooks(submission)


@pytest.mark.parametrize("submission", OPEN.values(), ids=OPEN)
def test_nothing_else_is_proven(submission: Submission) -> None:
    assert not provably_has_no_hooks(submission)


def test_the_hash_of_the_recorded_model_is_proven() -> None:
    """From a recording of dbt-state 2.62.3: a table with `persist_docs: {relation: true}`."""
    submission = asking(TABLE, __persisted_docs_hash="736da1988a4100574db218baaee1a1e5")
    recorded = replace(submission.node, hashes=NodeHashes("b", "0d5f0e1b69e397cdbc5763219d03f339"))

    assert provably_has_no_hooks(replace(submission, node=recorded))


def test_a_client_without_node_state_proves_nothing() -> None:
    submission = asking(None)

    assert not provably_has_no_hooks(replace(submission, node=replace(submission.node, tracked=False)))


def test_an_absent_hash_of_an_unknown_client_proves_nothing() -> None:
    assert not provably_has_no_hooks(replace(asking(None), clone_terms=CloneTerms()))
