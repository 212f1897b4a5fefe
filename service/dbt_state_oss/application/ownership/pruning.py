"""Pruning: targets that nobody has built or asked about for long go, with all that is kept for them.

What changed since it was planned stays. Deleting costs at most a build: a target without a record is built. What cannot be
read is never deleted. How the nodes looked (node shards) is left alone: selection and deferral go by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from dbt_state_oss.application.codec import CandidatesDocument, decode_candidates, decode_target, encode
from dbt_state_oss.application.keys import target_key_beside, texts_keys_beside
from dbt_state_oss.application.ownership.prune_plan import OnProgress, PrunePlan, decoded, lists_of
from dbt_state_oss.application.ports import Document, ObjectStore, Version
from dbt_state_oss.errors import Conflict


@dataclass(slots=True)
class Pruned:
    """What is gone."""

    targets: int = 0
    texts: int = 0
    candidates: int = 0
    """Entries in lists of what was built with one logic."""
    journal: int = 0
    changed: int = 0
    """Documents that were written meanwhile, and stay."""


class Pruning:
    """Prunes one organization's state. Raises `StoreError`; what was deleted before stays so."""

    def __init__(self, store: ObjectStore, organization: str) -> None:
        self._store = store
        self._organization = organization

    async def __call__(self, plan: PrunePlan, told: OnProgress) -> Pruned:
        """Delete what was planned, less what was written since."""
        pruned, number = Pruned(), count(1)
        for stale in plan.targets:
            told(next(number))
            found = await self._found(stale.key)
            if found is None or found.version != stale.version:
                pruned.changed += 1
                continue
            for texts in texts_keys_beside(stale.key):  # first: nothing else leads to them
                pruned.texts += await self._deleted(texts, pruned)
            if await self._replaced(stale.key, stale.emptied, stale.version, pruned):
                pruned.targets += 1
        for key, names in plan.hints.items():
            told(next(number))
            pruned.candidates += await self._struck(key, names, pruned)
        for key, version in plan.journal.items():
            told(next(number))
            pruned.journal += await self._replaced(key, None, version, pruned)
        return pruned

    async def _struck(self, key: str, names: set[str], pruned: Pruned) -> int:
        """Take names off a list of what was built with one logic, but those that have been built with it since; a list that is
        empty goes."""
        found = await self._found(key)
        listed = None if found is None else decoded(decode_candidates, key, found)
        if found is None or listed is None:
            return 0
        struck = [name for name in listed.targets if name in names and not await self._is_on_by_right(key, name)]
        left = {name: one for name, one in listed.targets.items() if name not in struck}
        shorter = encode(CandidatesDocument(left)) if left else None
        return len(struck) if struck and await self._replaced(key, shorter, found.version, pruned) else 0

    async def _is_on_by_right(self, key: str, name: str) -> bool:
        """Whether a build with the list's logic is on record, or what is on record cannot be read."""
        target = target_key_beside(key, name)
        found = await self._found(target)
        if found is None:
            return False
        document = decoded(decode_target, target, found)
        return document is None or key in lists_of(self._organization, document)

    async def _deleted(self, key: str, pruned: Pruned) -> bool:
        found = await self._found(key)
        return found is not None and await self._replaced(key, None, found.version, pruned)

    async def _found(self, key: str) -> Document | None:
        document = await self._store.get(key)
        return document if isinstance(document, Document) else None

    async def _replaced(self, key: str, data: bytes | None, version: Version, pruned: Pruned) -> bool:
        """Write what is left of a document, or delete it; false where somebody has changed it."""
        try:
            if data is None:
                await self._store.delete(key, expected=version)
            else:
                await self._store.put(key, data, expected=version)
        except Conflict:
            pruned.changed += 1
            return False
        return True
