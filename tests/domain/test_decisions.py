"""Decisions as named cases: what changed since the last build, and what the answer must be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.domain.building import (
    BUILT,
    CASE,
    CUSTOMERS,
    FINGERPRINT,
    HOUR,
    MART,
    MINUTE,
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

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decide import build_unasked, decide
from dbt_state_oss.domain.decision import Build, BuildOn, RejectionReason, Skip
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.explanation import ExplainLine, Marker
from dbt_state_oss.domain.fingerprint import Fingerprint, FingerprintKind, Slot, Volatility
from dbt_state_oss.domain.history import DataTestResults, History, Input
from dbt_state_oss.domain.rules import RULES, Rule
from dbt_state_oss.domain.submission import Code, ExecutionType, StaleUpstreamPolicy, TargetKey

SAME = built_before()
PASSED = DataTestResults(0, should_warn=False, should_error=False)
SWAPPED = replace(FINGERPRINT, slots=FINGERPRINT.slots[::-1])
CHANGED = replace(FINGERPRINT, digest="f2")
DAY = 24 * HOUR
ALL_FRESH = {ORDERS: BUILT + HOUR, CUSTOMERS: BUILT + HOUR}
ORDERS_FRESH = {ORDERS: BUILT + HOUR, CUSTOMERS: T0}


def on(dialect: str, case: Case) -> Case:
    """The same case on another warehouse, its history included."""
    code = Code(dialect_named(dialect), "select 1", "shop", "public", MART)
    return built_before(asked(replace(case, history=History()), code=code))


def typed(execution_type: ExecutionType, case: Case = CASE) -> Case:
    return asked(case, execution_type=execution_type)


def resource(kind: str, case: Case) -> Case:
    return asked(case, node=replace(case.submission.node, resource_type=kind))


def as_test(results: DataTestResults | None = PASSED) -> Case:
    key = TargetKey("ns", "test:test.shop.not_null")
    test = resource(
        "test", asked(CASE, key=key, relation=None, own_epoch=None, execution_type=ExecutionType.DBT_DATA_TEST)
    )
    return built_before(test, results=results)


def as_view(*, lineage: str | None, star: bool = True, recorded: str | None = "l1") -> Case:
    """A view on orders whose upstream execution has `lineage` now and had `recorded` at the view's last build."""
    stars = (ORDERS,) if star else ()
    view = replace(
        CASE, fingerprint=Fingerprint(FingerprintKind.PARSED, "v1", (Slot(ORDERS, (ORDERS,)),), star_relations=stars)
    )
    view = asked(view, execution_type=ExecutionType.VIEW, inputs={})
    inputs = {ORDERS: Input(None, recorded)} if star else {}
    upstream = History() if lineage is None else History((execution(lineage=lineage),))
    return replace(built_before(view, inputs=inputs), upstream={ORDERS: upstream})


def with_upstream(case: Case, *, recorded: str | None, now: str | None) -> Case:
    """orders is ours: the mart's record saw the lineage `recorded`, its own latest execution has `now`."""
    latest = case.history.executions[0]
    inputs = {**latest.inputs, ORDERS: Input(T0, recorded)}
    upstream = History() if now is None else History((execution(epoch=BUILT + HOUR, lineage=now),))
    return replace(case, history=History((replace(latest, inputs=inputs),)), upstream={ORDERS: upstream})


def overlapping(epoch: int, case: Case = SAME, **changes: Any) -> Case:
    """The case with one more build in its history, of other logic unless changed, begun before the latest was confirmed."""
    different = replace(case, fingerprint=CHANGED).logic
    began, confirmed = BUILT - 2 * MINUTE, BUILT - 1
    fields = {"logic": different, "decided_at": began, "confirmed_at": confirmed, **changes}
    other = execution(case, id="ns.t.x0", epoch=epoch, **fields)
    return replace(case, history=case.history.merged([other]))


SKIPS: dict[str, Case] = {
    "nothing changed": SAME,
    "nothing changed, and the tolerance is zero": asked(SAME, lag_tolerance_seconds=0),
    "the inputs come in another order": asked(SAME, inputs={CUSTOMERS: T0, ORDERS: T0}),
    "the extras come in another order": replace(SAME, extras=dict(reversed(list(SAME.extras.items())))),
    "only tags, docs and contract hashes differ": hashed(SAME, persisted_descriptions="d2", contract="k2"),
    "a macro changed and macros are not asked about": hashed(SAME, macros="m2"),
    "a hook changed and configuration is to be ignored": replace(hashed(SAME, configs="c2"), build_on=BuildOn.IGNORE),
    "no client ever sent configuration hashes": built_before(hashed(CASE, configs=None)),
    "the target was written by others, which is to be ignored": asked(
        SAME, own_epoch=NOW, ignore_external_modifications=True
    ),
    "the own epoch is below the stamp on snowflake": asked(on("snowflake", CASE), own_epoch=BUILT - MINUTE),
    "an input's epoch is below the stamp on redshift": asked(
        on("redshift", CASE), inputs={ORDERS: T0 - 1, CUSTOMERS: T0}
    ),
    "a run that wrote no row left an epoch older than its inputs": built_before(asked(CASE, own_epoch=T0 - HOUR)),
    "one input of two is fresh and all must be": asked(
        SAME, inputs=ORDERS_FRESH, stale_upstream_policy=StaleUpstreamPolicy.ALL
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
    "a snapshot is as it was": built_before(typed(ExecutionType.SNAPSHOT, resource("snapshot", CASE))),
    "a test passed on the same data": as_test(),
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

TOLERATED: dict[str, Case] = {
    "fresh data within the tolerance": asked(SAME, inputs=ALL_FRESH, lag_tolerance_seconds=2 * 3600),
    "an upstream of ours was rebuilt with the same logic within the tolerance": with_upstream(
        asked(SAME, inputs=ORDERS_FRESH, lag_tolerance_seconds=7201), recorded="l1", now="l1"
    ),
}

NOTHING = (RejectionReason.NO_SUITABLE_MATCH_FOUND, RejectionReason.NO_SUITABLE_MATCH_FOUND)
UNKNOWN_LOGIC = (RejectionReason.NO_FINGERPRINT_MATCH, RejectionReason.NO_FINGERPRINT_MATCH)
OLD_LOGIC = (RejectionReason.LATEST_QUERY_HASH_NOT_MATCH, RejectionReason.TARGET_TABLE_MATCH)

BUILDS: dict[str, tuple[Case, str, tuple[RejectionReason, RejectionReason]]] = {
    "nothing is known": (CASE, "no build of it is on record", UNKNOWN_LOGIC),
    "the table is gone": (asked(SAME, own_epoch=None), "its table did not exist", NOTHING),
    "the table is gone, whatever is to be ignored": (
        asked(SAME, own_epoch=None, ignore_external_modifications=True),
        "its table did not exist",
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
        "it is that of an earlier one",
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
        "it is built as MERGE, the last time as APPEND",
        UNKNOWN_LOGIC,
    ),
    "the warehouse is another one": (
        asked(SAME, code=Code(dialect_named("redshift"), "select 1", "shop", "public", MART)),
        "its query has changed",
        UNKNOWN_LOGIC,
    ),
    "it could be parsed before, but not now": (
        replace(SAME, fingerprint=replace(FINGERPRINT, kind=FingerprintKind.TEXT)),
        "it could be parsed at one time only",
        UNKNOWN_LOGIC,
    ),
    "a view that it reads was redefined": (
        replace(SAME, fingerprint=replace(CHANGED, views_digest="w2")),
        "the definition of a view that it reads differs",
        UNKNOWN_LOGIC,
    ),
    "a newer client's way of being built": (
        built_before(typed(ExecutionType.UNKNOWN)),
        "does not know its way",
        UNKNOWN_LOGIC,
    ),
    "a hook or another configuration changed": (hashed(SAME, configs="c2"), "its configuration has changed", NOTHING),
    "only the record has a configuration hash": (hashed(SAME, configs=None), "its configuration has changed", NOTHING),
    "a macro changed and macros are asked about": (
        replace(hashed(SAME, macros="m2"), build_on=BuildOn.CONFIGS_AND_MACROS),
        "a macro that it calls has changed",
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
        "was not read at the last build",
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
    "others wrote to the target": (asked(SAME, own_epoch=BUILT + 1), "somebody else has written", NOTHING),
    "the target lost its newest rows": (asked(SAME, own_epoch=BUILT - 1), "somebody else has written", NOTHING),
    "others wrote to an incremental target": (
        asked(built_before(typed(ExecutionType.APPEND)), own_epoch=BUILT + 1),
        "somebody else has written",
        NOTHING,
    ),
    "the own epoch is above the stamp on snowflake": (
        asked(on("snowflake", CASE), own_epoch=BUILT + 1),
        "somebody else has written",
        NOTHING,
    ),
    "the own epoch went back on an unknown warehouse": (
        asked(on("exasol", CASE), own_epoch=BUILT - 1),
        "somebody else has written",
        NOTHING,
    ),
    "the last build proves nothing": (built_before(unproven="of a reason"), "of a reason", NOTHING),
    "a full refresh of an incremental": (
        typed(ExecutionType.FULL, built_before(typed(ExecutionType.MERGE))),
        "a full refresh was asked for",
        NOTHING,
    ),
    "a second full refresh of an incremental": (
        built_before(full_refresh=True),
        "a full refresh was asked for",
        NOTHING,
    ),
    "stored failures on postgres": (built_before(resource("test", CASE)), "stored failures", NOTHING),
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
    "an input's epoch is unknown now": (asked(SAME, inputs={ORDERS: None, CUSTOMERS: T0}), "is not known", NOTHING),
    "an input's epoch was unknown at the build": (
        asked(built_before(asked(CASE, inputs={ORDERS: None, CUSTOMERS: T0})), inputs=SUBMISSION.inputs),
        "was not known at the last build",
        NOTHING,
    ),
    "an input's epoch was unknown then and is now": (
        built_before(asked(CASE, inputs={ORDERS: None, CUSTOMERS: T0})),
        "is not known",
        NOTHING,
    ),
    "an input that the query reads is missing from the request": (
        asked(SAME, inputs={CUSTOMERS: T0}),
        "is not known",
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
        "where the last build read",
        NOTHING,
    ),
    "another table of equal epoch is read": (
        asked(
            replace(SAME, fingerprint=replace(FINGERPRINT, slots=(Slot(PRODUCTS, (PRODUCTS,)), FINGERPRINT.slots[1]))),
            inputs={PRODUCTS: T0, CUSTOMERS: T0},
            lag_tolerance_seconds=DAY,
        ),
        "is read where the last build read",
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
        "is not known",
        NOTHING,
    ),
    "an upstream of ours emptied within the tolerance": (
        with_upstream(
            asked(SAME, inputs={**ALL_FRESH, ORDERS: None}, lag_tolerance_seconds=DAY), recorded="l1", now="l1"
        ),
        "is not known",
        NOTHING,
    ),
    "an upstream of ours was written by others within the tolerance": (
        with_upstream(
            asked(SAME, inputs={ORDERS: BUILT + HOUR + 1, CUSTOMERS: T0}, lag_tolerance_seconds=DAY),
            recorded="l1",
            now="l1",
        ),
        "what is on no record",
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
        "it reads other relations",
        NOTHING,
    ),
    "a view that can't be parsed": (
        built_before(typed(ExecutionType.VIEW, replace(CASE, fingerprint=Fingerprint(FingerprintKind.TEXT, "t1")))),
        "can't be parsed",
        NOTHING,
    ),
}


@pytest.mark.parametrize("case", SKIPS.values(), ids=SKIPS)
def test_it_is_skipped_when(case: Case) -> None:
    decision = decide(case)

    assert isinstance(decision, Skip), decision.description
    assert not decision.stale
    assert decision.execution is case.history.latest


@pytest.mark.parametrize("case", TOLERATED.values(), ids=TOLERATED)
def test_it_is_skipped_within_tolerance_when(case: Case) -> None:
    decision = decide(case)

    assert isinstance(decision, Skip), decision.description
    assert decision.stale
    assert "within the lag tolerance" in decision.description


@pytest.mark.parametrize(("case", "because", "reasons"), BUILDS.values(), ids=BUILDS)
def test_it_is_built_when(case: Case, because: str, reasons: tuple[RejectionReason, RejectionReason]) -> None:
    decision = decide(case)

    assert isinstance(decision, Build), decision.description
    assert because in decision.description
    assert " was executed because " in decision.description
    assert (decision.skip_rejection, decision.clone_rejection) == reasons


def test_the_account_holds_every_question_that_was_asked() -> None:
    decision = decide(asked(SAME, inputs=ORDERS_FRESH))

    sections = [line.text for line in decision.explanation]
    questions = [child.text for line in decision.explanation for child in line.children]
    assert sections == ["table analysis", "query analysis", "data freshness analysis"]
    assert "its table exists" in questions
    assert "nobody else has written to it since its last build" in questions
    assert "its query has not changed" in questions
    assert decision.explanation[-1].marker is Marker.FAIL
    assert decision.explanation[-1].children[0].children == (
        ExplainLine(f"upstream {ORDERS} was updated 1 hour ago", Marker.INFO),
    )


def test_state_that_could_not_be_read_is_a_build_that_says_so() -> None:
    decision = build_unasked(SUBMISSION, "the disk is full")

    assert decision.description == "model was executed because the disk is full"


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (SAME, "model"),
        (as_test(), "test"),
        (resource("snapshot", SAME), "snapshot"),
        (resource("seed", SAME), "seed"),
        (built_before(resource("test", CASE)), "model"),
    ],
    ids=["a model", "a test", "a snapshot", "a seed", "stored failures, whose first word the client replaces"],
)
def test_the_sentence_begins_with_the_kind_of_node(case: Case, word: str) -> None:
    assert decide(case).description.startswith(f"{word} was ")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_without_one_rule_some_case_is_decided_otherwise(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbt_state_oss.domain.decide.RULES", tuple(one for one in RULES if one is not rule))

    assert any(not _refused_as_expected(case, because) for case, because, _ in BUILDS.values())


def _refused_as_expected(case: Case, because: str) -> bool:
    try:
        return because in decide(case).description
    except AssertionError:  # the rules after it rely on what this one made sure of
        return False
