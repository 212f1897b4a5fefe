"""How a target's document changes when a build is recorded, and which readers get a note before (rule F1a). Pure.

The ledger uses it, and reads and writes the documents.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dbt_state_oss.application.codec import TargetDocument
from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, History, Input
from dbt_state_oss.domain.lineage import with_lineage_of_found_rows
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.silent import is_silent, may_be_under_way, with_silent_build

MOST_READERS = 4_096
"""Readers that a document lists. If there are more, it lists none, and they are searched for. An early reader beyond this
number is not listed, and its record proves nothing of this input."""


def history_of(document: TargetDocument) -> History:
    """The history that a document holds."""
    return History(document.executions, document.forgotten_at, document.silent_builds)


def with_reader(document: TargetDocument, name: str, known: Input, clock: EpochClock) -> TargetDocument | None:
    """The document with one more reader, which recorded it as `known`; None if that changes nothing.

    It changes nothing if the reader is listed already or readers are not listed there, and no running build may have written
    what the reader read.
    """
    readers, early = document.readers, document.early_readers
    if readers is not None and name not in readers:
        readers = (*readers, name) if len(readers) < MOST_READERS else None
    if name not in early and len(early) < MOST_READERS and may_be_under_way(history_of(document), known, clock):
        early = (*early, name)
    listed = replace(document, readers=readers, early_readers=early)
    return None if listed == document else listed


def may_be_told_nothing(document: TargetDocument | None, name: str, known: Input, clock: EpochClock) -> bool:
    """Whether a running build may have written what a reader recorded as `known`, and the document does not list that reader.

    The document is the one that `with_reader` was called with.
    """
    history = History() if document is None else history_of(document)
    listed = document is not None and name in document.early_readers
    return not listed and may_be_under_way(history, known, clock)


def noted(reader: TargetDocument, relation: Relation, at: int) -> TargetDocument | None:
    """A reader's document with the note that `relation` may have changed at that time; None if it has the note already."""
    told = replace(reader, silent_builds=with_silent_build(reader.silent_builds, relation, at))
    return None if told == reader else told


class Recording:
    """One execution that is being added to its target's document."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._found: set[str] | None = None
        self.built_at = execution.confirmed_at
        """The time of the build in the notes of the readers, Unix milliseconds."""
        self.told: set[str] = set()
        """Names of the readers that have the note."""
        self.to_be_told: set[str] = set()
        """Names of the readers that must have the note before the build is recorded."""
        self.needs_search = False
        """The document lists no readers, so all targets of the namespace must be searched for them."""

    @property
    def is_done(self) -> bool:
        """Whether the last version of the document is written, or needed no change."""
        return not self.needs_search and not self.to_be_told

    def searched(self, names: Collection[str]) -> None:
        """Set the readers that a search has found."""
        self.needs_search = False
        self._found = set(names)
        self.to_be_told = self._found - self.told

    def made_of(self, document: TargetDocument) -> TargetDocument | None:
        """The document with the execution; None if that changes nothing, or if readers must get a note before."""
        history, execution = history_of(document), self._execution
        self.needs_search, self.to_be_told = False, set()
        recorded = next((one for one in history.executions if one.id == execution.id), None)
        silent = is_silent(history, execution) if recorded is None else recorded.silent
        early = document.early_readers if recorded is None else ()
        if recorded is None and (silent or early):
            self._built_at_least(1 + (history.last_build_at or 0))
            self.to_be_told = {*early, *self._all_readers(document, silent=silent)} - self.told
            self.needs_search = silent and (
                document.readers is None or (document.has_unlisted_readers and self._found is None)
            )
            if self.needs_search and document.readers is None:
                # Readers that are confirmed during the search enter themselves.
                return replace(document, readers=(), has_unlisted_readers=True)
            if not self.is_done:
                return None
            execution = replace(execution, confirmed_at=self.built_at)
        if recorded is not None and silent:
            execution = replace(execution, confirmed_at=max(recorded.confirmed_at, execution.confirmed_at))
        if recorded is None:
            execution = with_lineage_of_found_rows(execution, history)
        elif UNKNOWN_LINEAGE not in (recorded.lineage, execution.lineage):
            execution = replace(execution, lineage=recorded.lineage, own_lineage=recorded.own_lineage)
        joined = history.merged([replace(execution, silent=silent)])
        rest = tuple(name for name in document.early_readers if name not in early)
        changed = self._with_list(replace(document, executions=joined.executions, early_readers=rest), history)
        return None if changed == document else changed

    def _all_readers(self, document: TargetDocument, *, silent: bool) -> set[str]:
        return {*(document.readers or ()), *(self._found or ())} if silent else set()

    def _built_at_least(self, moment: int) -> None:
        """Record the build as later than every recorded one, so that no reader confuses it with an older one."""
        if moment > self.built_at:
            self.built_at = moment
            self.told.clear()

    def _with_list(self, document: TargetDocument, history: History) -> TargetDocument:
        """The document with its list of readers, which begins with the first build in place.

        Earlier readers may be up to date, or become so again, since an epoch may fall back. They are searched for at the first
        silent build, unless the first recorded build found no table.
        """
        execution = self._execution
        if not execution.is_in_place:
            return document
        if self._found is not None:
            return replace(document, readers=document.readers or (), has_unlisted_readers=False)
        if document.readers is not None:
            return document
        no_table_before = execution.decided_at is not None and execution.found_epoch is None and history == History()
        return replace(document, readers=(), has_unlisted_readers=not no_table_before)
