"""Which table is copied in the place of a build, and why another is not (rules C1 to C4)."""

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
    T0,
    asked,
    execution,
)
from tests.domain.varying import ALL_FRESH, CHANGED, DAY, ORDERS_FRESH, resource, typed

from dbt_state_oss.domain import cloning
from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.cloning import (
    Candidate,
    CloneTargets,
    draft_copy,
    is_source_of_clones,
    may_be_cloned,
    why_not_here,
    with_clone,
)
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build, Clone, RejectionReason
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.extras import canonical_extras
from dbt_state_oss.domain.fingerprint import Volatility
from dbt_state_oss.domain.history import CloneOrigin, Execution, History, Input
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, Code, ExecutionType, NodeHashes, StaleUpstreamPolicy, TargetKey

DEV = Relation('"shop"."dev"."mart"')
ELSEWHERE = Relation('"bakery"."prod"."mart"')
TERMS = CloneTerms(into_defer_target=False)
PLAIN = replace(CASE, extras={"unique_key": "u1"})
IN_DEV = asked(PLAIN, key=TargetKey("ns", DEV), relation=DEV, own_epoch=None, clone_terms=TERMS)
BIGQUERY = asked(IN_DEV, code=Code(dialect_named("bigquery"), "select 1", "shop", "", DEV))
SNOWFLAKE = asked(IN_DEV, code=Code(dialect_named("snowflake"), "select 1", "shop", "public", DEV))
GRANTS = canonical_extras({"grants": '{"select": ["reporter"]}'})
NO_GRANTS = canonical_extras({"grants": "{}", "unlogged": "false"})
TOLERANT = asked(IN_DEV, inputs=ORDERS_FRESH, lag_tolerance_seconds=3 * 3600)


def source(
    case: Case = IN_DEV, relation: Relation = MART, older: tuple[Execution, ...] = (), **changes: Any
) -> Candidate:
    """A table of production that a build of this very case has left."""
    built = execution(case, **{"epoch": BUILT, "inputs": {ORDERS: at(T0), CUSTOMERS: at(T0, CUSTOMERS)}, **changes})
    return Candidate(relation, History((built, *older)))


def at(epoch: int, relation: Relation = ORDERS) -> Input:
    return Input(epoch, None, f"{relation} at {epoch}")


def copied_before(depth: int) -> CloneOrigin:
    return CloneOrigin("x", MART, depth)


def asked_for(case: Case, *candidates: Candidate) -> Clone | Build:
    build = decide(case)
    assert isinstance(build, Build)
    return with_clone(case, build, candidates)


def with_fingerprint(case: Case, **changes: Any) -> Case:
    return replace(case, fingerprint=replace(case.fingerprint, **changes))


UNREPORTED = asked(IN_DEV, node=replace(IN_DEV.submission.node, hashes=NodeHashes()))
VOLATILE = asked(with_fingerprint(IN_DEV, volatility=Volatility.VOLATILE), tolerate_nondeterminism=False)
DAILY = asked(with_fingerprint(IN_DEV, volatility=Volatility.DAILY), tolerate_nondeterminism=False)
UNSEEN = with_fingerprint(IN_DEV, unseen_sources=("@stage",))
OTHER_BUILD = execution(replace(CASE, fingerprint=CHANGED), id="ns.t.x0", decided_at=BUILT - 2 * MINUTE, epoch=BUILT)
INCREMENTAL_BEFORE = execution(typed(ExecutionType.MERGE), id="ns.t.x0", epoch=T0, confirmed_at=T0)

CLONES: dict[str, tuple[Case, Candidate]] = {
    "the target is missing and the source holds what a build would make": (IN_DEV, source()),
    "the target was last built with other logic": (
        replace(asked(IN_DEV, own_epoch=BUILT), history=History((execution(replace(CASE, fingerprint=CHANGED)),))),
        source(),
    ),
    "the query is volatile and that is tolerated": (
        with_fingerprint(IN_DEV, volatility=Volatility.VOLATILE),
        source(with_fingerprint(IN_DEV, volatility=Volatility.VOLATILE)),
    ),
    "the query depends on the date, which is the same": (DAILY, source(DAILY, decided_at=NOW - 1)),
    "a chain of clones may grow by one": (
        asked(IN_DEV, clone_terms=replace(TERMS, chain_depth_limit=3)),
        source(origin=copied_before(2)),
    ),
    "the source is transient on snowflake": (SNOWFLAKE, source(SNOWFLAKE, table_type="TRANSIENT TABLE")),
    "the source lies in another project on bigquery": (BIGQUERY, source(BIGQUERY, ELSEWHERE)),
    "no grants are asked for": (replace(IN_DEV, extras=NO_GRANTS), source(replace(IN_DEV, extras=NO_GRANTS))),
}

_CHAIN = RejectionReason.CLONE_CHAIN_LIMIT_EXCEEDED
_WINDOW = RejectionReason.OUTSIDE_TIME_TRAVEL_WINDOW
_NONE = RejectionReason.NO_SUITABLE_MATCH_FOUND

REFUSALS: dict[str, tuple[Case, Candidate, str, RejectionReason]] = {
    "the source was built with other logic since": (
        IN_DEV,
        source(replace(IN_DEV, fingerprint=CHANGED)),
        "its last build was of another query",
        _NONE,
    ),
    "the build of the source reports no configuration": (
        UNREPORTED,
        source(UNREPORTED),
        "does not report the configuration",
        _NONE,
    ),
    "no build of the source is on record": (IN_DEV, Candidate(MART, History()), "another query", _NONE),
    "its epoch is not known": (IN_DEV, source(epoch=None), "another query", _NONE),
    "it proves nothing": (IN_DEV, source(unproven="why not"), "its last build proves nothing: why not", _NONE),
    "another build may have written it": (IN_DEV, source(older=(OTHER_BUILD,)), "two different builds of it", _NONE),
    "it was built incrementally, so this is a full refresh": (
        IN_DEV,
        source(older=(INCREMENTAL_BEFORE,)),
        "a full refresh was asked for",
        _NONE,
    ),
    "its contract was another": (
        IN_DEV,
        source(hashes=replace(CASE.submission.node.hashes, contract="k2")),
        "its contract have changed",
        _NONE,
    ),
    "its configuration was another": (
        IN_DEV,
        source(hashes=replace(CASE.submission.node.hashes, configs="c2")),
        "its configuration has changed",
        _NONE,
    ),
    "the query is volatile": (VOLATILE, source(VOLATILE), "changes at every run", _NONE),
    "the query depends on the date, which is another": (
        DAILY,
        source(DAILY, decided_at=NOW - DAY),
        "depends on the date",
        _NONE,
    ),
    "it reads what nobody reports": (UNSEEN, source(UNSEEN), "no change is ever reported", _NONE),
    "an input has moved on": (asked(IN_DEV, inputs=ORDERS_FRESH), source(), "was updated 1 hour ago", _NONE),
    "an input's epoch is not known": (
        asked(IN_DEV, inputs={ORDERS: None, CUSTOMERS: T0}),
        source(),
        "not known",
        _NONE,
    ),
    "the inputs have moved on for longer than tolerated": (
        asked(TOLERANT, lag_tolerance_seconds=60),
        source(),
        "was updated 1 hour ago",
        _NONE,
    ),
    "another table is read": (
        replace(IN_DEV, fingerprint=replace(FINGERPRINT, slots=FINGERPRINT.slots[:1])),
        source(replace(IN_DEV, fingerprint=replace(FINGERPRINT, slots=FINGERPRINT.slots[1:]))),
        "is read where the last build read",
        _NONE,
    ),
    "the chain of clones is too long": (
        asked(IN_DEV, clone_terms=replace(TERMS, chain_depth_limit=3)),
        source(origin=copied_before(3)),
        "it is a chain of 3 clones, and 3 is the most",
        _CHAIN,
    ),
    "a copy lacks the grants": (
        replace(IN_DEV, extras=GRANTS),
        source(replace(IN_DEV, extras=GRANTS)),
        "would not bring along grants",
        _NONE,
    ),
    "the warehouse cannot copy across databases": (IN_DEV, source(relation=ELSEWHERE), "known no way to copy", _NONE),
    "the table is dynamic": (
        SNOWFLAKE,
        source(SNOWFLAKE, table_type="DYNAMIC TABLE"),
        "known no way to copy",
        _NONE,
    ),
}


@pytest.mark.parametrize("name", CLONES)
def test_it_is_cloned_where(name: str) -> None:
    case, candidate = CLONES[name]
    clone = asked_for(case, candidate)
    assert isinstance(clone, Clone)
    assert (clone.source, clone.required_epoch, clone.stale) == (candidate.relation, BUILT, False)
    assert clone.statements
    assert clone.description.startswith(
        "model was cloned because an equivalent model exists under another name so we cloned"
    )


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_not_cloned_where(name: str) -> None:
    case, candidate, because, reason = REFUSALS[name]
    build = asked_for(case, candidate)
    assert isinstance(build, Build)
    (line,) = build.explanation[-1].children
    assert line.text.startswith(f"{candidate.relation}: ")
    assert because in line.text
    assert build.clone_rejection is reason


@pytest.mark.parametrize("rule", cloning._RULES, ids=lambda rule: rule.__name__)
def test_no_rule_can_be_left_out(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloning, "_RULES", tuple(other for other in cloning._RULES if other is not rule))
    assert any(isinstance(asked_for(case, candidate), Clone) for case, candidate, _, _ in REFUSALS.values())


def test_a_copy_that_is_behind_tells_so() -> None:
    clone = asked_for(TOLERANT, source())
    assert isinstance(clone, Clone)
    assert clone.stale
    assert "within the lag tolerance" in clone.description
    waiting = asked_for(asked(IN_DEV, inputs=ORDERS_FRESH, stale_upstream_policy=StaleUpstreamPolicy.ALL), source())
    assert isinstance(waiting, Clone)
    assert (waiting.behind, waiting.stale) == (True, False)


FRESH = source(
    asked(TOLERANT), Relation('"shop"."x"."fresh"'), inputs={ORDERS: at(BUILT + HOUR), CUSTOMERS: at(T0, CUSTOMERS)}
)
OLD = source(TOLERANT, Relation('"shop"."a"."old"'), built_at=BUILT - HOUR)
YOUNG = source(TOLERANT, Relation('"shop"."b"."young"'))
COPY = source(TOLERANT, Relation('"shop"."a"."copy"'), origin=copied_before(1))


@pytest.mark.parametrize(
    ("candidates", "best"),
    [
        ([OLD, YOUNG, FRESH], FRESH),
        ([OLD, YOUNG], YOUNG),
        ([COPY, YOUNG], YOUNG),
        ([source(TOLERANT, Relation('"shop"."c"."other"')), YOUNG], YOUNG),
    ],
    ids=["what is up to date", "then the younger data", "then the shorter chain", "then the name"],
)
def test_the_best_is_copied(candidates: list[Candidate], best: Candidate) -> None:
    case = asked(TOLERANT, lag_tolerance_seconds=5 * 3600)
    for order in (candidates, candidates[::-1]):
        clone = asked_for(case, *order)
        assert isinstance(clone, Clone)
        assert clone.source == best.relation


def test_the_account_tells_what_became_of_each_candidate() -> None:
    clone = asked_for(
        asked(IN_DEV, inputs=ALL_FRESH), source(), source(relation=ELSEWHERE, inputs=_fresh_inputs()), FRESH_TWIN
    )
    assert isinstance(clone, Clone)
    section = clone.explanation[-1]
    assert section.text == "clone analysis"
    assert [line.text.split(":")[0] for line in section.children] == [
        f"{FRESH_TWIN.relation} is copied",
        MART,
        ELSEWHERE,
    ]


def _fresh_inputs() -> dict[Relation, Input]:
    return {ORDERS: at(BUILT + HOUR), CUSTOMERS: at(BUILT + HOUR, CUSTOMERS)}


FRESH_TWIN = source(relation=Relation('"shop"."twin"."mart"'), inputs=_fresh_inputs())
MOVED_ON = execution(
    replace(BIGQUERY, fingerprint=CHANGED), id="ns.t.x9", epoch=BUILT + HOUR, confirmed_at=BUILT + HOUR
)
PAST = Candidate(MART, History((replace(MOVED_ON, decided_at=BUILT + HOUR - 1), *source(BIGQUERY).history.executions)))


def test_bigquery_copies_what_the_source_held_before() -> None:
    clone = asked_for(BIGQUERY, PAST)
    assert isinstance(clone, Clone)
    assert clone.required_epoch is None
    assert f"FOR SYSTEM_TIME AS OF TIMESTAMP_MILLIS({BUILT} + 1)" in clone.statements[0]
    assert "2 hours ago" in clone.description
    copy = draft_copy(BIGQUERY, clone, execution_id="ns.t.copy", decided_at=NOW)
    assert copy.origin is not None
    assert copy.origin.past
    assert copy.origin.execution_id == "ns.t.x1"


@pytest.mark.parametrize(("seconds", "found"), [(None, True), (2 * 3600, True), (2 * 3600 - 1, False), (0, False)])
def test_the_past_is_copied_within_the_window_alone(seconds: int | None, found: bool) -> None:
    answer = asked_for(asked(BIGQUERY, clone_terms=replace(TERMS, time_travel_limit_seconds=seconds)), PAST)
    assert isinstance(answer, Clone) is found
    assert isinstance(answer, Clone) or answer.clone_rejection is _WINDOW


def test_the_past_is_out_of_reach_elsewhere_and_where_two_builds_left_one_epoch() -> None:
    assert isinstance(asked_for(SNOWFLAKE, PAST), Build)
    rival = replace(MOVED_ON, id="ns.t.x8", epoch=BUILT, decided_at=BUILT - 2 * MINUTE, confirmed_at=BUILT - 1)
    torn = Candidate(MART, PAST.history.merged([rival]))
    assert isinstance(asked_for(BIGQUERY, torn), Build)


@pytest.mark.parametrize("kind", ExecutionType)
def test_only_what_is_made_anew_of_its_inputs_is_cloned(kind: ExecutionType) -> None:
    expected = kind in (ExecutionType.FULL, ExecutionType.VALUES)
    assert may_be_cloned(typed(kind, IN_DEV)) is expected
    assert is_source_of_clones(execution(typed(kind, asked(IN_DEV, own_epoch=BUILT)), data_identity="c1")) is expected


def test_a_seed_that_was_loaded_into_a_table_of_before_is_not_cloned() -> None:
    seed = typed(ExecutionType.VALUES, IN_DEV)
    assert isinstance(asked_for(seed, source(seed, data_identity="c1")), Clone)
    filled = source(seed, data_identity=None)
    answer = asked_for(seed, filled)
    assert isinstance(answer, Build)
    assert "loaded into a table that was there before" in answer.explanation[-1].children[0].text
    assert not is_source_of_clones(filled.history.executions[0])


@pytest.mark.parametrize(
    "case",
    [
        resource("snapshot", IN_DEV),
        resource("test", IN_DEV),
        with_fingerprint(IN_DEV, reads_itself=True),
        with_fingerprint(IN_DEV, asks_session=True),
        replace(IN_DEV, history=History((execution(hook_wrote=True),))),
        replace(IN_DEV, history=History((INCREMENTAL_BEFORE,))),
        asked(IN_DEV, relation=None),
    ],
    ids=[
        "snapshots",
        "stored failures",
        "what reads itself",
        "what tells of its session",
        "hooks that write",
        "full refreshes",
        "data tests",
    ],
)
def test_never_cloned_are(case: Case) -> None:
    assert not may_be_cloned(case)


@pytest.mark.parametrize(
    ("targets", "terms", "because"),
    [
        (CloneTargets.DEVELOPMENT, TERMS, None),
        (CloneTargets.DEVELOPMENT, replace(TERMS, into_defer_target=True), "production is not made from other tables"),
        (CloneTargets.DEVELOPMENT, replace(TERMS, into_defer_target=None), "does not tell whether this is production"),
        (CloneTargets.EVERYWHERE, replace(TERMS, into_defer_target=True), None),
        (CloneTargets.EVERYWHERE, replace(TERMS, into_defer_target=None), None),
        (CloneTargets.NOWHERE, TERMS, "this server is set to offer no clones"),
        (CloneTargets.EVERYWHERE, replace(TERMS, allowed=False), "no clones are wanted"),
        (CloneTargets.EVERYWHERE, replace(TERMS, chain_depth_limit=0), "no clones are wanted"),
    ],
)
def test_where_clones_are_made(targets: CloneTargets, terms: CloneTerms, because: str | None) -> None:
    answer = why_not_here(asked(IN_DEV, clone_terms=terms), targets)
    assert answer is None if because is None else because in (answer or "")


def test_no_clone_on_a_warehouse_that_is_known_no_way_to_copy() -> None:
    code = Code(dialect_named("oracle"), "select 1", "shop", "", DEV)
    assert "known no way to copy a table" in (why_not_here(asked(IN_DEV, code=code), CloneTargets.EVERYWHERE) or "")


def test_a_copy_inherits_what_its_source_proves_and_reads_what_the_target_reads() -> None:
    candidate = source(runtime_ms=1500, data_identity="c1", table_type="TABLE")
    clone = asked_for(IN_DEV, candidate)
    assert isinstance(clone, Clone)
    copy = draft_copy(IN_DEV, clone, execution_id="ns.t.copy", decided_at=NOW)
    assert copy.logic == clone.execution.logic
    assert (copy.built_at, copy.runtime_ms, copy.data_identity, copy.table_type) == (BUILT, 1500, "c1", "TABLE")
    assert copy.inputs == {relation: IN_DEV.input_now(relation) for relation in (ORDERS, CUSTOMERS)}
    assert copy.origin == CloneOrigin("ns.t.x1", MART, 1, content_decided_at=BUILT - MINUTE, epoch=BUILT)
    assert copy.decided_at == NOW


def test_a_copy_that_is_behind_has_the_inputs_of_its_source() -> None:
    candidate = source(lineage="l9", data_identity=None)
    clone = asked_for(TOLERANT, candidate)
    assert isinstance(clone, Clone)
    copy = draft_copy(TOLERANT, clone, execution_id="ns.t.copy", decided_at=NOW)
    assert copy.inputs == clone.execution.inputs
    assert copy.lineage == "l9"
    assert copy.data_identity == f"{MART} at {BUILT}"
