"""Everything that one decision depends on. The application gathers it, and the rules judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dbt_state_oss.domain.data_identity import columns_identity_at, columns_of, identity_at
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence
from dbt_state_oss.domain.dialects import Dialect, EpochClock
from dbt_state_oss.domain.history import Execution, History, Input, Logic
from dbt_state_oss.domain.hook_free import has_no_hooks
from dbt_state_oss.domain.lineage import latest_lineage, lineage_at
from dbt_state_oss.domain.node_patterns import NO_NODES, NodePatterns
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.reported import has_window, unreported
from dbt_state_oss.domain.sql.columns import ColumnReads, name_digest
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, Volatility
from dbt_state_oss.domain.sql.side_sql import (
    asks_session_beside_its_query,
    reads_beside_its_query,
    volatility_beside_its_query,
)
from dbt_state_oss.domain.sql.volatility import most_volatile
from dbt_state_oss.domain.stamps import input_stamped_from
from dbt_state_oss.domain.submission import Code, ExecutionType, Submission

_MARKS_OF_PART = ("_dbt_limit_subq_", "_dbt_et_filter_subq_", "where false limit 0)")

_READS_WHAT_THE_QUERY_READS = frozenset(
    {
        ExecutionType.FULL,
        ExecutionType.APPEND,
        ExecutionType.MERGE,
        ExecutionType.INSERT_OVERWRITE,
        ExecutionType.DELETE_INSERT,
        ExecutionType.DBT_DATA_TEST,
    }
)
"""A microbatch is filtered by a column that its query may not name; a custom materialization may read anything."""


def as_read(submission: Submission, fingerprint: Fingerprint) -> Submission:
    """The submission without inputs that are names of common table expressions (rule F3).

    An input is left out only if it has no epoch, the query was parsed completely, and the query reads no relation of that name.
    """
    mistaken = {relation for relation in fingerprint.common_tables if submission.inputs.get(relation, 0) is None}
    if not mistaken:
        return submission
    inputs = {relation: epoch for relation, epoch in submission.inputs.items() if relation not in mistaken}
    return replace(submission, inputs=inputs)


@dataclass(frozen=True, slots=True)
class InputsSeen:
    """At `at` (Unix milliseconds), every input of an execution was reported as the execution had recorded it."""

    execution_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Case:
    """A submission with the records of its target and, if they matter, of the tables that it reads."""

    submission: Submission
    history: History
    fingerprint: Fingerprint
    raw_digest: str
    extras: Mapping[str, str]
    """Canonical semantic extras (rule L6)."""
    now: int
    """Unix milliseconds."""
    build_on: BuildOn = BuildOn.CONFIGS
    missing_evidence: MissingEvidence = MissingEvidence.BUILD
    upstream: Mapping[Relation, History] = field(default_factory=dict)
    """Histories of the tables that are read; empty if nothing depends on them (see `rules.upstream_matters`)."""
    inputs_seen: InputsSeen | None = None
    """When the inputs were last seen unchanged; None if nothing depends on it (see `freshness.sighting_matters`)."""
    never_reuse: NodePatterns = NO_NODES
    """Nodes that are always built (rule L15)."""
    trusted_hooks: NodePatterns = NO_NODES
    """Nodes whose hooks do not change a table that already holds their work (rules C4, F1a)."""

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
    def is_never_reused(self) -> bool:
        """Whether the owner has set this node to be always built (rule L15)."""
        return self.never_reuse.match(self.submission.node.unique_id, self.submission.relation)

    @property
    def hooks_are_harmless(self) -> bool:
        """Whether the node provably has no hooks, or its owner trusts them."""
        node = self.submission.node
        return has_no_hooks(self.submission) or self.trusted_hooks.match(node.unique_id, self.submission.relation)

    @property
    def copy_may_have_hooks_work(self) -> bool:
        """Whether the latest execution is a copy whose table was written to since, possibly by a hook (rule C4).

        If an empty table looks missing, a missing table was also written to.
        """
        latest, own = self.history.latest, self.submission.own_epoch
        if latest is None or latest.origin is None:
            return False
        is_unchanged = (
            not self.dialect.empty_looks_missing if own is None else self.clock.is_unchanged(latest.epoch, own)
        )
        return not is_unchanged and not has_no_hooks(self.submission)

    @property
    def reads_beside_its_query(self) -> str | None:
        """The key of an extra whose SQL may read a table (rule L16)."""
        return reads_beside_its_query(self.submission.extras, self.dialect)

    @property
    def volatility(self) -> Volatility:
        """The volatility of the query and of the SQL outside of it (rules L9, L16)."""
        beside = volatility_beside_its_query(self.submission.extras, self.dialect)
        return most_volatile((self.fingerprint.volatility, beside))

    @property
    def asks_session(self) -> bool:
        """Whether the query or the SQL outside of it may depend on the session (rule C1)."""
        return self.fingerprint.asks_session or asks_session_beside_its_query(self.submission.extras, self.dialect)

    @property
    def is_full_refresh(self) -> bool:
        """A FULL request of a microbatch, or of a node that has run incrementally from the same source (rule T8)."""
        if self.submission.execution_type is not ExecutionType.FULL:
            return False
        if self.is_filtered_by_event_time:
            return True
        hashes = self.submission.node.hashes
        if hashes.body is None:
            return False
        return any(
            (execution.logic.execution_type.may_be_incremental or execution.full_refresh)
            and (execution.hashes.body, execution.hashes.configs) == (hashes.body, hashes.configs)
            for execution in self.history.executions
        )

    @property
    def is_filtered_by_event_time(self) -> bool:
        """dbt filters each input by its `event_time`, which is configured at the input.

        No request of the reader includes it.
        """
        return has_window(self.submission)

    @property
    def reads_part_of_inputs(self) -> bool:
        """The SQL is that of `dbt --empty` or `--sample`: it has dbt's alias or, without one, dbt's text (dbt-adapters 1.24)."""
        code = self.submission.code
        return isinstance(code, Code) and not code.too_long_to_scan and any(mark in code.sql for mark in _MARKS_OF_PART)

    @property
    def template(self) -> tuple[str, ...]:
        """What replaces the node's rendered SQL in a comparison, including views and dbt target; empty if templates are not
        compared (rule L7).
        """
        node = self.submission.node
        hashes = node.hashes
        if not self.submission.compare_unrendered_code or hashes.body is None or self.reads_part_of_inputs:
            return ()
        return hashes.body, hashes.configs or "", hashes.macros or "", self.fingerprint.views_digest, node.target_name

    def unreported(self, recorded: Execution | None = None) -> str | None:
        """What the client does not report of the node, now or in `recorded`; None if that is to be ignored (rule L13)."""
        if self.missing_evidence is MissingEvidence.IGNORE:
            return None
        return unreported(self.submission, recorded)

    def leaves_read(self) -> frozenset[Relation]:
        """Every table that the content or the columns of the build depend on; for a view, those under a `*` (rule T5)."""
        if self.is_view:
            return frozenset(self.fingerprint.star_relations)
        in_slots = (leaf for slot in self.fingerprint.slots for leaf in slot.leaves)
        return frozenset(self.submission.inputs).union(in_slots)

    def input_now(self, relation: Relation) -> Input:
        """A table as it is reported now, with its lineage if `upstream` was gathered."""
        epoch = self.submission.inputs.get(relation)
        history = self.upstream.get(relation, History())
        if self.is_view:
            latest = history.latest
            return Input(
                None if latest is None else latest.epoch,
                latest_lineage(history),
                last_build_at=history.last_build_at,
                stamped_from=None if latest is None else latest.stamped_from,
            )
        return Input(
            epoch,
            lineage_at(history, epoch, self.clock),
            identity_at(history, relation, epoch, self.clock),
            columns_identity_at(history, relation, epoch, self.clock, self._reads_of(relation)),
            self._columns_handed_on(history, relation, epoch),
            history.last_build_at,
            input_stamped_from(history, epoch, self.clock),
        )

    @property
    def reads_by_columns(self) -> bool:
        """Whether the build reads only the columns that its query reads (rules F9 and L4a)."""
        if self.is_snapshot or self.reads_part_of_inputs or self.is_filtered_by_event_time:
            return False
        return self.submission.execution_type in _READS_WHAT_THE_QUERY_READS

    def _reads_of(self, relation: Relation) -> ColumnReads | None:
        """Which columns of a table are read, if the query was seen to read it (rule F9)."""
        in_query = any(relation in slot.leaves for slot in self.fingerprint.slots)
        return self.fingerprint.reads if in_query and self.reads_by_columns else None

    def _columns_handed_on(self, history: History, relation: Relation, epoch: Epoch | None) -> Mapping[str, str] | None:
        """The columns of a table that the build selects by a `*`: as its own build or else the client reported them."""
        account = self.fingerprint.account
        if account is None or account.star != relation:
            return None
        written = history.written_at(epoch, self.clock)
        told = None if written is None else columns_of(written)
        return (
            told
            or {name_digest(name): kind for name, kind in self.submission.schemas.get(relation, {}).items()}
            or None
        )
