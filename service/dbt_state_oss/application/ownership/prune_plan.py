"""Finds what was neither built nor submitted for a long time, so that the owner sees it before it is deleted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dbt_state_oss.application.candidates import list_key
from dbt_state_oss.application.codec import (
    BrokenDocument,
    TargetDocument,
    decode_candidates,
    decode_journal_part,
    decode_target,
    encode,
)
from dbt_state_oss.application.journal_part import entries_of
from dbt_state_oss.application.keys import (
    candidates_prefix,
    is_aside,
    journal_prefix,
    target_key,
    target_key_beside,
    target_prefix,
)
from dbt_state_oss.application.ports import Document, ObjectStore, Version
from dbt_state_oss.application.side_by_side import documents_under
from dbt_state_oss.domain.submission import TargetKey

T = TypeVar("T")

OnProgress = Callable[[int], None]
"""A function that is called with the number of documents that were handled so far."""


@dataclass(frozen=True, slots=True)
class StaleTarget:
    """A target to delete."""

    key: str
    version: Version
    target: TargetKey
    newest: int
    """When its newest record was confirmed, in Unix milliseconds."""
    emptied: bytes | None
    """The document that remains if the target was once invalidated (rule I5). None: the document is deleted."""


@dataclass(slots=True)
class PrunePlan:
    """What will be deleted."""

    cut_off: int
    """Unix milliseconds. Targets that were last built and last submitted before this time are stale."""
    targets: list[StaleTarget] = field(default_factory=list)
    journal: dict[str, Version] = field(default_factory=dict)
    """The parts of the journal without decisions since the cut-off, by key."""
    candidates: dict[str, set[str]] = field(default_factory=dict)
    """Names to remove from candidate lists, by the list's key: targets to delete, and targets that no longer have a recorded
    execution with that logic."""
    unreadable: int = 0
    """The number of documents that cannot be read. They are kept."""


async def plan_of(store: ObjectStore, organization: str, cut_off: int, on_progress: OnProgress) -> PrunePlan:
    """Return what was not built since `cut_off` and, according to the journal, not submitted since then. Raises `StoreError`.

    A table that is skipped in every run gets no new record, but its submissions keep it. A target is also kept if a kept
    target was built from it: without its record it would count as a source, whose changes may wait (rule F5).
    """
    planning = _Planning(organization, PrunePlan(cut_off))
    scanned = 0

    async def scan(prefix: str, judge: Callable[[str, Document], None]) -> None:
        nonlocal scanned
        async with aclosing(documents_under(store, prefix)) as documents:
            async for key, document in documents:
                scanned += 1
                on_progress(scanned)
                judge(key, document)

    await scan(journal_prefix(organization), planning.judge_part)
    await scan(target_prefix(organization), planning.judge_target)
    planning.settle_targets()
    await scan(candidates_prefix(organization), planning.judge_list)
    return planning.plan


@dataclass(slots=True)
class _Planning:
    organization: str
    plan: PrunePlan
    submitted: set[str] = field(default_factory=set)
    unused: dict[str, tuple[StaleTarget, list[str]]] = field(default_factory=dict)
    """By key: targets that were neither built nor submitted since the cut-off, each with the keys of its latest inputs."""
    needed: list[str] = field(default_factory=list)
    """Keys of the latest inputs of targets that are kept."""
    lists: dict[str, set[str]] = field(default_factory=dict)
    """By key of a target: the candidate lists that its recorded executions belong to."""

    def judge_part(self, key: str, document: Document) -> None:
        """Judge a part of the journal: plan to delete it, or note which targets were submitted."""
        part, plan = decoded(decode_journal_part, key, document), self.plan
        entries = {} if part is None else entries_of(part.entries)
        recent = [entry.target for entry in entries.values() if entry.at >= plan.cut_off]
        self.submitted.update(target_key(self.organization, target) for target in recent)
        if part is None or len(entries) < len(part.entries):
            plan.unreadable += 1
        elif not recent:
            plan.journal[key] = document.version

    def judge_target(self, key: str, document: Document) -> None:
        """Judge a target. All of the journal must have been judged before."""
        target = decoded(decode_target, key, document)
        if target is None:
            self.plan.unreadable += 1
            return
        if not target.executions:
            self._judge_notes(key, document.version, target)
            return
        self.lists[key] = lists_of(self.organization, target)
        newest = max(execution.confirmed_at for execution in target.executions)
        namespace, inputs = target.target.namespace, target.executions[0].inputs
        input_keys = [target_key(self.organization, TargetKey(namespace, relation)) for relation in inputs]
        if newest >= self.plan.cut_off or key in self.submitted:
            self.needed += input_keys
        else:
            self.unused[key] = StaleTarget(key, document.version, target.target, newest, _emptied(target)), input_keys

    def _judge_notes(self, key: str, version: Version, target: TargetDocument) -> None:
        """Judge a document that holds only notes of silent builds (rule F1a).

        Such a document belongs to a build that was never confirmed, or to a deleted target.
        """
        newest = max(target.silent_builds.values(), default=self.plan.cut_off)
        if target.forgotten_at is None and newest < self.plan.cut_off and key not in self.submitted:
            self.lists[key] = set()
            self.unused[key] = StaleTarget(key, version, target.target, newest, None), []

    def settle_targets(self) -> None:
        """Plan to delete the unused targets, except those that a kept target was built from, directly or through others."""
        while self.needed:
            _, input_keys = self.unused.pop(self.needed.pop(), (None, []))
            self.needed += input_keys
        self.plan.targets = [stale for stale, _ in self.unused.values()]
        for key in self.unused:
            del self.lists[key]

    def judge_list(self, key: str, document: Document) -> None:
        """Judge a candidate list. All targets must have been judged and settled before."""
        listed = decoded(decode_candidates, key, document)
        if listed is None:
            self.plan.unreadable += 1
            return
        stale = {name for name in listed.targets if key not in self.lists.get(target_key_beside(key, name), ())}
        if stale:
            self.plan.candidates[key] = stale


def lists_of(organization: str, target: TargetDocument) -> set[str]:
    """Return the keys of the candidate lists that a target's recorded executions belong to."""
    return {list_key(organization, target.target.namespace, execution.logic) for execution in target.executions}


def decoded(decode: Callable[[bytes], T], key: str, document: Document) -> T | None:
    """Return the decoded document. None if it cannot be read, or was set aside because it could not be read (rule X3)."""
    if is_aside(key):
        return None
    try:
        return decode(document.data)
    except BrokenDocument:
        return None


def _emptied(document: TargetDocument) -> bytes | None:
    if document.forgotten_at is None:
        return None
    return encode(replace(document, executions=()))
