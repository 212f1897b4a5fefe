"""The record of a build as far as it is known at the decision. Confirm and Record complete it (rules W1, W3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.data_identity import identity_of
from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.freshness import doubted
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, History, Input, believed
from dbt_state_oss.domain.hook_free import has_no_hooks
from dbt_state_oss.domain.lineage import lineage_of
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.sql.fingerprint import Volatility, digest_of
from dbt_state_oss.domain.stamps import stamped_from
from dbt_state_oss.domain.submission import MOST_RELATIONS, ExecutionType

OVERSIZED = f"its request names more than {MOST_RELATIONS} tables and views, too many to be compared"
"""Why such a request is built, and why its record proves nothing (rule L8a)."""

_NEVER_REUSED = "it was built while the server was configured to never reuse it"


def draft_execution(case: Case, *, execution_id: str, decided_at: int | None, is_copy: bool = False) -> Execution:
    """The execution of a build of this case, to be completed when it is confirmed (rule W3).

    Its `upstream` must have been gathered. Epoch, times and outcome are still empty.
    """
    logic, asked = case.logic, decided_at is not None
    inputs = {relation: _recorded(case, relation, asked=asked, is_copy=is_copy) for relation in case.leaves_read()}
    node = case.submission.node
    lineage = lineage_of(logic, node.hashes, inputs, template=case.template, forgotten_at=case.history.forgotten_at)
    execution = Execution(
        id=execution_id,
        logic=logic,
        inputs=inputs,
        epoch=None,
        built_at=0,
        confirmed_at=0,
        decided_at=decided_at,
        raw_digest=case.raw_digest,
        lineage=lineage if case.unreported() is None else UNKNOWN_LINEAGE,
        node_id=node.unique_id,
        resource_type=node.resource_type,
        hashes=node.hashes,
        target_name=node.target_name,
        full_refresh=case.is_full_refresh,
        part_of_inputs=case.reads_part_of_inputs,
        unproven=_NEVER_REUSED if case.is_never_reused else None,
        data_identity=None if case.is_never_reused else _data_identity(case, inputs, asked=decided_at is not None),
        found_epoch=case.submission.own_epoch,
        stamped_from=_stamped_from(case, decided_at),
        voids=doubted(case),
        has_no_hooks=has_no_hooks(case.submission),
        hooks_are_harmless=case.hooks_are_harmless,
        hook_wrote=case.copy_may_have_hooks_work,
    )
    if not case.submission.oversized:
        return execution
    return replace(execution, unproven=OVERSIZED, lineage=UNKNOWN_LINEAGE, data_identity=None)


def _stamped_from(case: Case, decided_at: int | None) -> Epoch | None:
    return stamped_from(case.dialect, decided_at, case.submission.own_epoch) if case.submission.client_stamps else None


def _recorded(case: Case, relation: Relation, *, asked: bool, is_copy: bool) -> Input:
    """What is recorded of an input. A stamped epoch far ahead of the server's clock would hide later changes (rule T10).

    A build that is decided after the note of a silent build reads the result of that build, although its confirmation may have
    failed after the note. Of a copy's content only the record of its source is known. If the build was not submitted before it
    ran, only the reported epoch shows which builds of the input came before it.
    """
    known = case.input_now(relation)
    noted_at = case.history.silent_builds.get(relation)
    if asked and not is_copy and noted_at is not None:
        known = replace(known, last_build_at=max(noted_at, known.last_build_at or noted_at))
    if not asked:
        history = case.upstream.get(relation, History())
        known = replace(known, last_build_at=history.last_build_known_by(known.epoch, case.clock))
    upstream = case.upstream.get(relation, History())
    if known.lineage is not None and not case.is_view and _was_built_since(upstream, known, case.clock):
        return replace(known, epoch=None)
    stamped = case.clock is EpochClock.STAMPED or known.stamped_from is not None
    if known.epoch is not None and known.lineage is not None and stamped:
        known = replace(known, epoch=believed(known.epoch, at=case.now))
    return known


def _was_built_since(history: History, known: Input, clock: EpochClock) -> bool:
    """Whether a recorded build has this epoch, and one with another effect was confirmed after it. Then the reported epoch is
    older than that build, or the older table was put back.

    On a stamped clock, a build in place that wrote no row confirms a later epoch than the table has.
    """
    written = history.falls_to(known.epoch, clock)
    return written is not None and any(
        one.epoch != written.epoch
        and one.confirmed_at > written.confirmed_at
        and (one.data_identity is None or one.data_identity != written.data_identity)
        and not (clock is EpochClock.STAMPED and one.is_in_place)
        for one in history.executions
    )


def _data_identity(case: Case, inputs: Mapping[Relation, Input], *, asked: bool) -> str | None:
    """The data identity of the content of the build (rule I1).

    A seed is loaded into the existing table, which keeps the columns of its first load. It has an identity only if there was no
    table, or if the identity is that of the last load. A submission without an epoch proves that there was no table only if an
    empty table has an epoch, and if the target has no record: the client may also have failed to find out the epoch.
    """
    if case.is_snapshot or case.unreported() is not None or case.reads_beside_its_query is not None:
        return None
    if case.is_filtered_by_event_time:
        return None
    if case.volatility is not Volatility.STABLE:
        return None
    identity, latest = _as_of(case.history, identity_of(case.logic, case.submission.node, inputs)), case.history.latest
    if case.submission.execution_type is not ExecutionType.VALUES:
        return identity
    if case.dialect.empty_looks_missing:
        return None
    made_anew = asked and case.submission.own_epoch is None and case.history == History()
    return identity if made_anew or (latest is not None and latest.data_identity == identity) else None


def _as_of(history: History, identity: str | None) -> str | None:
    """The identity of a target's next content.

    After an invalidation, it never equals an earlier one, since it does not include the unreported change (rule I5).
    """
    if identity is None or history.forgotten_at is None:
        return identity
    return digest_of("since", str(history.forgotten_at), identity)
