"""Named cases that must be skipped: what may differ from the last build without the table being another."""

from __future__ import annotations

from dataclasses import replace

from tests.domain.building import (
    BUILT,
    CASE,
    CUSTOMERS,
    FINGERPRINT,
    HOUR,
    MINUTE,
    NOW,
    ORDERS,
    PRODUCTS,
    T0,
    asked,
    built_before,
    hashed,
)
from tests.domain.varying import (
    ALL_FRESH,
    CHANGED,
    ORDERS_FRESH,
    SAME,
    as_test,
    as_view,
    on,
    overlapping,
    resource,
    typed,
    with_content,
    with_upstream,
)

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decision import BuildOn
from dbt_state_oss.domain.history import DataTestResults, Input
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Slot, Volatility
from dbt_state_oss.domain.submission import ExecutionType, StaleUpstreamPolicy


def _without_rows(case: Case) -> Case:
    """The case, whose query has never returned rows."""
    return replace(case, fingerprint=replace(case.fingerprint, returns_no_rows=True))


SKIPS: dict[str, Case] = {
    "nothing changed": SAME,
    "nothing changed, and the tolerance is zero": asked(SAME, lag_tolerance_seconds=0),
    "the inputs come in another order": asked(SAME, inputs={CUSTOMERS: T0, ORDERS: T0}),
    "the extras come in another order": replace(SAME, extras=dict(reversed(list(SAME.extras.items())))),
    "only the hash of descriptions differs, and they are not persisted": hashed(SAME, persisted_descriptions="d2"),
    "a macro changed and macros are not asked about": hashed(SAME, macros="m2"),
    "a hook changed and configuration is to be ignored": replace(hashed(SAME, configs="c2"), build_on=BuildOn.IGNORE),
    "no client ever sent configuration hashes": built_before(hashed(CASE, configs=None)),
    "the target was written by others, which is to be ignored": asked(
        SAME, own_epoch=NOW, ignore_external_modifications=True
    ),
    "the own epoch is below the stamp on snowflake": asked(on("snowflake", CASE), own_epoch=BUILT - MINUTE),
    "an input's epoch is below the stamp on redshift": asked(
        built_before(on("redshift", CASE), inputs={ORDERS: Input(T0, "ours"), CUSTOMERS: Input(T0, None)}),
        inputs={ORDERS: T0 - 1, CUSTOMERS: T0},
    ),
    "a run that wrote no row left an epoch older than its inputs": built_before(asked(CASE, own_epoch=T0 - HOUR)),
    "one input of two is fresh and all must be": asked(
        SAME, inputs=ORDERS_FRESH, stale_upstream_policy=StaleUpstreamPolicy.ALL
    ),
    "its header and predicates read nothing": asked(
        SAME,
        extras={
            "sql_header": "\"create temp function f(x int64) as (x * 2);\\nset timezone = 'UTC';\"",
            "incremental_predicates": '["dest.day >= extract(day from current_date)"]',
            "unique_key": '["from_id", "select_id"]',
            "partition_by": '{"field": "table_day", "data_type": "date"}',
        },
    ),
    "it reads nothing": built_before(
        asked(replace(CASE, fingerprint=Fingerprint(FingerprintKind.PARSED, "f0")), inputs={})
    ),
    "the query is volatile and that is tolerated": built_before(
        replace(CASE, fingerprint=replace(FINGERPRINT, volatility=Volatility.VOLATILE))
    ),
    "the query depends on the date, which is the same": asked(
        built_before(replace(CASE, fingerprint=replace(FINGERPRINT, volatility=Volatility.DAILY)), decided_at=NOW - 1),
        tolerate_nondeterminism=False,
    ),
    "the query is stable and volatile SQL is evaluated": asked(SAME, tolerate_nondeterminism=False),
    "the rendered code changed, its template did not": replace(
        asked(SAME, compare_unrendered_code=True), fingerprint=replace(CHANGED, slots=FINGERPRINT.slots)
    ),
    "the template changed, the rendered code did not": hashed(asked(SAME, compare_unrendered_code=True), body="b2"),
    "the second incremental run has the template of the first": replace(
        asked(built_before(typed(ExecutionType.MERGE)), compare_unrendered_code=True), fingerprint=CHANGED
    ),
    "an incremental that reads itself is as it was": built_before(
        typed(ExecutionType.MERGE, replace(CASE, fingerprint=replace(FINGERPRINT, reads_itself=True)))
    ),
    "a snapshot is as it was": built_before(typed(ExecutionType.SNAPSHOT, resource("snapshot", CASE))),
    "a test passed on the same data": as_test(),
    "a view returns no rows": _without_rows(as_view(lineage="l1")),
    "a data test without a table returns no rows": _without_rows(as_test()),
    "a test failed on the same data": as_test(DataTestResults(3, True, True)),
    "a view stands and reads * from a model of ours that did not change": as_view(lineage="l1"),
    "a view that names its columns stands on data that moved": as_view(lineage="l2", star=False),
    "a seed is as it was": built_before(
        asked(
            replace(CASE, fingerprint=Fingerprint(FingerprintKind.VALUES, "s1")),
            inputs={},
            execution_type=ExecutionType.VALUES,
        )
    ),
    "the same build overlapped": overlapping(BUILT, logic=SAME.logic),
    "a different build overlapped, but left an older epoch": overlapping(BUILT - 1),
    "a different build of the same epoch came before (no row was written)": overlapping(
        BUILT, confirmed_at=BUILT - MINUTE
    ),
    "unparsable SQL is the same to the letter": built_before(
        replace(CASE, fingerprint=Fingerprint(FingerprintKind.TEXT, "t1"))
    ),
}

EQUAL_CONTENT: dict[str, Case] = {
    "an upstream was rebuilt to the same content": with_content(
        asked(SAME, inputs=ORDERS_FRESH), recorded="d1", now="d1"
    ),
    "an equal table is read under another name": with_content(
        asked(
            replace(SAME, fingerprint=replace(FINGERPRINT, slots=(Slot(PRODUCTS, (PRODUCTS,)), FINGERPRINT.slots[1]))),
            inputs={PRODUCTS: BUILT + HOUR, CUSTOMERS: T0},
        ),
        recorded="d1",
        now="d1",
        read=PRODUCTS,
    ),
}

TOLERATED: dict[str, Case] = {
    "fresh data within the tolerance": asked(SAME, inputs=ALL_FRESH, lag_tolerance_seconds=2 * 3600),
    "an upstream of ours was rebuilt with the same logic within the tolerance": with_upstream(
        asked(SAME, inputs=ORDERS_FRESH, lag_tolerance_seconds=7201), recorded="l1", now="l1"
    ),
}
