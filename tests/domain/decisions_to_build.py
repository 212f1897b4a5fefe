"""Named cases that must be built: what changed since the last build, the cause that is named, the wire's reasons."""

from __future__ import annotations

from dataclasses import replace

from tests.domain.building import (
    BUILT,
    CASE,
    CUSTOMERS,
    FINGERPRINT,
    HOUR,
    MART,
    NOW,
    ORDERS,
    PRODUCTS,
    SUBMISSION,
    T0,
    asked,
    built_before,
    execution,
    hashed,
)
from tests.domain.varying import (
    ALL_FRESH,
    CHANGED,
    DAY,
    ORDERS_FRESH,
    SAME,
    SWAPPED,
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
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence, RejectionReason
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import CloneOrigin
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Slot, Volatility
from dbt_state_oss.domain.submission import Code, ExecutionType, StaleUpstreamPolicy

NOTHING = (RejectionReason.NO_SUITABLE_MATCH_FOUND, RejectionReason.NO_SUITABLE_MATCH_FOUND)
UNKNOWN_LOGIC = (RejectionReason.NO_FINGERPRINT_MATCH, RejectionReason.NO_FINGERPRINT_MATCH)
OLD_LOGIC = (RejectionReason.LATEST_QUERY_HASH_NOT_MATCH, RejectionReason.TARGET_TABLE_MATCH)

UNREPORTED = dict.fromkeys(("body", "configs", "macros", "persisted_descriptions", "contract"))
SAMPLED = 'select * from (select * from "shop"."raw"."orders" where at >= \'x\') _dbt_et_filter_subq_orders'
WINDOW = {"__microbatch_event_time_start": "2026-01-01", "__microbatch_event_time_end": "2026-01-03"}
CONSTANTS = Relation('"shop"."prod"."constants"')

BUILDS: dict[str, tuple[Case, str, tuple[RejectionReason, RejectionReason]]] = {
    "nothing is known": (CASE, "no build of it is recorded", UNKNOWN_LOGIC),
    "it is made of what it held before": (
        built_before(replace(CASE, fingerprint=replace(FINGERPRINT, reads_itself=True))),
        "reads its own previous content",
        NOTHING,
    ),
    "its query returns no rows": (
        built_before(replace(CASE, fingerprint=replace(FINGERPRINT, returns_no_rows=True))),
        "its query returns no rows, so it is always built: a hook may fill its table",
        NOTHING,
    ),
    "the query of an incremental returns no rows": (
        built_before(typed(ExecutionType.MERGE, replace(CASE, fingerprint=replace(FINGERPRINT, returns_no_rows=True)))),
        "its query returns no rows",
        NOTHING,
    ),
    "its header reads a table": (
        asked(SAME, extras={"sql_header": '"set x = (\\nselect max(a) from raw.rates);"'}),
        "its sql_header may read tables whose changes are not reported",
        NOTHING,
    ),
    "its predicates read a table, within the tolerance": (
        asked(
            SAME, extras={"incremental_predicates": '["id > (select c.id from cutoff c)"]'}, lag_tolerance_seconds=DAY
        ),
        "its incremental_predicates may read tables",
        NOTHING,
    ),
    "its header calls a volatile function, and volatile SQL is to be evaluated": (
        asked(SAME, extras={"sql_header": '"set local my.x = now();"'}, tolerate_nondeterminism=False),
        "calls a function whose value changes",
        NOTHING,
    ),
    "the owner has set it to be always built": (
        replace(SAME, never_reuse=NodePatterns(("model.shop.*",))),
        "the server is configured to never reuse it",
        NOTHING,
    ),
    "a hook may have written to a copy, whatever is to be ignored": (
        asked(
            built_before(origin=CloneOrigin("ns.t.x0", ORDERS, 1)),
            own_epoch=BUILT + 1,
            ignore_external_modifications=True,
        ),
        "was modified outside of recorded builds",
        NOTHING,
    ),
    "the table is gone": (asked(SAME, own_epoch=None), "its table does not exist", NOTHING),
    "the table is gone, whatever is to be ignored": (
        asked(SAME, own_epoch=None, ignore_external_modifications=True),
        "its table does not exist",
        NOTHING,
    ),
    "the query changed": (replace(SAME, fingerprint=CHANGED), "its query has changed", UNKNOWN_LOGIC),
    "the query changed within the tolerance": (
        asked(replace(SAME, fingerprint=CHANGED), lag_tolerance_seconds=DAY),
        "its query has changed",
        UNKNOWN_LOGIC,
    ),
    "the query is that of an older build (A, B, A)": (
        built_before(CASE, execution(id="ns.t.x0", epoch=BUILT - 1), logic=replace(CASE, fingerprint=CHANGED).logic),
        "equals that of an earlier build",
        OLD_LOGIC,
    ),
    "an extra changed": (
        replace(SAME, extras={**SAME.extras, "grants": "g2"}),
        "the configuration grants differs",
        UNKNOWN_LOGIC,
    ),
    "an extra came with a newer client": (
        replace(SAME, extras={**SAME.extras, "lookback": "1"}),
        "lookback",
        UNKNOWN_LOGIC,
    ),
    "an extra went with an older client": (replace(SAME, extras={"grants": "g1"}), "unique_key", UNKNOWN_LOGIC),
    "it is built another way": (
        typed(ExecutionType.MERGE, built_before(typed(ExecutionType.APPEND))),
        "its execution type is MERGE; at its last build it was APPEND",
        UNKNOWN_LOGIC,
    ),
    "the warehouse is another one": (
        asked(SAME, code=Code(dialect_named("redshift"), "select 1", "shop", "public", MART)),
        "its query has changed",
        UNKNOWN_LOGIC,
    ),
    "it could be parsed before, but not now": (
        replace(SAME, fingerprint=replace(FINGERPRINT, kind=FingerprintKind.TEXT)),
        "only one of the two versions of its SQL could be parsed",
        UNKNOWN_LOGIC,
    ),
    "a view that it reads was redefined": (
        replace(SAME, fingerprint=replace(CHANGED, views_digest="w2")),
        "the definition of a view that it reads differs",
        UNKNOWN_LOGIC,
    ),
    "a newer client's way of being built": (
        built_before(typed(ExecutionType.UNKNOWN)),
        "does not support its execution type",
        UNKNOWN_LOGIC,
    ),
    "a column of its contract changed, whatever the setting": (
        replace(hashed(SAME, contract="k2"), build_on=BuildOn.IGNORE),
        "its contract have changed",
        NOTHING,
    ),
    "the client reports no configuration": (
        built_before(hashed(CASE, **UNREPORTED)),
        "configuration was not reported",
        NOTHING,
    ),
    "a microbatch without its window, whatever the setting": (
        replace(built_before(typed(ExecutionType.MICROBATCH)), missing_evidence=MissingEvidence.IGNORE),
        "does not report the event-time window",
        NOTHING,
    ),
    "a hook or another configuration changed": (hashed(SAME, configs="c2"), "its configuration has changed", NOTHING),
    "only the record has a configuration hash": (hashed(SAME, configs=None), "its configuration has changed", NOTHING),
    "a macro changed and macros are asked about": (
        replace(hashed(SAME, macros="m2"), build_on=BuildOn.CONFIGS_AND_MACROS),
        "a macro that it calls has changed",
        NOTHING,
    ),
    "the file of a microbatch changed": (
        hashed(built_before(asked(typed(ExecutionType.MICROBATCH), extras=WINDOW)), body="b2"),
        "its file or a macro that it calls has changed",
        NOTHING,
    ),
    "the file of a snapshot changed": (
        hashed(built_before(typed(ExecutionType.SNAPSHOT, resource("snapshot", CASE))), body="b2"),
        "its file or a macro that it calls has changed",
        NOTHING,
    ),
    "a macro of a snapshot changed, whatever the setting": (
        replace(
            hashed(built_before(typed(ExecutionType.SNAPSHOT, resource("snapshot", CASE))), macros="m2"),
            build_on=BuildOn.IGNORE,
        ),
        "its file or a macro that it calls has changed",
        NOTHING,
    ),
    "a snapshot's strategy changed, whatever the setting": (
        replace(
            hashed(built_before(typed(ExecutionType.SNAPSHOT, resource("snapshot", CASE))), configs="c2"),
            build_on=BuildOn.IGNORE,
        ),
        "its configuration has changed",
        NOTHING,
    ),
    "template and rendered code both changed": (
        replace(hashed(asked(SAME, compare_unrendered_code=True), body="b2"), fingerprint=CHANGED),
        "its query has changed",
        UNKNOWN_LOGIC,
    ),
    "the template is the same, but a macro that it calls is not": (
        replace(hashed(asked(SAME, compare_unrendered_code=True), macros="m2"), fingerprint=CHANGED),
        "its query has changed",
        UNKNOWN_LOGIC,
    ),
    "the template is the same, but a view that it reads is not": (
        replace(asked(SAME, compare_unrendered_code=True), fingerprint=replace(CHANGED, views_digest="w2")),
        "the definition of a view",
        UNKNOWN_LOGIC,
    ),
    "the template is the same, but the microbatch window is not": (
        replace(asked(SAME, compare_unrendered_code=True), extras={**SAME.extras, "__microbatch_event_time_end": "w2"}),
        "__microbatch_event_time_end",
        UNKNOWN_LOGIC,
    ),
    "the template is the same, but it reads one table more": (
        replace(
            asked(SAME, compare_unrendered_code=True, inputs={**SUBMISSION.inputs, PRODUCTS: T0}),
            fingerprint=replace(CHANGED, slots=(*FINGERPRINT.slots, Slot(PRODUCTS, (PRODUCTS,)))),
        ),
        "was not at the last build",
        NOTHING,
    ),
    "the query is volatile and volatile SQL is evaluated": (
        asked(
            built_before(replace(CASE, fingerprint=replace(FINGERPRINT, volatility=Volatility.VOLATILE))),
            tolerate_nondeterminism=False,
        ),
        "whose value changes at every run",
        NOTHING,
    ),
    "the query depends on the date, which is another": (
        replace(
            asked(
                built_before(replace(CASE, fingerprint=replace(FINGERPRINT, volatility=Volatility.DAILY))),
                tolerate_nondeterminism=False,
            ),
            now=NOW + DAY,
        ),
        "depends on the date",
        NOTHING,
    ),
    "the query depends on the date, which was not seen at the build": (
        asked(
            built_before(replace(CASE, fingerprint=replace(FINGERPRINT, volatility=Volatility.DAILY)), decided_at=None),
            tolerate_nondeterminism=False,
        ),
        "depends on the date",
        NOTHING,
    ),
    "others wrote to the target": (
        asked(SAME, own_epoch=BUILT + 1),
        "was modified outside of recorded builds",
        NOTHING,
    ),
    "the target lost its newest rows": (
        asked(SAME, own_epoch=BUILT - 1),
        "was modified outside of recorded builds",
        NOTHING,
    ),
    "others wrote to an incremental target": (
        asked(built_before(typed(ExecutionType.APPEND)), own_epoch=BUILT + 1),
        "was modified outside of recorded builds",
        NOTHING,
    ),
    "the own epoch is above the stamp on snowflake": (
        asked(on("snowflake", CASE), own_epoch=BUILT + 1),
        "was modified outside of recorded builds",
        NOTHING,
    ),
    "the own epoch went back on an unknown warehouse": (
        asked(on("exasol", CASE), own_epoch=BUILT - 1),
        "was modified outside of recorded builds",
        NOTHING,
    ),
    "the last build proves nothing": (built_before(unproven="of a reason"), "of a reason", NOTHING),
    "a full refresh of an incremental": (
        typed(ExecutionType.FULL, built_before(typed(ExecutionType.MERGE))),
        "a full refresh was requested",
        NOTHING,
    ),
    "a second full refresh of an incremental": (
        built_before(full_refresh=True),
        "a full refresh was requested",
        NOTHING,
    ),
    "stored failures on postgres": (built_before(resource("test", CASE)), "store failures", NOTHING),
    "a test whose results are not on record": (as_test(None), "results of its last run", NOTHING),
    "a test whose data moved": (asked(as_test(), inputs=ORDERS_FRESH), "upstream", NOTHING),
    "an input moved on": (asked(SAME, inputs=ORDERS_FRESH), "was updated 1 hour ago", NOTHING),
    "an input moved on and the tolerance has passed": (
        asked(SAME, inputs=ORDERS_FRESH, lag_tolerance_seconds=7199),
        "was updated 1 hour ago",
        NOTHING,
    ),
    "an input lost its newest rows": (
        asked(SAME, inputs={ORDERS: T0 - 1, CUSTOMERS: T0}),
        "lost its newest rows",
        NOTHING,
    ),
    "an input's stamp moved on snowflake": (
        asked(on("snowflake", CASE), inputs={ORDERS: T0 + 1, CUSTOMERS: T0}),
        "was updated",
        NOTHING,
    ),
    "an input's epoch is unknown now": (asked(SAME, inputs={ORDERS: None, CUSTOMERS: T0}), "is unknown", NOTHING),
    "an input's epoch was unknown at the build": (
        asked(built_before(asked(CASE, inputs={ORDERS: None, CUSTOMERS: T0})), inputs=SUBMISSION.inputs),
        "was unknown at the last build",
        NOTHING,
    ),
    "an input's epoch was unknown then and is now": (
        built_before(asked(CASE, inputs={ORDERS: None, CUSTOMERS: T0})),
        "is unknown",
        NOTHING,
    ),
    "an input that the query reads is missing from the request": (
        asked(SAME, inputs={CUSTOMERS: T0}),
        "is unknown",
        NOTHING,
    ),
    "all inputs moved on and all must": (
        asked(SAME, inputs=ALL_FRESH, stale_upstream_policy=StaleUpstreamPolicy.ALL),
        "was updated",
        NOTHING,
    ),
    "a table outside the parsed query moved on, though all must": (
        asked(
            built_before(asked(CASE, inputs={**SUBMISSION.inputs, PRODUCTS: T0})),
            inputs={**SUBMISSION.inputs, PRODUCTS: NOW},
            stale_upstream_policy=StaleUpstreamPolicy.ALL,
        ),
        "products",
        NOTHING,
    ),
    "the same tables are read in each other's place": (
        replace(SAME, fingerprint=SWAPPED),
        "is read instead of",
        NOTHING,
    ),
    "another table of equal epoch is read": (
        asked(
            replace(SAME, fingerprint=replace(FINGERPRINT, slots=(Slot(PRODUCTS, (PRODUCTS,)), FINGERPRINT.slots[1]))),
            inputs={PRODUCTS: T0, CUSTOMERS: T0},
            lag_tolerance_seconds=DAY,
        ),
        "is read instead of",
        NOTHING,
    ),
    "an upstream of ours was rebuilt with other logic within the tolerance": (
        with_upstream(asked(SAME, inputs=ORDERS_FRESH, lag_tolerance_seconds=DAY), recorded="l1", now="l2"),
        "rebuilt with changed logic",
        NOTHING,
    ),
    "an upstream's logic changed, though all must be fresh": (
        with_upstream(
            asked(SAME, inputs=ORDERS_FRESH, stale_upstream_policy=StaleUpstreamPolicy.ALL), recorded="l1", now="l2"
        ),
        "rebuilt with changed logic",
        NOTHING,
    ),
    "an input emptied within the tolerance": (
        asked(SAME, inputs={**ALL_FRESH, ORDERS: None}, lag_tolerance_seconds=DAY),
        "is unknown",
        NOTHING,
    ),
    "an upstream of ours emptied within the tolerance": (
        with_upstream(
            asked(SAME, inputs={**ALL_FRESH, ORDERS: None}, lag_tolerance_seconds=DAY), recorded="l1", now="l1"
        ),
        "is unknown",
        NOTHING,
    ),
    "an upstream of ours was written by others within the tolerance": (
        with_upstream(
            asked(SAME, inputs={ORDERS: BUILT + HOUR + 1, CUSTOMERS: T0}, lag_tolerance_seconds=DAY),
            recorded="l1",
            now="l1",
        ),
        "outside of recorded builds",
        NOTHING,
    ),
    "a different build overlapped, and both read the same epoch back": (
        overlapping(BUILT),
        "two different builds of it overlapped",
        NOTHING,
    ),
    "a different build overlapped on snowflake": (
        overlapping(BUILT - 1, on("snowflake", CASE)),
        "two different builds of it overlapped",
        NOTHING,
    ),
    "an upstream became ours within the tolerance": (
        with_upstream(asked(SAME, inputs=ORDERS_FRESH, lag_tolerance_seconds=DAY), recorded=None, now="l1"),
        "rebuilt with changed logic",
        NOTHING,
    ),
    "a view reads * from a model of ours that changed": (
        as_view(lineage="l2"),
        "whose columns may have changed",
        NOTHING,
    ),
    "a view reads * from a table that is not ours": (
        as_view(lineage=None, recorded=None),
        "whose columns may have changed",
        NOTHING,
    ),
    "a view reads another relation": (
        replace(
            as_view(lineage="l1", star=False),
            fingerprint=Fingerprint(FingerprintKind.PARSED, "v1", (Slot(CUSTOMERS, (CUSTOMERS,)),)),
        ),
        "it reads different relations",
        NOTHING,
    ),
    "a view that can't be parsed": (
        built_before(typed(ExecutionType.VIEW, replace(CASE, fingerprint=Fingerprint(FingerprintKind.TEXT, "t1")))),
        "cannot be parsed",
        NOTHING,
    ),
    "it reads from what no request tells of": (
        built_before(replace(CASE, fingerprint=replace(FINGERPRINT, unseen_sources=("@stage",)))),
        "it reads from @stage",
        NOTHING,
    ),
    "the template is the same, but the last build was dbt's --empty": (
        replace(asked(built_before(part_of_inputs=True), compare_unrendered_code=True), fingerprint=CHANGED),
        "its query has changed",
        UNKNOWN_LOGIC,
    ),
    "the template is the same, but this build is dbt's --sample": (
        replace(
            asked(
                SAME,
                compare_unrendered_code=True,
                code=Code(dialect_named("postgres"), SAMPLED, "shop", "public", MART),
            ),
            fingerprint=CHANGED,
        ),
        "its query has changed",
        UNKNOWN_LOGIC,
    ),
    "a view on databricks, which may be a materialized one": (
        built_before(typed(ExecutionType.VIEW, on("databricks", CASE))),
        "it may be a materialized view",
        NOTHING,
    ),
    "the server's clock was a day ahead at the last build": (
        asked(built_before(built_at=NOW + DAY), inputs=ORDERS_FRESH, lag_tolerance_seconds=3600),
        "was updated",
        NOTHING,
    ),
    "all inputs must be fresh and are, but for a view that reads no table": (
        asked(
            built_before(
                replace(CASE, fingerprint=replace(FINGERPRINT, slots=(*FINGERPRINT.slots, Slot(CONSTANTS, ()))))
            ),
            inputs=ALL_FRESH,
            stale_upstream_policy=StaleUpstreamPolicy.ALL,
        ),
        "was updated",
        NOTHING,
    ),
    "an upstream was rebuilt to other content": (
        with_content(asked(SAME, inputs=ORDERS_FRESH), recorded="d1", now="d2"),
        "was updated",
        NOTHING,
    ),
    "an upstream of the same content was written by others since": (
        with_content(asked(SAME, inputs={ORDERS: BUILT + HOUR + 1, CUSTOMERS: T0}), recorded="d1", now="d1"),
        "outside of recorded builds",
        NOTHING,
    ),
    "an upstream's content has no name, then and now": (
        with_content(asked(SAME, inputs=ORDERS_FRESH), recorded=None, now=None),
        "was updated",
        NOTHING,
    ),
    "an upstream of the same content had another build overlapping its own": (
        with_content(asked(SAME, inputs=ORDERS_FRESH), recorded="d1", now="d1", rival=True),
        "outside of recorded builds",
        NOTHING,
    ),
}
