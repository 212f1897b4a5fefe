"""What a state holds that nobody has built or asked about for long: found, and told to the owner before anything goes."""

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
"""Is called with the number of documents that were looked at."""


@dataclass(frozen=True, slots=True)
class StaleTarget:
    """A target to go."""

    key: str
    version: Version
    target: TargetKey
    newest: int
    """When its newest record was confirmed, Unix milliseconds."""
    emptied: bytes | None
    """What stays of its document, where its owner once had it forgotten (rule I5); None where nothing does."""


@dataclass(slots=True)
class PrunePlan:
    """What is to go."""

    cut_off: int
    """Unix milliseconds: what was last built or asked about before is stale."""
    targets: list[StaleTarget] = field(default_factory=list)
    journal: dict[str, Version] = field(default_factory=dict)
    """The journal's parts that tell of nothing since the cut-off, by key."""
    hints: dict[str, set[str]] = field(default_factory=dict)
    """Names to take off the lists of what was built with one logic, by the list's key: targets to go, and those of which no
    execution with that logic is on record any more."""
    unreadable: int = 0
    """Documents that cannot be read, and stay."""


async def plan_of(store: ObjectStore, organization: str, cut_off: int, told: OnProgress) -> PrunePlan:
    """What nobody has built since `cut_off`, nor asked about as far as the journal tells. Raises `StoreError`.

    A table that is skipped at every run is never recorded anew; that it was asked about spares it. So does that something
    which stays was built from it: without its record it would be taken for a source, whose changes may wait (rule F5).
    """
    planning = _Planning(organization, PrunePlan(cut_off))
    looked_at = 0

    async def look(prefix: str, judge: Callable[[str, Document], None]) -> None:
        nonlocal looked_at
        async with aclosing(documents_under(store, prefix)) as documents:
            async for key, document in documents:
                looked_at += 1
                told(looked_at)
                judge(key, document)

    await look(journal_prefix(organization), planning.judge_part)
    await look(target_prefix(organization), planning.judge_target)
    planning.settle_targets()
    await look(candidates_prefix(organization), planning.judge_list)
    return planning.plan


@dataclass(slots=True)
class _Planning:
    organization: str
    plan: PrunePlan
    asked_about: set[str] = field(default_factory=set)
    unused: dict[str, tuple[StaleTarget, list[str]]] = field(default_factory=dict)
    """By key, with the keys of what each was last built from."""
    needed: list[str] = field(default_factory=list)
    """Keys of what the targets that stay were last built from."""
    lists: dict[str, set[str]] = field(default_factory=dict)
    """By key of a target: the lists that it is on by right."""

    def judge_part(self, key: str, document: Document) -> None:
        """A part of the journal: it goes, or it tells what was asked about."""
        part, plan = decoded(decode_journal_part, key, document), self.plan
        entries = {} if part is None else entries_of(part.entries)
        recent = [entry.target for entry in entries.values() if entry.at >= plan.cut_off]
        self.asked_about.update(target_key(self.organization, target) for target in recent)
        if part is None or len(entries) < len(part.entries):
            plan.unreadable += 1
        elif not recent:
            plan.journal[key] = document.version

    def judge_target(self, key: str, document: Document) -> None:
        """A target, once all of the journal is judged."""
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
        reads = [target_key(self.organization, TargetKey(namespace, relation)) for relation in inputs]
        if newest >= self.plan.cut_off or key in self.asked_about:
            self.needed += reads
        else:
            self.unused[key] = StaleTarget(key, document.version, target.target, newest, _emptied(target)), reads

    def _judge_notes(self, key: str, version: Version, target: TargetDocument) -> None:
        """A document that holds only notes of silent builds (rule F1a): of a build that was never confirmed, or of a target
        that is gone."""
        newest = max(target.silent_builds.values(), default=self.plan.cut_off)
        if target.forgotten_at is None and newest < self.plan.cut_off and key not in self.asked_about:
            self.lists[key] = set()
            self.unused[key] = StaleTarget(key, version, target.target, newest, None), []

    def settle_targets(self) -> None:
        """Those go that are unused and that nothing which stays was built from, directly or through others."""
        while self.needed:
            _, reads = self.unused.pop(self.needed.pop(), (None, []))
            self.needed += reads
        self.plan.targets = [stale for stale, _ in self.unused.values()]
        for key in self.unused:
            del self.lists[key]

    def judge_list(self, key: str, document: Document) -> None:
        """A list of what was built with one logic, once all targets are judged."""
        listed = decoded(decode_candidates, key, document)
        if listed is None:
            self.plan.unreadable += 1
            return
        stale = {name for name in listed.targets if key not in self.lists.get(target_key_beside(key, name), ())}
        if stale:
            self.plan.hints[key] = stale


def lists_of(organization: str, target: TargetDocument) -> set[str]:
    """Keys of the lists that a target is on by what is on its record."""
    return {list_key(organization, target.target.namespace, execution.logic) for execution in target.executions}


def decoded(decode: Callable[[bytes], T], key: str, document: Document) -> T | None:
    """What a document holds; None where it cannot be read, or was set aside for that (rule X3)."""
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
