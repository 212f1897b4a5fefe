"""What becomes of a target's document when a build is recorded, and who has to be told before (rule F1a). Pure.

Used by the ledger, which reads and writes the documents.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dbt_state_oss.application.codec import TargetDocument
from dbt_state_oss.domain.history import Execution, History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.silent import is_silent, with_silent_build
from dbt_state_oss.domain.submission import TargetKey

MOST_READERS = 4_096
"""Readers that a document lists; with one more it lists none, and they are searched for."""


def history_of(document: TargetDocument) -> History:
    """The history that a document holds."""
    return History(document.executions, document.forgotten_at, document.silent_builds)


def with_reader(document: TargetDocument, name: str) -> TargetDocument | None:
    """The document with one more reader; None where that changes nothing: it is listed, or readers are not kept there."""
    if document.readers is None or name in document.readers:
        return None
    readers = (*document.readers, name) if len(document.readers) < MOST_READERS else None
    return replace(document, readers=readers)


class Recording:
    """One execution on its way into its target's document."""

    def __init__(self, target: TargetKey, execution: Execution) -> None:
        self._relation = Relation(target.name)
        self._execution = execution
        self._found: set[str] | None = None
        self._built_at = execution.confirmed_at
        self.told: set[str] = set()
        """Names of the readers that know of the build."""
        self.to_be_told: set[str] = set()
        """Names of the readers that must know of it before it is recorded."""
        self.needs_search = False
        """The document lists no readers, so all targets of the namespace must be searched for them."""

    @property
    def is_done(self) -> bool:
        """Whether the document as it was seen last is written, or needed no writing."""
        return not self.needs_search and not self.to_be_told

    def searched(self, names: Collection[str]) -> None:
        """Take the readers that a search has found."""
        self.needs_search = False
        self._found = set(names)
        self.to_be_told = self._found - self.told

    def made_of(self, document: TargetDocument) -> TargetDocument | None:
        """The document with the execution; None where that changes nothing, or where somebody has to be told before."""
        history, execution = history_of(document), self._execution
        self.needs_search, self.to_be_told = False, set()
        recorded = next((one for one in history.executions if one.id == execution.id), None)
        silent = is_silent(history, execution) if recorded is None else recorded.silent
        if silent and recorded is None:
            self._built_at_least(1 + (history.last_build_at or 0))
            self.needs_search = document.readers is None or (document.has_unlisted_readers and self._found is None)
            self.to_be_told = {*(document.readers or ()), *(self._found or ())} - self.told
            if document.readers is None:
                # Readers that are confirmed during the search enter themselves.
                return replace(document, readers=(), has_unlisted_readers=True)
            if not self.is_done:
                return None
        if silent:
            confirmed_at = self._built_at if recorded is None else max(recorded.confirmed_at, execution.confirmed_at)
            execution = replace(execution, confirmed_at=confirmed_at)
        joined = history.merged([replace(execution, silent=silent)])
        changed = self._with_list(replace(document, executions=joined.executions), history)
        return None if changed == document else changed

    def noted_by(self, reader: TargetDocument) -> TargetDocument | None:
        """A reader's document with the note that this build may have changed what it was built from; None where it has it."""
        noted = replace(reader, silent_builds=with_silent_build(reader.silent_builds, self._relation, self._built_at))
        return None if noted == reader else noted

    def _built_at_least(self, moment: int) -> None:
        """Record the build as later than all that is on record, so that no reader takes an older one for it."""
        if moment > self._built_at:
            self._built_at = moment
            self.told.clear()

    def _with_list(self, document: TargetDocument, history: History) -> TargetDocument:
        """The document with its list of readers, which begins with the first build in place.

        Readers from before stay up to date, or become so again: an epoch may fall to an older value. They are searched for at the
        first silent build, unless this first build on record found no table.
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
