"""A target's executions, newest first, and how two records of them are merged (decision-rules: Writing).

The application's codec stores them, and the rules judge them. Merging is commutative, associative and idempotent. So confirms
may arrive late, twice, out of order and through several replicas (rule W2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind
from dbt_state_oss.domain.submission import ExecutionType, NodeHashes

UNKNOWN_LINEAGE = "unknown"
"""The lineage of content that no record explains. It equals no lineage, not even itself."""

LONGEST_BUILD_MS = 24 * 60 * 60 * 1000
"""The longest time that a build of unknown start is assumed to have run before its end."""

_UNSEEN_BEGINNING = "it was recorded without a submission, and may have begun before its target was invalidated"
_COPY_FROM_BEFORE = "it is a copy of content that may be older than the invalidation of its target"

_REPLACES = frozenset({ExecutionType.FULL, ExecutionType.VALUES, ExecutionType.VIEW})
_BELIEVED_AHEAD_MS = 10 * 60 * 1000
"""How far an epoch may be ahead of the server's clock when it is confirmed (rule T10)."""

HISTORY_LENGTH = 8
"""Executions that are kept for a target: as many by epoch as by confirmation time, which are mostly the same. Only the latest
can justify a skip. The others show A→B→A, full refreshes, and other writers."""


class Rival(Enum):
    """Why it is uncertain that an execution wrote what its table held at the confirmed epoch."""

    OVERLAPPING = "overlapping"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Logic:
    """What an execution does (rule L1): equal logic on equal inputs makes equal content."""

    dialect: str
    execution_type: ExecutionType
    fingerprint: Fingerprint
    extras: Mapping[str, str]
    """Semantic extras: key to digest of the canonical value (rule L6)."""


@dataclass(frozen=True, slots=True)
class Input:
    """A leaf table as it was when the execution was decided."""

    epoch: Epoch | None
    """The table's epoch. Under a view's `*`: that of its latest execution (rule T5)."""
    lineage: str | None
    """The lineage of the execution that wrote it; None if no record shows it."""
    identity: str | None = None
    """The data identity of its content (rule I3); None if it has none."""
    columns_identity: str | None = None
    """The identity of what the execution reads of it (rule I6); None if it has none."""
    columns: Mapping[str, str] | None = None
    """Its columns by folded name, each with what identifies its type, if the execution selects all of them with a `*`."""
    last_build_at: int | None = None
    """When the newest build of it that was recorded at the decision was confirmed, Unix milliseconds (rule F1a). None if no
    build was recorded, or if the client did not submit the reader before it was built."""
    stamped_from: Epoch | None = None
    """As in `Execution`, if `epoch` is that of the execution that wrote the table."""


@dataclass(frozen=True, slots=True)
class DataTestResults:
    """The result of a data test's count query (rule F8)."""

    failures: int
    should_warn: bool
    should_error: bool


@dataclass(frozen=True, slots=True)
class CloneOrigin:
    """Where the content of a clone was copied from (rule C4)."""

    execution_id: str
    relation: Relation
    chain_depth: int
    content_decided_at: int | None = None
    """When the build that made the content was submitted: its UTC date is the one that a daily function saw (rule L9)."""
    epoch: Epoch | None = None
    """The epoch of the source at which it was to be copied."""
    past: bool = False
    """An earlier state of the source was copied, not the current one (rule C2)."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One confirmed build or clone of a target. Times are Unix milliseconds."""

    id: str
    logic: Logic
    inputs: Mapping[Relation, Input]
    epoch: Epoch | None
    """The target's own epoch as confirmed; None for data tests."""
    built_at: int
    """When the server learned of the build that made the data (rule F5); a clone has that of its source."""
    confirmed_at: int
    """When the server learned of this execution."""
    decided_at: int | None
    """When the client submitted it, before the build. Its UTC date is not later than the one that a daily function saw (rule
    L9). None if the server learned of the build only afterwards."""
    raw_digest: str
    """Digest of the raw code (`raw_digest`). Equal digests need no parsing."""
    lineage: str
    """Digest of the logic and of the lineages of its inputs. It is equal as long as no recorded upstream logic changes."""
    node_id: str
    resource_type: str
    hashes: NodeHashes
    runtime_ms: int = 0
    table_type: str | None = None
    results: DataTestResults | None = None
    full_refresh: bool = False
    """It is a full refresh of an incremental (rule T8)."""
    part_of_inputs: bool = False
    """It read only some rows of its inputs: dbt's `--empty` or `--sample` (rule L7)."""
    unproven: str | None = None
    """Why this record can never justify a skip, although it is the target's latest."""
    data_identity: str | None = None
    """The data identity that follows from logic and inputs (rule I1); None if the content depends on more than these."""
    origin: CloneOrigin | None = None
    found_epoch: Epoch | None = None
    """The target's own epoch before this execution, as the client submitted it. None if there was no table, or its epoch was
    unknown."""
    stamped_from: Epoch | None = None
    """The lower bound of the table's own epoch, if the client stamped `epoch` on an exact clock (rule T4a). None if `epoch` is
    the table's own epoch."""
    target_name: str = ""
    """The dbt target that it was built in. Its hooks may do something else in another one (rule I1)."""
    voids: str | None = None
    """The previous execution, if it turned out that its inputs may have changed while it read them. Then its table does not
    hold what its record says."""
    has_no_hooks: bool = False
    """Its configuration provably has no hooks (rule C4)."""
    hooks_are_harmless: bool = False
    """It provably has no hooks, or its owner trusts them (rule F1a)."""
    not_before: int | None = None
    """The earliest time that it can have begun, if it was not submitted: when the server first heard of its dbt run."""
    hook_wrote: bool = False
    """A hook wrote to this table after it was built or copied, or may have written to the copy that it replaced."""
    silent: bool = False
    """It may have changed its table without changing the table's epoch (rule F1a)."""
    own_lineage: str = ""
    """Its lineage without that of the rows that it found (rule F5); empty if both are equal."""

    @property
    def is_stamped(self) -> bool:
        """Whether its epoch is a client's stamp, which may be later than the table's own epoch (rules T4, T4a)."""
        return self.stamped_from is not None or dialect_named(self.logic.dialect).clock is EpochClock.STAMPED

    def believed(self, epoch: Epoch, *, at: int) -> Epoch:
        """What is recorded of an epoch that is confirmed at the server's time `at`. A stamp is bounded (rule T10)."""
        return believed(epoch, at=at) if self.is_stamped else epoch

    @property
    def is_in_place(self) -> bool:
        """Whether this kind of build adds to the existing table (incremental, snapshot, custom)."""
        return self.logic.execution_type not in _REPLACES or self.resource_type == "snapshot"

    @property
    def replaces(self) -> bool:
        """Whether it replaces the whole table, so that the table's epoch is that of this build or copy."""
        return not self.is_in_place or self.origin is not None

    @property
    def has_explicit_columns(self) -> bool:
        """Whether its logic determines the columns that it wrote: no `*` and no columns of an earlier build."""
        fingerprint = self.logic.fingerprint
        if self.is_in_place:
            return False
        if self.logic.execution_type is ExecutionType.VALUES:
            # A name of its content says that it was loaded into no table, or into one of the same file (rule I1).
            return dialect_named(self.logic.dialect).seeds_replace_tables or self.data_identity is not None
        return fingerprint.kind is FingerprintKind.PARSED and not fingerprint.star_relations

    @property
    def content_decided_at(self) -> int | None:
        """`decided_at` of the build that made the content; a clone has that of its source (rules C4, L9)."""
        return self.decided_at if self.origin is None else self.origin.content_decided_at

    @property
    def began_at(self) -> int:
        """The latest time that it can have begun. Without a submission, it follows from its end and its duration."""
        return self.confirmed_at - self.runtime_ms if self.decided_at is None else self.decided_at

    def overlapped(self, other: Execution) -> bool:
        """Whether both may have run at the same time. A build of unknown start may have begun a day before its end."""
        return self.began_at_the_earliest < other.confirmed_at and other.began_at_the_earliest < self.confirmed_at

    @property
    def began_at_the_earliest(self) -> int:
        """The earliest time that it can have begun. Without a submission, it is known from its dbt run or assumed."""
        if self.decided_at is not None:
            return self.decided_at
        return self.confirmed_at - LONGEST_BUILD_MS if self.not_before is None else self.not_before

    @property
    def longest_duration_ms(self) -> int:
        """The longest possible time from its first write to its confirmation, by either clock."""
        if self.decided_at is not None:
            return max(self.runtime_ms, self.confirmed_at - self.decided_at)
        return self.runtime_ms or LONGEST_BUILD_MS

    def followed(self, other: Execution) -> bool:
        """Whether it began after `other` was confirmed. If its start is unknown, its end counts."""
        began = self.confirmed_at if self.decided_at is None else self.decided_at
        return began >= other.confirmed_at

    def was_over_at(self, epoch: Epoch | None, clock: EpochClock) -> bool:
        """Whether the table cannot have been reported at `epoch` before this execution ended."""
        if self.epoch is None or epoch is None:
            return False
        return self.epoch < epoch or (self.epoch == epoch and (clock is EpochClock.STAMPED or not self.silent))

    def found_it_at(self, epoch: Epoch) -> bool:
        """Whether it found the table that is reported at `epoch`. Then that content is older than its work (rule T4)."""
        return self.found_epoch is not None and epoch <= self.found_epoch

    def left_the_same(self, other: Execution) -> bool:
        """Whether both did the same to the same inputs. Hooks, contracts and macros count like the query."""
        return (
            self.logic == other.logic
            and self.inputs == other.inputs
            and self.unproven == other.unproven
            and self._beside_its_query == other._beside_its_query
        )

    def left_equal_content(self, other: Execution) -> bool:
        """Whether both provably left the same content. A build in place also keeps what it found."""
        is_equal = self.data_identity is not None and self.data_identity == other.data_identity
        return is_equal or self.id == other.id or (not self.is_in_place and self.left_the_same(other))

    @property
    def _beside_its_query(self) -> tuple[str | None, ...]:
        body = self.hashes.body if self.logic.execution_type.hides_code else None
        return self.hashes.configs, self.hashes.contract, self.hashes.macros, body


@dataclass(frozen=True, slots=True)
class History:
    """A target's newest executions, newest first."""

    executions: tuple[Execution, ...] = field(default=())
    forgotten_at: int | None = None
    """When its owner last invalidated it, Unix milliseconds. Content from before is not trusted."""
    silent_builds: Mapping[Relation, int] = field(default_factory=dict)
    """Inputs with silent builds (rule F1a): when the newest of them was confirmed, Unix milliseconds."""

    @property
    def last_build_at(self) -> int | None:
        """When the newest execution was confirmed, Unix milliseconds."""
        return max((execution.confirmed_at for execution in self.executions), default=None)

    def last_build_known_by(self, epoch: Epoch | None, clock: EpochClock) -> int | None:
        """As `last_build_at`, for executions that had ended when the table was reported at `epoch` (rule F1a)."""
        return max((one.confirmed_at for one in self.executions if one.was_over_at(epoch, clock)), default=None)

    @property
    def is_forgotten(self) -> bool:
        """Invalidated, with no execution recorded since."""
        return self.forgotten_at is not None and not self.executions

    @property
    def latest(self) -> Execution | None:
        """The execution with the greatest confirmed epoch, then the one confirmed last: the current content of the table."""
        return self.executions[0] if self.executions else None

    def at(self, epoch: Epoch) -> History:
        """The history as it was when the table had this epoch."""
        return replace(
            self, executions=tuple(one for one in self.executions if one.epoch is not None and one.epoch <= epoch)
        )

    def was_unchanged_while(
        self, reader: Execution, epoch: Epoch | None, clock: EpochClock, stamped_from: Epoch | None = None
    ) -> bool:
        """Whether the table provably was at `epoch` until `reader`, which read it, had ended.

        A later build found the table at that epoch, no silent build had ended since the reader began, and no build with
        another effect ran at the same time as the reader. An epoch may fall back to `epoch`.
        """
        written = self.written_at(epoch, clock)
        if any(one.overlapped(reader) and not (written and one.left_equal_content(written)) for one in self.executions):
            return False
        return any(
            clock.is_unchanged(epoch, one.found_epoch, stamped_from)
            and not any(
                other.silent and reader.began_at_the_earliest < other.confirmed_at <= one.decided_at
                for other in self.executions
            )
            for one in self.executions
            if one.decided_at is not None and one.decided_at >= reader.confirmed_at
        )

    def got_other_logic_after(self, moment: int) -> bool:
        """Whether a build that was confirmed after `moment` (Unix milliseconds) has other logic than the last one before."""
        before = [one for one in self.executions if one.confirmed_at <= moment]
        last = max(before, key=lambda one: one.confirmed_at, default=None)
        later = (one for one in self.executions if one.confirmed_at > moment)
        return any(last is None or one.logic != last.logic for one in later)

    def as_found_at(self, epoch: Epoch | None, clock: EpochClock) -> History:
        """This history, beginning with the execution that wrote the table which is reported at `epoch`, if that is known.

        On an exact clock, a build in place that deletes the newest rows confirms a lower epoch than earlier builds. If it was
        confirmed last, and began after they had ended, it wrote the table.
        """
        if clock is not EpochClock.EXACT or epoch is None or not self.executions:
            return self
        newest = max(self.executions, key=lambda one: (one.confirmed_at, one.id))
        others = tuple(one for one in self.executions if one.id != newest.id)
        above = [one for one in others if one.epoch is not None and one.epoch > epoch]
        fell = newest.epoch == epoch and newest.is_in_place and not newest.replaces and newest.stamped_from is None
        if not fell or not above or not all(newest.followed(one) for one in above):
            return self
        return replace(self, executions=(newest, *others))

    def rival_of(self, execution: Execution, clock: EpochClock) -> Rival | None:
        """Whether another execution, with a different effect, may have written what `execution` confirmed (rule T9).

        A client reads a table's epoch after its build. So it may read the work of another build that ran at the same time. On
        an exact clock, only builds with one epoch can be confused. A stamped epoch may be later than the work of the other
        build. A build that began after this one had ended counts as later, whatever its epoch: stamping clocks may differ, and
        a hook may have raised the epoch of this one.
        """
        for other in self.executions:
            if other.id == execution.id or other.left_the_same(execution):
                continue
            if other.followed(execution) and not execution.followed(other):
                return Rival.LATER
            stamped = (
                clock is EpochClock.STAMPED or execution.stamped_from is not None or other.stamped_from is not None
            )
            mistakable = other.epoch == execution.epoch or stamped
            if mistakable and execution.overlapped(other):
                return Rival.OVERLAPPING
        return None

    def written_at(self, epoch: Epoch | None, clock: EpochClock) -> Execution | None:
        """The execution that wrote the table which is reported at `epoch` (rule I3); None if there is none, or it is ambiguous.

        On an exact clock, it confirmed exactly this epoch. On a stamped clock, it confirmed the lowest epoch that is not below
        it.
        """
        written = self.falls_to(epoch, clock)
        return None if written is None or self.rival_of(written, clock) is not None else written

    def falls_to(self, epoch: Epoch | None, clock: EpochClock) -> Execution | None:
        """The execution whose epoch fits, although another one may have written the table: for explanations, not for decisions.

        A silent build with a stamped epoch may have changed the table since the reported epoch (rule F1a).
        """
        if epoch is None:
            return None
        not_below = [one for one in self.executions if one.epoch is not None and one.epoch >= epoch]
        if clock is EpochClock.EXACT:
            equal = [one for one in not_below if one.epoch == epoch]
            stamped = [one for one in not_below if one.stamped_from is not None]
            fitting = [
                *equal[:1],
                *(one for one in reversed(stamped) if clock.is_unchanged(one.epoch, epoch, one.stamped_from)),
            ]
        else:
            stamped = not_below
            fitting = [one for one in not_below[-1:] if not one.found_it_at(epoch)]
        if not fitting:
            return None
        later = (one for one in stamped if one.silent and one.confirmed_at > fitting[0].confirmed_at)
        return max(later, key=lambda one: one.confirmed_at, default=fitting[0])

    def silent_build_at(self, epoch: Epoch | None) -> str:
        """The id of the newest silent build that confirmed `epoch` (rule F1a); empty if there is none."""
        silent = (one for one in self.executions if one.silent and one.epoch == epoch)
        newest = max(silent, key=lambda one: (one.confirmed_at, one.id), default=None)
        return "" if newest is None else newest.id

    def merged(self, others: Iterable[Execution]) -> History:
        """This history merged with `others`: union by id, newest first, trimmed.

        An execution that began before the target was invalidated is dropped, however late it is confirmed. An execution that
        another one voids stays void.
        """
        by_id = {execution.id: execution for execution in self.executions}
        for other in others:
            if self.forgotten_at is not None and other.began_at <= self.forgotten_at:
                continue
            told = self._less_what_may_be_forgotten(other)
            known = by_id.get(other.id)
            by_id[other.id] = told if known is None else _joined(known, told)
        for execution in list(by_id.values()):
            if execution.voids is not None and execution.voids in by_id:
                voided = by_id[execution.voids]
                by_id[voided.id] = replace(voided, data_identity=None, lineage=UNKNOWN_LINEAGE)
        return replace(self, executions=_trimmed(by_id.values()))

    def is_from_before_it_was_forgotten(self, execution: Execution) -> bool:
        """Whether the content that `execution` wrote, here or elsewhere, may have been made before the target was invalidated."""
        if self.forgotten_at is None:
            return False
        began = execution.content_decided_at
        return (execution.built_at - LONGEST_BUILD_MS if began is None else began) <= self.forgotten_at

    def _less_what_may_be_forgotten(self, execution: Execution) -> Execution:
        """The execution, as unproven if it may have begun before the target was invalidated.

        In write-only mode, the client reports neither the start of a build nor its duration. A copy of older content proves
        nothing either.
        """
        if execution.origin is not None and self.is_from_before_it_was_forgotten(execution):
            return replace(execution, unproven=_COPY_FROM_BEFORE, data_identity=None, lineage=UNKNOWN_LINEAGE)
        known = execution.decided_at is not None or execution.runtime_ms > 0
        if known or self.forgotten_at is None or execution.began_at_the_earliest > self.forgotten_at:
            return execution
        return replace(execution, unproven=_UNSEEN_BEGINNING, data_identity=None, lineage=UNKNOWN_LINEAGE)


def _trimmed(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    """Newest first.

    Kept are: the newest by epoch, the newest by confirmation, the last one with a hook's work, the newest silent build, and
    that of each of the newest epochs, which identifies the content there (rules F1a, I3).
    """
    newest = sorted(executions, key=_age_order, reverse=True)
    heard_last = sorted(newest, key=lambda one: (one.confirmed_at, one.id), reverse=True)
    hooked = [one for one in heard_last if one.hook_wrote]
    silent = [one for one in heard_last if one.silent]
    naming = {one.epoch: one for one in reversed(silent)}
    named = (naming[one.epoch] for one in newest[:HISTORY_LENGTH] if one.epoch in naming)
    kept = {
        one.id for one in (*newest[:HISTORY_LENGTH], *heard_last[:HISTORY_LENGTH], *hooked[:1], *silent[:1], *named)
    }
    return tuple(one for one in newest if one.id in kept)


def _age_order(execution: Execution) -> tuple[int, int, str]:
    """Order by epoch. An epoch far ahead of the server's clock counts as its confirmation time (rule T10)."""
    epoch, confirmed_at = execution.epoch, execution.confirmed_at
    if epoch is None:
        return -1, confirmed_at, execution.id
    return believed(epoch, at=confirmed_at), confirmed_at, execution.id


def believed(epoch: Epoch, *, at: int) -> Epoch:
    """The epoch, or the server's time `at` if the epoch is further ahead of it than clocks differ (rule T10)."""
    return epoch if epoch <= at + _BELIEVED_AHEAD_MS else Epoch(at)


def _joined(one: Execution, other: Execution) -> Execution:
    """Two records of one execution, merged: the higher epoch (rule W5) and the earlier times, since a confirm may be repeated.

    What one of them cannot prove, the merged record cannot prove.
    """
    epochs = [epoch for epoch in (one.epoch, other.epoch) if epoch is not None]
    first, second = sorted((one, other), key=lambda execution: (execution.confirmed_at, repr(execution)))
    return replace(
        first,
        inputs={
            name: known if _is_told_alike(known, second.inputs.get(name)) else replace(known, epoch=None)
            for name, known in first.inputs.items()
        },
        epoch=max(epochs, default=None),
        built_at=min(one.built_at, other.built_at),
        confirmed_at=min(one.confirmed_at, other.confirmed_at),
        data_identity=one.data_identity if one.data_identity == other.data_identity else None,
        unproven=max((cause for cause in (one.unproven, other.unproven) if cause is not None), default=None),
        lineage=one.lineage if one.lineage == other.lineage else UNKNOWN_LINEAGE,
        hook_wrote=one.hook_wrote or other.hook_wrote,
        silent=one.silent or other.silent,
    )


def _is_told_alike(known: Input, other: Input | None) -> bool:
    return other is not None and known.epoch == other.epoch
