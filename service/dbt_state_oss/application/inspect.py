"""What the owner of the state may look at and undo (`dbt-state-oss state`, `explain`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import aclosing
from fnmatch import fnmatchcase
from itertools import groupby

from dbt_state_oss.application.codec import JournalEntry, JournalPart, decode_journal_part, encode
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.journal_part import entries_of
from dbt_state_oss.application.keys import decision_id, is_aside, journal_day_of, journal_prefix
from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.application.side_by_side import side_by_side
from dbt_state_oss.domain.standing import Standing, standing_of
from dbt_state_oss.domain.submission import TargetKey

NamedDecision = tuple[str, JournalEntry]
"""A decision with its id."""


async def targets(ledger: Ledger, organization: str, pattern: str = "*") -> AsyncIterator[TargetAccount]:
    """The targets with something on record that a shell-style pattern matches.

    A pattern is held against the name as stored (`"db"."schema"."name"`), the same without quotes, a relation's last part
    alone, and the id of the node that was built last; letter case counts.
    """
    async with aclosing(ledger.accounts(organization)) as accounts:
        async for account in accounts:
            if account.history.executions and is_meant(account, pattern):
                yield account


def is_meant(account: TargetAccount, pattern: str) -> bool:
    """Whether a pattern, as for `targets`, matches."""
    return _means(pattern, account.target, account.node_id)


async def standing(ledger: Ledger, organization: str, account: TargetAccount, *, now: int) -> Standing:
    """How a target stands by its record and by those of what it was last built from. Raises `StoreError`."""
    latest = account.history.latest
    inputs = {} if latest is None else latest.inputs
    upstream = await ledger.histories(organization, account.target.namespace, inputs)
    return standing_of(account.target, account.history, upstream, now)


async def decisions_about(store: ObjectStore, organization: str, pattern: str, *, most: int) -> dict[str, JournalEntry]:
    """The newest decisions about the targets that a pattern means (as for `targets`), by id, newest first.

    Reads the journal day by day, backwards, until there are enough. Raises `StoreError`.
    """
    found: list[NamedDecision] = []
    async with aclosing(_days(store, organization)) as days:
        async for day in days:
            found += (told for told in day if _means(pattern, told[1].target, told[1].node_id))
            if len(found) >= most:
                break
    return dict(sorted(found, key=_made_at, reverse=True)[:most])


async def latest_decisions(
    store: ObjectStore, organization: str, wanted: Collection[TargetKey]
) -> dict[TargetKey, NamedDecision]:
    """The newest decision about each of these targets that is on record. Raises `StoreError`."""
    missing, found = set(wanted), dict[TargetKey, NamedDecision]()
    async with aclosing(_days(store, organization)) as days:
        async for day in days:
            for told in sorted(day, key=_made_at):
                if told[1].target in missing:
                    found[told[1].target] = told
            missing -= found.keys()
            if not missing:
                break
    return found


def _made_at(told: NamedDecision) -> int:
    return told[1].at


async def _days(store: ObjectStore, organization: str) -> AsyncGenerator[list[NamedDecision], None]:
    """The decisions of each day of the journal, the last day first, its parts read side by side."""
    keys = [key async for key in store.list(journal_prefix(organization)) if not is_aside(key)]
    keys.sort(key=lambda key: journal_day_of(organization, key), reverse=True)
    documents = DocumentCache(store, decode=decode_journal_part, encode=encode, cache_bytes=0)
    for _, of_a_day in groupby(keys, key=lambda key: journal_day_of(organization, key)):
        async with aclosing(side_by_side(_each(of_a_day), documents.read)) as parts:
            yield [told async for part in parts if part is not None for told in _decisions(part)]


async def _each(keys: Iterable[str]) -> AsyncIterator[str]:
    for key in keys:
        yield key


def _decisions(part: JournalPart) -> list[NamedDecision]:
    return [
        (decision_id(part.day, part.session, part.part, entry.number), entry)
        for entry in entries_of(part.entries).values()
    ]


def _means(pattern: str, target: TargetKey, node_id: str) -> bool:
    plain = target.name.replace('"', "")
    names = {target.name, plain}
    if target.relation is not None:
        names.add(plain.rsplit(".", 1)[-1])
    return any(fnmatchcase(name, pattern) for name in (names | {node_id}) - {""})
