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
    HASHES,
    HOUR,
    MART,
    MINUTE,
    NOW,
    ORDERS,
    T0,
    asked,
    execution,
)
from tests.domain.decisions_to_build import BUILDS
from tests.domain.test_hook_free import hash_of
from tests.domain.varying import ALL_FRESH, CHANGED, DAY, ORDERS_FRESH, resource, typed

from dbt_state_oss.domain import cloning
from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.cloning import (
    NOT_ASKED_OF_CANDIDATES,
    RULES_OF_CANDIDATES,
    Candidate,
    CloneTargets,
    draft_copy,
    is_source_of_clones,
    may_be_cloned,
    why_not_here,
    with_clone,
)
from dbt_state_oss.domain.data_identity import identity_at, identity_of
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build, Clone, RejectionReason
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.draft import draft_execution
from dbt_state_oss.domain.extras import canonical_extras
from dbt_state_oss.domain.history import CloneOrigin, Execution, History, Input
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.rules import (
    RULES,
    an_execution_is_recorded,
    logic_is_unchanged,
    own_table_exists,
    table_is_unmodified,
)
from dbt_state_oss.domain.sql.fingerprint import Volatility, seed_fingerprint
from dbt_state_oss.domain.submission import (
    CloneTerms,
    Code,
    ExecutionType,
    NodeHashes,
    SeedValues,
    StaleUpstreamPolicy,
    TargetKey,
)

DEV = Relation('"shop"."dev"."mart"')
ELSEWHERE = Relation('"bakery"."prod"."mart"')
EVERY_NODE = NodePatterns(("*",))
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
READING_HEADER = asked(IN_DEV, extras={"sql_header": '"set x = (select max(a) from raw.rates);"'})
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
        "its last build had different logic",
        _NONE,
    ),
    "the build of the source reports no configuration": (
        UNREPORTED,
        source(UNREPORTED),
        "configuration was not reported",
        _NONE,
    ),
    "the header may read a table": (
        READING_HEADER,
        source(READING_HEADER),
        "its sql_header may read tables",
        _NONE,
    ),
    "no build of the source is on record": (IN_DEV, Candidate(MART, History()), "different logic", _NONE),
    "its epoch is not known": (IN_DEV, source(epoch=None), "different logic", _NONE),
    "it proves nothing": (IN_DEV, source(unproven="why not"), "its last build cannot justify a skip: why not", _NONE),
    "another build may have written it": (IN_DEV, source(older=(OTHER_BUILD,)), "two different builds of it", _NONE),
    "it was built incrementally, so this is a full refresh": (
        IN_DEV,
        source(older=(INCREMENTAL_BEFORE,)),
        "a full refresh was requested",
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
    "it reads what nobody reports": (UNSEEN, source(UNSEEN), "changes are never reported", _NONE),
    "an input has moved on": (asked(IN_DEV, inputs=ORDERS_FRESH), source(), "was updated 1 hour ago", _NONE),
    "an input's epoch is not known": (
        asked(IN_DEV, inputs={ORDERS: None, CUSTOMERS: T0}),
        source(),
        "is unknown",
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
        "is read instead of",
        _NONE,
    ),
    "the chain of clones is too long": (
        asked(IN_DEV, clone_terms=replace(TERMS, chain_depth_limit=3)),
        source(origin=copied_before(3)),
        "its chain of clones has a length of 3, and the client allows 3",
        _CHAIN,
    ),
    "a copy lacks the grants": (
        replace(IN_DEV, extras=GRANTS),
        source(replace(IN_DEV, extras=GRANTS)),
        "would lack grants",
        _NONE,
    ),
    "the warehouse cannot copy across databases": (IN_DEV, source(relation=ELSEWHERE), "cannot be copied", _NONE),
    "the table is dynamic": (
        SNOWFLAKE,
        source(SNOWFLAKE, table_type="DYNAMIC TABLE"),
        "cannot be copied",
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


def test_every_rule_of_a_skip_is_asked_of_a_candidate_unless_it_says_why_not() -> None:
    assert set(NOT_ASKED_OF_CANDIDATES) <= set(RULES)
    assert set(RULES_OF_CANDIDATES) == set(RULES) - set(NOT_ASKED_OF_CANDIDATES)
    assert all(NOT_ASKED_OF_CANDIDATES.values())


OF_THE_TARGET = (own_table_exists, an_execution_is_recorded, logic_is_unchanged, table_is_unmodified)
"""Rules that ask about the table and the record of the target, which a copy replaces."""


@pytest.mark.parametrize(
    "rule", [rule for rule in NOT_ASKED_OF_CANDIDATES if rule not in OF_THE_TARGET], ids=lambda rule: rule.__name__
)
def test_what_a_rule_that_is_not_asked_of_candidates_refuses_is_not_cloned_either(rule: Any) -> None:
    refused = {name: case for name, (case, because, _) in BUILDS.items() if _refuses(rule, case, because)}
    assert refused, "it has no case in decisions_to_build.py"
    cloned = [name for name, case in refused.items() if may_be_cloned(case)]
    assert not cloned, f"may_be_cloned lets these pass, so the rule has to be asked of candidates: {cloned}"


def _refuses(rule: Any, case: Case, because: str) -> bool:
    try:
        finding = rule(case)
    except AssertionError:  # asked too early
        return False
    return finding is not None and finding.rejection is not None and because in finding.rejection.because


@pytest.mark.parametrize("rule", RULES_OF_CANDIDATES, ids=lambda rule: rule.__name__)
def test_no_rule_can_be_left_out(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a new rule needs a case here, or a reason not to be asked of a candidate."""
    others = tuple(other for other in RULES_OF_CANDIDATES if other is not rule)
    monkeypatch.setattr(cloning, "RULES_OF_CANDIDATES", others)
    assert any(isinstance(asked_for(case, candidate), Clone) for case, candidate, _, _ in REFUSALS.values())


def test_a_copy_that_is_behind_tells_so() -> None:
    clone = asked_for(TOLERANT, source())
    assert isinstance(clone, Clone)
    assert clone.stale
    assert "within its lag tolerance" in clone.description
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
    built = execution(typed(kind, asked(SNOWFLAKE, own_epoch=BUILT)), data_identity="c1")
    assert is_source_of_clones(built) is expected


def test_a_table_whose_query_returns_no_rows_is_no_source_of_clones() -> None:
    empty = asked(with_fingerprint(IN_DEV, returns_no_rows=True), own_epoch=BUILT)
    assert not is_source_of_clones(execution(empty, data_identity="c1"))


def test_the_content_of_a_table_whose_query_returns_no_rows_has_no_identity() -> None:
    empty = with_fingerprint(IN_DEV, returns_no_rows=True)
    inputs = {relation: Input(T0, None, "content") for relation in empty.submission.inputs}
    assert identity_of(IN_DEV.logic, IN_DEV.submission.node, inputs) is not None
    assert identity_of(empty.logic, empty.submission.node, inputs) is None


def test_a_seed_that_was_loaded_into_a_table_of_before_is_not_cloned() -> None:
    seed = typed(ExecutionType.VALUES, SNOWFLAKE)
    assert isinstance(asked_for(seed, source(seed, data_identity="c1")), Clone)
    filled = source(seed, data_identity=None)
    answer = asked_for(seed, filled)
    assert isinstance(answer, Build)
    assert "loaded into an existing table" in answer.explanation[-1].children[0].text
    assert not is_source_of_clones(filled.history.executions[0])


@pytest.mark.parametrize("identity", [None, "c1"], ids=["this version's record", "a record of a version that named it"])
def test_where_an_empty_table_looks_missing_the_copying_statement_proves_that_a_seed_made_its_table(
    identity: str | None,
) -> None:
    seed = typed(ExecutionType.VALUES, IN_DEV)
    answer = asked_for(seed, source(seed, data_identity=identity, found_epoch=None))
    assert isinstance(answer, Clone)
    assert "columns of an earlier load" in answer.statements[-1]
    doubts: list[dict[str, Any]] = [{"found_epoch": T0}, {"decided_at": None}, {"origin": copied_before(1)}]
    for doubt in doubts:
        changes: dict[str, Any] = {"data_identity": identity, "found_epoch": None, **doubt}
        filled = source(seed, **changes)
        assert isinstance(asked_for(seed, filled), Build)
        assert not is_source_of_clones(filled.history.executions[0])


def test_a_seed_has_a_name_for_its_content_only_where_a_missing_epoch_is_a_missing_table() -> None:
    seed = typed(
        ExecutionType.VALUES, replace(SNOWFLAKE, fingerprint=seed_fingerprint(SeedValues(SNOWFLAKE.dialect, "v1")))
    )
    assert draft_execution(seed, execution_id="ns.t.x1", decided_at=BUILT).data_identity is not None
    on_postgres = asked(seed, code=IN_DEV.submission.code)
    assert draft_execution(on_postgres, execution_id="ns.t.x1", decided_at=BUILT).data_identity is None


def test_a_name_that_an_earlier_version_gave_to_a_seeds_content_is_not_used() -> None:
    for case, expected in ((SNOWFLAKE, "c1"), (IN_DEV, f"{MART} at {BUILT}")):
        built = source(typed(ExecutionType.VALUES, case), data_identity="c1")
        assert identity_at(built.history, MART, BUILT, case.clock) == expected


def test_a_copy_of_a_seed_is_copied_by_the_ordinary_statement() -> None:
    seed = typed(ExecutionType.VALUES, IN_DEV)
    copy = source(seed, data_identity=f"{MART} at {BUILT}", origin=copied_before(1), found_epoch=None)
    answer = asked_for(seed, copy)
    assert isinstance(answer, Clone)
    assert "columns of an earlier load" not in answer.statements[-1]


@pytest.mark.parametrize(
    "case",
    [
        resource("snapshot", IN_DEV),
        resource("test", IN_DEV),
        with_fingerprint(IN_DEV, reads_itself=True),
        with_fingerprint(IN_DEV, asks_session=True),
        asked(IN_DEV, extras={"sql_header": '"set x = current_user;"'}),
        with_fingerprint(IN_DEV, returns_no_rows=True),
        replace(IN_DEV, history=History((execution(hook_wrote=True),))),
        replace(IN_DEV, history=History((execution(origin=copied_before(1)),))),
        replace(
            asked(IN_DEV, own_epoch=BUILT + 1), history=History((execution(origin=copied_before(1), epoch=BUILT),))
        ),
        replace(IN_DEV, never_reuse=NodePatterns(("model.shop.*",))),
        replace(IN_DEV, history=History((INCREMENTAL_BEFORE,))),
        asked(IN_DEV, relation=None),
    ],
    ids=[
        "snapshots",
        "stored failures",
        "what reads itself",
        "what tells of its session",
        "what tells of its session in a header",
        "queries without rows",
        "hooks that write",
        "a copy that a hook may have emptied",
        "a copy that a hook may have written to",
        "what is never to be reused",
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
        (
            CloneTargets.DEVELOPMENT,
            replace(TERMS, into_defer_target=True),
            "its target is production, into which nothing is cloned (DBTSTATE_CLONES)",
        ),
        (
            CloneTargets.DEVELOPMENT,
            replace(TERMS, into_defer_target=None),
            "does not report whether its target is production",
        ),
        (CloneTargets.EVERYWHERE, replace(TERMS, into_defer_target=True), None),
        (CloneTargets.EVERYWHERE, replace(TERMS, into_defer_target=None), None),
        (CloneTargets.NOWHERE, TERMS, "this server offers no clones (DBTSTATE_CLONES)"),
        (CloneTargets.EVERYWHERE, replace(TERMS, allowed=False), "the client allows no clones"),
        (CloneTargets.EVERYWHERE, replace(TERMS, chain_depth_limit=0), "the client allows no clones"),
    ],
)
def test_where_clones_are_made(targets: CloneTargets, terms: CloneTerms, because: str | None) -> None:
    answer = why_not_here(asked(replace(IN_DEV, trusted_hooks=EVERY_NODE), clone_terms=terms), targets)
    assert answer is None if because is None else because in (answer or "")


def test_no_clone_on_a_warehouse_that_is_known_no_way_to_copy() -> None:
    code = Code(dialect_named("oracle"), "select 1", "shop", "", DEV)
    assert "tables cannot be copied" in (why_not_here(asked(IN_DEV, code=code), CloneTargets.EVERYWHERE) or "")


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


def test_a_copy_is_made_again_of_what_has_no_hooks_any_more_whoever_wrote_to_it() -> None:
    hashes = replace(HASHES, configs=hash_of({"materialized": "table"}))
    case = asked(IN_DEV, node=replace(IN_DEV.submission.node, hashes=hashes))
    written = replace(
        asked(case, own_epoch=BUILT + 1), history=History((execution(case, origin=copied_before(1), epoch=BUILT),))
    )
    assert may_be_cloned(written)
    assert may_be_cloned(replace(written, history=History((execution(hook_wrote=True),))))
    assert draft_execution(written, execution_id="ns.t.x2", decided_at=NOW).hook_wrote is False


def test_a_build_over_a_copy_that_a_hook_may_have_written_to_keeps_that_in_mind() -> None:
    written = replace(
        asked(IN_DEV, own_epoch=BUILT + 1), history=History((execution(origin=copied_before(1), epoch=BUILT),))
    )
    build = replace(draft_execution(written, execution_id="ns.t.x2", decided_at=NOW), epoch=NOW, confirmed_at=NOW)
    later = [
        replace(build, id=f"ns.t.y{n}", epoch=NOW + n, confirmed_at=NOW + n, hook_wrote=False) for n in range(1, 30)
    ]
    history = written.history.merged([build, *later])
    assert not may_be_cloned(replace(IN_DEV, history=history))


def test_on_a_warehouse_where_an_empty_table_has_an_epoch_a_copy_that_is_gone_is_made_again() -> None:
    assert may_be_cloned(
        replace(SNOWFLAKE, history=History((execution(SNOWFLAKE, origin=copied_before(1), epoch=BUILT),)))
    )


@pytest.mark.parametrize(
    ("case", "candidate", "because"),
    [
        (IN_DEV, source(hook_wrote=True), "a hook has written to it"),
        (replace(IN_DEV, never_reuse=NodePatterns(("shop.prod.*",))), source(), "configured to never reuse it"),
    ],
    ids=["a hook was seen to write", "the owner says so of its relation"],
)
def test_what_is_reused_never_is_no_source(case: Case, candidate: Candidate, because: str) -> None:
    answer = asked_for(case, candidate)
    assert isinstance(answer, Build)
    assert because in answer.explanation[-1].children[0].text


def test_without_proof_or_trust_that_hooks_leave_a_copy_alone_there_is_none() -> None:
    assert "it may have hooks" in (why_not_here(IN_DEV, CloneTargets.DEVELOPMENT) or "")
    named = replace(IN_DEV, trusted_hooks=NodePatterns(("*.dev.mart",)))
    assert why_not_here(named, CloneTargets.DEVELOPMENT) is None
    hashes = replace(HASHES, configs=hash_of({"materialized": "table"}))
    proven = asked(IN_DEV, node=replace(IN_DEV.submission.node, hashes=hashes))
    assert why_not_here(proven, CloneTargets.DEVELOPMENT) is None


def test_what_the_owner_has_set_to_be_always_built_leaves_no_proof() -> None:
    never = replace(IN_DEV, never_reuse=NodePatterns(("shop",)))
    built = draft_execution(never, execution_id="ns.t.x1", decided_at=NOW)
    assert (built.data_identity, is_source_of_clones(replace(built, epoch=NOW))) == (None, False)
    assert built.unproven is not None


def test_what_another_node_of_this_dbt_target_left_is_no_source_since_the_same_run_may_replace_it() -> None:
    neighbour = source(node_id="model.shop.other")
    answer = asked_for(IN_DEV, neighbour)
    assert isinstance(answer, Build)
    assert "another node of this dbt target" in answer.explanation[-1].children[0].text
    assert isinstance(asked_for(IN_DEV, replace_latest(neighbour, target_name="elsewhere")), Clone)
    assert isinstance(asked_for(IN_DEV, source(relation=Relation('"shop"."colleague"."mart"'))), Clone)


def replace_latest(candidate: Candidate, **changes: Any) -> Candidate:
    latest, *older = candidate.history.executions
    return replace(candidate, history=History((replace(latest, **changes), *older)))
