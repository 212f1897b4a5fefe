"""Deletes targets that were neither built nor submitted for a long time, with everything that is stored for them.

Documents that changed after the plan was made are kept. Deleting costs at most a build, because a target without a record
is built. Unreadable documents are never deleted. Node states are kept, because selection and deferral use them.
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
    """The numbers of deleted things."""

    targets: int = 0
    texts: int = 0
    candidates: int = 0
    """Entries of candidate lists."""
    journal: int = 0
    changed: int = 0
    """Documents that were changed in the meantime. They are kept."""


class Pruning:
    """Prunes one organization's state. Raises `StoreError`; what was deleted before an error stays deleted."""

    def __init__(self, store: ObjectStore, organization: str) -> None:
        self._store = store
        self._organization = organization

    async def __call__(self, plan: PrunePlan, on_progress: OnProgress) -> Pruned:
        """Delete what was planned, except documents that were changed since then."""
        pruned, number = Pruned(), count(1)
        for stale in plan.targets:
            on_progress(next(number))
            found = await self._read(stale.key)
            if found is None or found.version != stale.version:
                pruned.changed += 1
                continue
            for texts in texts_keys_beside(stale.key):  # first, because only the target's key leads to them
                pruned.texts += await self._delete(texts, pruned)
            if await self._replace(stale.key, stale.emptied, stale.version, pruned):
                pruned.targets += 1
        for key, names in plan.candidates.items():
            on_progress(next(number))
            pruned.candidates += await self._remove_names(key, names, pruned)
        for key, version in plan.journal.items():
            on_progress(next(number))
            pruned.journal += await self._replace(key, None, version, pruned)
        return pruned

    async def _remove_names(self, key: str, names: set[str], pruned: Pruned) -> int:
        """Remove names from a candidate list and return their number.

        Names that were built with the list's logic in the meantime are kept. An empty list is deleted.
        """
        found = await self._read(key)
        listed = None if found is None else decoded(decode_candidates, key, found)
        if found is None or listed is None:
            return 0
        removed = [name for name in listed.targets if name in names and not await self._belongs_on_list(key, name)]
        remaining = {name: one for name, one in listed.targets.items() if name not in removed}
        shorter_list = encode(CandidatesDocument(remaining)) if remaining else None
        return len(removed) if removed and await self._replace(key, shorter_list, found.version, pruned) else 0

    async def _belongs_on_list(self, key: str, name: str) -> bool:
        """Return whether a build with the list's logic is recorded, or the target's document cannot be read."""
        target = target_key_beside(key, name)
        found = await self._read(target)
        if found is None:
            return False
        document = decoded(decode_target, target, found)
        return document is None or key in lists_of(self._organization, document)

    async def _delete(self, key: str, pruned: Pruned) -> bool:
        found = await self._read(key)
        return found is not None and await self._replace(key, None, found.version, pruned)

    async def _read(self, key: str) -> Document | None:
        document = await self._store.get(key)
        return document if isinstance(document, Document) else None

    async def _replace(self, key: str, data: bytes | None, version: Version, pruned: Pruned) -> bool:
        """Write the rest of a document, or delete it. Return false if another process has changed it."""
        try:
            if data is None:
                await self._store.delete(key, expected=version)
            else:
                await self._store.put(key, data, expected=version)
        except Conflict:
            pruned.changed += 1
            return False
        return True
