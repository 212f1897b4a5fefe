"""Two clients that take turns on one project: what one sends as a default, the other leaves out (rule L6)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs, table
from tests.domain.building import ORDERS, T0

from dbt_state_oss.application.codec import decode_target, encode
from dbt_state_oss.application.keys import target_key
from dbt_state_oss.application.ports import Document
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, Submission, TargetKey

MODEL_DEFAULTS = {
    "on_schema_change": '"ignore"',
    "unique_key": "",
    "grants": "{}",
    "contract": '{"alias_types": true, "enforced": false}',
    "event_time": "",
    "lookback": "1",
}
"""As the Python client sends them for a model that configures nothing."""

SEED_DEFAULTS = {"column_types": "{}", "delimiter": '","', "quote_columns": ""}
TEST_DEFAULTS = {
    "severity": '"ERROR"',
    "warn_if": '"!= 0"',
    "error_if": '"!= 0"',
    "fail_calc": '"count(*)"',
    "where": "",
    "limit": "",
    "store_failures": "",
    "store_failures_as": "",
}
DIGEST_OF_1 = "3464caf9bbeb10aa38b0dc24e42c3723"
PASSED = DataTestResults(0, should_warn=False, should_error=False)


def model(extras: dict[str, str]) -> Submission:
    sql = "select id from shop.raw.orders"
    return table(Relation('"shop"."prod"."totals"'), sql, {ORDERS: T0}, T0, extras=extras)


async def test_a_model_of_defaults_is_skipped_whichever_client_asks(inside: Inside) -> None:
    runs = Runs(inside)
    own = await runs.build(model(MODEL_DEFAULTS))
    for extras in ({}, {"on_schema_change": '"ignore"'}, {"contract": '{"enforced":false}'}, MODEL_DEFAULTS):
        assert isinstance((await runs.ask(replace(model(extras), own_epoch=own))).decision, Skip), extras


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("on_schema_change", '"append_new_columns"'),
        ("unique_key", '"id"'),
        ("unique_key", "[]"),
        ("grants", '{"select": ["reporter"]}'),
        ("contract", '{"alias_types": true, "enforced": true}'),
        ("event_time", '"ordered_at"'),
        ("lookback", "2"),
        ("transient", "false"),
        ("transient", ""),
        ("tblproperties", "{}"),
        ("unlogged", "true"),
    ],
)
async def test_what_is_no_default_of_its_key_builds(inside: Inside, key: str, value: str) -> None:
    runs = Runs(inside)
    own = await runs.build(model(MODEL_DEFAULTS))
    changed = await runs.ask(replace(model({**MODEL_DEFAULTS, key: value}), own_epoch=own))
    assert isinstance(changed.decision, Build)
    assert key in changed.decision.description


async def test_a_seed_of_defaults_is_skipped_whichever_client_asks(inside: Inside) -> None:
    runs = Runs(inside)
    seed = replace(model(SEED_DEFAULTS), execution_type=ExecutionType.VALUES)
    own = await runs.build(seed)
    assert isinstance((await runs.ask(replace(seed, own_epoch=own, extras={}))).decision, Skip)
    typed = replace(seed, own_epoch=own, extras={"column_types": '{"code": "text"}'})
    assert isinstance((await runs.ask(typed)).decision, Build)


async def test_a_data_test_of_defaults_returns_its_results_whichever_client_asks(inside: Inside) -> None:
    runs = Runs(inside)
    test = replace(
        model(TEST_DEFAULTS),
        key=TargetKey("ns", "test:test.shop.x"),
        relation=None,
        own_epoch=None,
        execution_type=ExecutionType.DBT_DATA_TEST,
    )
    await runs.build_test(test, PASSED)
    assert isinstance((await runs.ask(replace(test, extras={}))).decision, Skip)
    assert isinstance((await runs.ask(replace(test, extras={"error_if": '"> 10"'}))).decision, Build)


async def test_a_record_that_an_older_server_wrote_with_defaults_is_reused(inside: Inside) -> None:
    runs = Runs(inside)
    own = await runs.build(model({}))
    key = target_key("default", model({}).key)
    stored = await inside.store.get(key)
    assert isinstance(stored, Document)
    document = decode_target(stored.data)
    (execution,) = document.executions
    older = replace(execution, logic=replace(execution.logic, extras={"lookback": DIGEST_OF_1}))
    await inside.store.put(key, encode(replace(document, executions=(older,))), expected=stored.version)
    assert isinstance((await runs.ask(replace(model({}), own_epoch=own))).decision, Skip)
