"""Which configurations are proven to have no hooks, by their hash alone."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import md5
from typing import Any

import pytest
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest, SubmitValuesRequest
from tests.domain.building import CASE, HASHES, asked, execution
from tests.protocol.recordings import recorded_requests

from dbt_state_oss.domain import hook_free
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.hook_free import has_no_hooks
from dbt_state_oss.domain.submission import CloneTerms, ExecutionType, NodeHashes, StaleUpstreamPolicy, Submission
from dbt_state_oss.protocol.from_proto import submission_of_query, submission_of_values

USUAL = {
    "on_schema_change": '"ignore"',
    "lookback": "1",
    "unique_key": "",
    "contract": '{"alias_types": true, "enforced": false}',
    "grants": "{}",
    "event_time": "",
}
TABLE = {"materialized": "table"}
INCREMENTAL = {"materialized": "incremental"}


def hash_of(configuration: dict[str, Any]) -> str:
    """As the client hashes the configuration that stands in the project's files."""
    return md5(json.dumps(configuration, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()


def configured(configuration: dict[str, Any] | None, **changes: Any) -> Submission:
    configs = None if configuration is None else hash_of(configuration)
    node = replace(CASE.submission.node, hashes=replace(HASHES, configs=configs))
    terms = CloneTerms(into_defer_target=True)
    return asked(CASE, **{"node": node, "extras": USUAL, "clone_terms": terms, **changes}).submission


FREE: dict[str, Submission] = {
    "a table": configured(TABLE),
    "persisted descriptions": configured({**TABLE, "persist_docs": {"relation": True, "columns": True}}),
    "grants": configured({**TABLE, "grants": {"select": ["a"]}}, extras={**USUAL, "grants": '{"select": ["a"]}'}),
    "a contract": configured(
        {**TABLE, "contract": {"enforced": True}},
        extras={**USUAL, "contract": '{"alias_types": true, "enforced": true}'},
    ),
    "an extra that is not ours to know the default of": configured(TABLE, extras={**USUAL, "file_format": '"delta"'}),
    "indexes": configured(
        {**TABLE, "indexes": [{"columns": ["a"]}]}, extras={**USUAL, "indexes": '[{"columns": ["a"]}]'}
    ),
    "a lag tolerance": configured({**TABLE, "state": {"lag_tolerance": "2h"}}, lag_tolerance_seconds=7200),
    "fresh data from all": configured(
        {**TABLE, "state": {"require_fresh_data_from": "all"}}, stale_upstream_policy=StaleUpstreamPolicy.ALL
    ),
    "access and docs": configured({**TABLE, "access": "public", "docs": {"show": False}}),
    "an incremental": configured(INCREMENTAL, execution_type=ExecutionType.APPEND),
    "a merge without a key": configured(
        {**INCREMENTAL, "incremental_strategy": "merge"}, execution_type=ExecutionType.APPEND
    ),
    "an incremental with a key": configured(
        {**INCREMENTAL, "incremental_strategy": "delete+insert", "unique_key": ["a", "b"]},
        execution_type=ExecutionType.DELETE_INSERT,
        extras={**USUAL, "unique_key": '["a", "b"]'},
    ),
    "a seed without a configuration": configured(None, execution_type=ExecutionType.VALUES),
    "a seed with types": configured(
        {"column_types": {"a": "integer"}},
        execution_type=ExecutionType.VALUES,
        extras={"column_types": '{"a": "integer"}', "delimiter": '","', "quote_columns": ""},
    ),
}

UNPROVEN: dict[str, Submission] = {
    "a post-hook": configured({**TABLE, "post_hook": "select 1"}),
    "a post-hook of a folder": configured({**TABLE, "post-hook": ["select 1"]}),
    "a pre-hook": configured({**TABLE, "pre_hook": "select 1"}),
    "a key that is not sent": configured({**TABLE, "meta": {"owner": "a"}}),
    "an incremental under --full-refresh": configured({"materialized": "incremental"}),
    "another way of being built": configured(TABLE, execution_type=ExecutionType.MERGE),
    "an incremental with a hook": configured({**INCREMENTAL, "post_hook": "a"}, execution_type=ExecutionType.APPEND),
    "an incremental with another strategy": configured(
        {**INCREMENTAL, "incremental_strategy": "mine"}, execution_type=ExecutionType.DBT_CUSTOM
    ),
    "a snapshot": configured(
        None, execution_type=ExecutionType.VALUES, node=replace(CASE.submission.node, resource_type="snapshot")
    ),
    "a client that may leave out the hash of any configuration": configured(
        None, execution_type=ExecutionType.VALUES, clone_terms=CloneTerms()
    ),
    "a seed with a hook": configured({"post_hook": "select 1"}, execution_type=ExecutionType.VALUES),
    "a table without a configuration": configured(None),
    "a client that sends no node state": configured(
        None,
        execution_type=ExecutionType.VALUES,
        node=replace(CASE.submission.node, tracked=False, hashes=replace(HASHES, configs=None)),
    ),
    "a client that sends no hashes": configured(
        None, execution_type=ExecutionType.VALUES, node=replace(CASE.submission.node, hashes=NodeHashes())
    ),
    "an extra that is no JSON": configured({**TABLE, "sql_header": "a"}, extras={**USUAL, "sql_header": "a"}),
}


@pytest.mark.parametrize("submission", FREE.values(), ids=FREE)
def test_it_is_proven_that_there_are_no_hooks(submission: Submission) -> None:
    assert has_no_hooks(submission)


@pytest.mark.parametrize("submission", UNPROVEN.values(), ids=UNPROVEN)
def test_it_is_not_proven(submission: Submission) -> None:
    assert not has_no_hooks(submission)


TABLES = {name: one for name, one in FREE.items() if one.execution_type is ExecutionType.FULL and one.extras == USUAL}


@pytest.mark.parametrize("now", TABLES.values(), ids=TABLES)
def test_of_two_configurations_without_hooks_neither_builds_the_others_table(now: Submission) -> None:
    then = replace(CASE, submission=configured(TABLE))
    history = History((execution(then),))
    asked_now = replace(then, submission=now, history=history)
    assert isinstance(decide(asked_now), Skip)
    hooked = configured({**TABLE, "post_hook": "select 1"})
    assert isinstance(decide(replace(asked_now, submission=hooked)), Build)
    after_a_hook = History((execution(replace(then, submission=hooked)),))
    assert isinstance(decide(replace(asked_now, history=after_a_hook)), Build)


def test_the_search_ends_where_many_extras_may_have_been_set() -> None:
    many = {f"extra_{number}": f'"{number}"' for number in range(40)}
    assert not has_no_hooks(configured({**TABLE, "post_hook": "select 1"}, extras={**USUAL, **many}))


def test_the_clients_own_hashes_are_understood() -> None:
    """Of recorded requests, whose projects had no hooks."""
    table, *_ = recorded_requests("table_over_staging_view", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)
    seed, *_ = recorded_requests("session_and_seed", "SQL/SubmitValues", SubmitValuesRequest)
    assert has_no_hooks(submission_of_query(table))
    assert has_no_hooks(submission_of_values(seed))


@pytest.mark.parametrize(
    "text",
    ["[" * 2_000 + "]" * 2_000, json.dumps([{"columns": ["a"]}] * 100_000)],
    ids=["nested too deeply for the parser", "too long to hash again and again"],
)
def test_huge_extras_are_given_up_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[object] = []
    spelled = hook_free._hash

    def counted(configuration: dict[str, str]) -> str:
        hashed.append(configuration)
        return spelled(configuration)

    monkeypatch.setattr(hook_free, "_hash", counted)
    assert not has_no_hooks(configured({**TABLE, "indexes": "other"}, extras={"indexes": text}))
    assert not hashed or len(text) <= 4_096
