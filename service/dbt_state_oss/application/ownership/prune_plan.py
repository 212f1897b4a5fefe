"""What a state holds that nobody has built or asked about for long: found, and told to the owner before anything goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dbt_state_oss.application.codec import (
    BrokenDocument,
    TargetDocument,
    decode_journal_part,
    decode_target,
    encode,
)
from dbt_state_oss.application.journal_part import entries_of
from dbt_state_oss.application.keys import is_aside, journal_prefix, target_key, target_prefix
from dbt_state_oss.application.ports import Document, ObjectStore, Version
from dbt_state_oss.application.side_by_side import documents_under
from dbt_state_oss.domain.submission import TargetKey

T = TypeVar("T")

Told = Callable[[int], None]
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
    unreadable: int = 0
    """Documents that cannot be read, and stay."""


async def plan_of(store: ObjectStore, organization: str, cut_off: int, told: Told) -> PrunePlan:
    """What nobody has built since `cut_off`, nor asked about as far as the journal tells. Raises `StoreError`.

    A table that is skipped at every run is never recorded anew; that it was asked about spares it. So does that something
    which stays was built from it: without its record it would be taken for a source, whose changes may wait (rule F5).
    """
    planning = _Planning(organization, PrunePlan(cut_off))
    looked_at = 0
    for prefix, judge in ((journal_prefix, planning.judge_part), (target_prefix, planning.judge_target)):
        async with aclosing(documents_under(store, prefix(organization))) as documents:
            async for key, document in documents:
                looked_at += 1
                told(looked_at)
                judge(key, document)
    return planning.finished()


@dataclass(slots=True)
class _Planning:
    organization: str
    plan: PrunePlan
    asked_about: set[str] = field(default_factory=set)
    unused: dict[str, tuple[StaleTarget, list[str]]] = field(default_factory=dict)
    """By key, with the keys of what each was last built from."""
    needed: list[str] = field(default_factory=list)
    """Keys of what the targets that stay were last built from."""

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
            return
        newest = max(execution.confirmed_at for execution in target.executions)
        namespace, inputs = target.target.namespace, target.executions[0].inputs
        reads = [target_key(self.organization, TargetKey(namespace, relation)) for relation in inputs]
        if newest >= self.plan.cut_off or key in self.asked_about:
            self.needed += reads
        else:
            self.unused[key] = StaleTarget(key, document.version, target.target, newest, _emptied(target)), reads

    def finished(self) -> PrunePlan:
        """The plan: what is unused and nothing that stays was built from, directly or through others."""
        while self.needed:
            _, reads = self.unused.pop(self.needed.pop(), (None, []))
            self.needed += reads
        self.plan.targets = [stale for stale, _ in self.unused.values()]
        return self.plan


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
