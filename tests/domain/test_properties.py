"""What holds for every history and every submission, whatever they are."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from tests.domain.building import BUILT, CASE, FINGERPRINT, T0, asked, built_before, execution

from dbt_state_oss.application.keys import execution_id, target_key, target_key_of
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.decision import Build, Skip
from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.history import HISTORY_LENGTH, Execution, History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import Slot
from dbt_state_oss.domain.submission import StaleUpstreamPolicy, TargetKey

NAMES = st.text(min_size=1, max_size=12)
EPOCHS = st.integers(min_value=1, max_value=2**45)
RELATIONS = st.lists(st.sampled_from([Relation(f'"d"."s"."t{n}"') for n in range(6)]), unique=True, min_size=1)

EXECUTIONS = st.builds(
    lambda number, epoch, learned: execution(id=f"ns.t.x{number}", epoch=epoch, built_at=learned, confirmed_at=learned),
    st.integers(0, 12),
    st.none() | st.integers(1, 5),
    st.integers(1, 5),
)


@given(RELATIONS, st.data())
def test_the_order_of_the_inputs_never_matters(relations: list[Relation], data: st.DataObject) -> None:
    epochs = {relation: data.draw(st.none() | st.integers(T0, T0 + 2)) for relation in relations}
    fingerprint = replace(FINGERPRINT, slots=tuple(Slot(relation, (relation,)) for relation in relations[:2]))
    built = built_before(replace(asked(CASE, inputs=dict.fromkeys(relations, T0)), fingerprint=fingerprint))
    case = asked(built, inputs=epochs, lag_tolerance_seconds=data.draw(st.sampled_from([0, 100_000])))
    shuffled = asked(case, inputs={name: epochs[name] for name in data.draw(st.permutations(relations))})

    assert decide(shuffled) == decide(case)


@given(RELATIONS, st.sampled_from(StaleUpstreamPolicy), st.sampled_from(["postgres", "snowflake", "redshift", "other"]))
def test_an_unknown_epoch_never_counts_as_fresh(
    relations: list[Relation], policy: StaleUpstreamPolicy, warehouse: str
) -> None:
    fingerprint = replace(FINGERPRINT, slots=tuple(Slot(relation, (relation,)) for relation in relations))
    code = replace(CASE.submission.code, dialect=dialect_named(warehouse))
    unknown = dict.fromkeys(relations, None)
    case = built_before(
        replace(asked(CASE, inputs=unknown, stale_upstream_policy=policy, code=code), fingerprint=fingerprint)
    )

    assert isinstance(decide(case), Build)


@given(st.none() | EPOCHS, st.sampled_from(EpochClock))
def test_unknown_never_stands_as_recorded(epoch: int | None, clock: EpochClock) -> None:
    assert not clock.is_unchanged(None, epoch)
    assert not clock.is_unchanged(epoch, None)


@given(NAMES, NAMES, NAMES, NAMES, NAMES, NAMES)
def test_two_distinct_targets_never_share_evidence(
    organization: str, namespace: str, name: str, other_organization: str, other_namespace: str, other_name: str
) -> None:
    one, other = TargetKey(namespace, name), TargetKey(other_namespace, other_name)

    same_document = target_key(organization, one) == target_key(other_organization, other)
    assert same_document == ((organization, one) == (other_organization, other))


@given(NAMES, NAMES, NAMES)
def test_an_execution_id_leads_to_its_target(organization: str, namespace: str, name: str) -> None:
    target = TargetKey(namespace, name)

    assert target_key_of(organization, execution_id(target, "a" * 32, "0" * 64)) == target_key(organization, target)


@given(st.lists(EXECUTIONS, max_size=5))
def test_any_order_of_confirms_gives_the_same_history(executions: list[Execution]) -> None:
    histories = set()
    for order in permutations(executions):
        history = History()
        for one in order:
            history = history.merged([one])
        histories.add(repr(history))

    assert len(histories) == 1


@given(st.lists(EXECUTIONS, max_size=20), st.lists(EXECUTIONS, max_size=20))
def test_two_replicas_merge_to_the_same_history(mine: list[Execution], yours: list[Execution]) -> None:
    one, other = History().merged(mine), History().merged(yours)

    assert one.merged(other.executions) == other.merged(one.executions)
    assert one.merged(one.executions) == one
    assert len(one.executions) <= 2 * HISTORY_LENGTH


@given(st.integers(-5, 5))
def test_an_exact_clock_takes_no_other_epoch_and_a_stamp_none_above(offset: int) -> None:
    assert EpochClock.EXACT.is_unchanged(BUILT, BUILT + offset) == (offset == 0)
    assert EpochClock.STAMPED.is_unchanged(BUILT, BUILT + offset) == (offset <= 0)


@given(st.integers(0, 100), st.integers(0, 100))
def test_what_is_skipped_is_the_latest_execution(epoch: int, older: int) -> None:
    case = built_before(asked(CASE, own_epoch=200 + epoch), execution(id="ns.t.x0", epoch=100 + older))

    decision = decide(case)

    assert isinstance(decision, Skip)
    assert decision.execution.epoch == 200 + epoch
