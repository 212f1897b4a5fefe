"""What the owner of the state may look at and undo (`dbt-state-oss state`, `explain`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from itertools import groupby

from dbt_state_oss.application.codec import JournalEntry, decode_journal_part, encode
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.journal_part import entries_of
from dbt_state_oss.application.keys import decision_id, is_aside, journal_day_of, journal_prefix
from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.domain.submission import TargetKey


async def targets(ledger: Ledger, organization: str, pattern: str = "*") -> AsyncIterator[TargetAccount]:
    """The targets that a shell-style pattern matches.

    A pattern is held against the name as stored (`"db"."schema"."name"`), the same without quotes, a relation's last part
    alone, and the id of the node that was built last; letter case counts.
    """
    async for account in ledger.accounts(organization):
        latest = account.history.latest
        if _means(pattern, account.target, "" if latest is None else latest.node_id):
            yield account


async def decisions_about(store: ObjectStore, organization: str, pattern: str, *, most: int) -> dict[str, JournalEntry]:
    """The newest decisions about the targets that a pattern means (as for `targets`), by id, newest first.

    Reads the journal day by day, backwards, until there are enough. Raises `StoreError`.
    """
    keys = [key async for key in store.list(journal_prefix(organization)) if not is_aside(key)]
    keys.sort(key=lambda key: journal_day_of(organization, key), reverse=True)
    documents = DocumentCache(store, decode=decode_journal_part, encode=encode, cache_bytes=0)
    found: list[tuple[str, JournalEntry]] = []
    for _, of_a_day in groupby(keys, key=lambda key: journal_day_of(organization, key)):
        for key in of_a_day:
            part = await documents.read(key)
            if part is not None:
                found += (
                    (decision_id(part.day, part.session, part.part, entry.number), entry)
                    for entry in entries_of(part.entries).values()
                    if _means(pattern, entry.target, entry.node_id)
                )
        if len(found) >= most:
            break
    return dict(sorted(found, key=lambda each: each[1].at, reverse=True)[:most])


def _means(pattern: str, target: TargetKey, node_id: str) -> bool:
    plain = target.name.replace('"', "")
    names = {target.name, plain}
    if target.name.startswith('"'):  # a relation, no data test
        names.add(plain.rsplit(".", 1)[-1])
    return any(fnmatchcase(name, pattern) for name in (names | {node_id}) - {""})
