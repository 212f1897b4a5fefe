"""Everything that one decision is made from: gathered by the application, judged by the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbt_state_oss.domain.data_identity import identity_at, identity_of
from dbt_state_oss.domain.decision import BuildOn
from dbt_state_oss.domain.dialects import Dialect, EpochClock
from dbt_state_oss.domain.fingerprint import Fingerprint, digest_of
from dbt_state_oss.domain.history import Execution, History, Input, Logic
from dbt_state_oss.domain.lineage import latest_lineage, lineage_at, lineage_of
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, ExecutionType, Submission

_MARKS_OF_PART = ("_dbt_limit_subq_", "_dbt_et_filter_subq_", "where false limit 0)")


@dataclass(frozen=True, slots=True)
class Case:
    """A submission with what the ledger knows of its target and, where it is needed, of the tables that it reads."""

    submission: Submission
    history: History
    fingerprint: Fingerprint
    raw_digest: str
    extras: Mapping[str, str]
    """Canonical semantic extras (rule L6)."""
    now: int
    """Unix milliseconds."""
    build_on: BuildOn = BuildOn.CONFIGS
    upstream: Mapping[Relation, History] = field(default_factory=dict)
    """Histories of the tables read; empty while nothing depends on them (see `rules.upstream_matters`)."""

    @property
    def dialect(self) -> Dialect:
        return self.submission.code.dialect

    @property
    def clock(self) -> EpochClock:
        return self.dialect.clock

    @property
    def logic(self) -> Logic:
        return Logic(self.dialect.name, self.submission.execution_type, self.fingerprint, self.extras)

    @property
    def is_view(self) -> bool:
        return self.submission.execution_type is ExecutionType.VIEW

    @property
    def is_snapshot(self) -> bool:
        submission = self.submission
        return submission.execution_type is ExecutionType.SNAPSHOT or submission.node.resource_type == "snapshot"

    @property
    def is_full_refresh(self) -> bool:
        """A FULL request of a node that has run incrementally from the same source (rule T8)."""
        if self.submission.execution_type is not ExecutionType.FULL:
            return False
        hashes = self.submission.node.hashes
        if hashes.body is None:
            return False
        return any(
            (execution.logic.execution_type.incremental or execution.full_refresh)
            and (execution.hashes.body, execution.hashes.configs) == (hashes.body, hashes.configs)
            for execution in self.history.executions
        )

    @property
    def reads_part_of_inputs(self) -> bool:
        """The SQL is that of `dbt --empty` or `--sample`: by dbt's alias or, without one, by its text (dbt-adapters 1.24)."""
        code = self.submission.code
        return isinstance(code, Code) and any(mark in code.sql for mark in _MARKS_OF_PART)

    @property
    def template(self) -> tuple[str, ...]:
        """What stands for the node's SQL before rendering, views included; empty where it is not asked about (rule L7)."""
        hashes = self.submission.node.hashes
        if not self.submission.compare_unrendered_code or hashes.body is None or self.reads_part_of_inputs:
            return ()
        return hashes.body, hashes.configs or "", hashes.macros or "", self.fingerprint.views_digest

    def leaves_read(self) -> frozenset[Relation]:
        """Every table that the build's content or shape depends on; for a view those under a `*` (rule T5)."""
        if self.is_view:
            return frozenset(self.fingerprint.star_relations)
        in_slots = (leaf for slot in self.fingerprint.slots for leaf in slot.leaves)
        return frozenset(self.submission.inputs).union(in_slots)

    def input_now(self, relation: Relation) -> Input:
        """A table as it is reported now; its lineage as far as `upstream` was gathered."""
        epoch = self.submission.inputs.get(relation)
        history = self.upstream.get(relation, History())
        if self.is_view:
            return Input(None if history.latest is None else history.latest.epoch, latest_lineage(history))
        return Input(epoch, lineage_at(history, epoch, self.clock), identity_at(history, relation, epoch, self.clock))


def draft_execution(case: Case, *, execution_id: str, decided_at: int | None) -> Execution:
    """The execution that a build of this case would leave, to be completed when it is confirmed (rule W3).

    Its `upstream` must have been gathered. Epoch, times and outcome are still empty.
    """
    logic = case.logic
    inputs = {relation: case.input_now(relation) for relation in case.leaves_read()}
    node = case.submission.node
    return Execution(
        id=execution_id,
        logic=logic,
        inputs=inputs,
        epoch=None,
        built_at=0,
        confirmed_at=0,
        decided_at=decided_at,
        raw_digest=case.raw_digest,
        lineage=lineage_of(logic, node.hashes, inputs, template=case.template),
        node_id=node.unique_id,
        resource_type=node.resource_type,
        hashes=node.hashes,
        full_refresh=case.is_full_refresh,
        part_of_inputs=case.reads_part_of_inputs,
        data_identity=_data_identity(case, inputs),
        found_epoch=None if decided_at is None else case.submission.own_epoch,
    )


def _data_identity(case: Case, inputs: Mapping[Relation, Input]) -> str | None:
    """The name of what the build leaves (rule I1).

    A seed is loaded into the table that is there, whose columns are those of its first load: it has a name only where there was
    no table, or where it is that of the last load.
    """
    if case.is_snapshot:
        return None
    identity, latest = _as_of(case.history, identity_of(case.logic, case.submission.node, inputs)), case.history.latest
    if case.submission.execution_type is not ExecutionType.VALUES:
        return identity
    surely_missing = case.history == History() or not case.dialect.empty_looks_missing
    made_anew = case.submission.own_epoch is None and surely_missing
    return identity if made_anew or (latest is not None and latest.data_identity == identity) else None


def _as_of(history: History, identity: str | None) -> str | None:
    """The identity of a target's next content. One that was forgotten uses other names than before ever after: of what had
    changed and was not reported, the names know nothing (rule I5)."""
    if identity is None or history.forgotten_at is None:
        return identity
    return digest_of("since", str(history.forgotten_at), identity)
