"""Queries for the owner of the state: targets, their standing, and decisions (`dbt-state-oss state`, `explain`)."""

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
    """Yield the targets with a recorded execution that match a shell-style pattern.

    The pattern is compared with the name as stored (`"db"."schema"."name"`), the name without quotes, the last part of a
    relation's name, and the id of the node that was built last. Letter case counts.
    """
    async with aclosing(ledger.accounts(organization)) as accounts:
        async for account in accounts:
            if account.history.executions and matches(account, pattern):
                yield account


def matches(account: TargetAccount, pattern: str) -> bool:
    """Return whether a target matches a pattern, as in `targets`."""
    return _matches(pattern, account.target, account.node_id)


async def standing(ledger: Ledger, organization: str, account: TargetAccount, *, now: int) -> Standing:
    """Return a target's standing by its record and the records of its latest inputs. Raises `StoreError`."""
    latest = account.history.latest
    inputs = {} if latest is None else latest.inputs
    upstream = await ledger.histories(organization, account.target.namespace, inputs)
    return standing_of(account.target, account.history, upstream, now)


async def decisions_about(store: ObjectStore, organization: str, pattern: str, *, most: int) -> dict[str, JournalEntry]:
    """Return the newest decisions about the targets that match a pattern (as in `targets`), by id, newest first.

    Reads the journal backwards, day by day, until it has found `most` decisions. Raises `StoreError`.
    """
    found: list[NamedDecision] = []
    async with aclosing(_days(store, organization)) as days:
        async for day in days:
            found += (decision for decision in day if _matches(pattern, decision[1].target, decision[1].node_id))
            if len(found) >= most:
                break
    return dict(sorted(found, key=_made_at, reverse=True)[:most])


async def latest_decisions(
    store: ObjectStore, organization: str, wanted: Collection[TargetKey]
) -> dict[TargetKey, NamedDecision]:
    """Return the newest recorded decision about each of these targets. Raises `StoreError`."""
    missing, found = set(wanted), dict[TargetKey, NamedDecision]()
    async with aclosing(_days(store, organization)) as days:
        async for day in days:
            for decision in sorted(day, key=_made_at):
                if decision[1].target in missing:
                    found[decision[1].target] = decision
            missing -= found.keys()
            if not missing:
                break
    return found


def _made_at(decision: NamedDecision) -> int:
    return decision[1].at


async def _days(store: ObjectStore, organization: str) -> AsyncGenerator[list[NamedDecision], None]:
    """Yield the decisions of each day of the journal, the last day first. The parts of a day are read concurrently."""
    keys = [key async for key in store.list(journal_prefix(organization)) if not is_aside(key)]
    keys.sort(key=lambda key: journal_day_of(organization, key), reverse=True)
    documents = DocumentCache(store, decode=decode_journal_part, encode=encode, cache_bytes=0)
    for _, of_a_day in groupby(keys, key=lambda key: journal_day_of(organization, key)):
        async with aclosing(side_by_side(_iterate(of_a_day), documents.read)) as parts:
            yield [decision async for part in parts if part is not None for decision in _decisions(part)]


async def _iterate(keys: Iterable[str]) -> AsyncIterator[str]:
    for key in keys:
        yield key


def _decisions(part: JournalPart) -> list[NamedDecision]:
    return [
        (decision_id(part.day, part.session, part.part, entry.number), entry)
        for entry in entries_of(part.entries).values()
    ]


def _matches(pattern: str, target: TargetKey, node_id: str) -> bool:
    plain = target.name.replace('"', "")
    names = {target.name, plain}
    if target.relation is not None:
        names.add(plain.rsplit(".", 1)[-1])
    return any(fnmatchcase(name, pattern) for name in (names | {node_id}) - {""})
