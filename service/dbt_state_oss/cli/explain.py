"""`dbt-state-oss explain`: why the last dbt run built, skipped or cloned what it did.

Reads the store itself, as `state show` does, so it works in CI and without a login, beside a server or without one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ParamSpec, TypeVar

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller
from dbt_state_oss.application.codec import JournalEntry, Verdict
from dbt_state_oss.application.explain import MOST_ASKED, Explain
from dbt_state_oss.application.inspect import decisions_about, targets
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.application.ports import Clock, ObjectStore
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.application.upstream_changes import UpstreamChanges
from dbt_state_oss.cli.accounts import account_json, account_text, table
from dbt_state_oss.cli.decision_log import DIRECTORY, LoggedNode, newest_log, read_log
from dbt_state_oss.cli.explanations import Explained, explained_json, explained_text
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.domain.explanation import ExplainLine, moment_text
from dbt_state_oss.domain.kept_sql import StoreSql
from dbt_state_oss.settings import Settings

EXIT_NOTHING_FOUND = 1

_DESCRIPTION = """\
Tell why the last dbt run built, skipped or cloned what it did, or what was decided about one target.

Without a NAME the nodes of a decision log are told, which dbt leaves in logs/state of the project:
run this where dbt ran. With a NAME the newest decisions about it are, and what is recorded of it."""

_EPILOG = """\
examples:
  dbt-state-oss explain                        a line for each node of the last run
  dbt-state-oss explain -v                     every question that was asked, with its answer
  dbt-state-oss explain -vv                    and all that had changed upstream, by whom and when
  dbt-state-oss explain -s 'stg_*'             some nodes of the last run
  dbt-state-oss explain -v shop.prod.orders    the newest decisions about one table"""

_MOST_DECISIONS = 5
_FRESH_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0
_PAUSE_SECONDS = 0.2

P = ParamSpec("P")
T = TypeVar("T")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `explain`."""
    parser = commands.add_parser(
        "explain",
        help="tell why nodes were built, skipped or cloned",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="a target's name, its last part or the node's id, or a pattern for them, as for `state show`",
    )
    parser.add_argument("-s", "--select", metavar="GLOB", default="*", help="only nodes of the log with such names")
    parser.add_argument(
        "-l", "--log", type=Path, metavar="FILE", help=f"a decision log (default: the newest one in {DIRECTORY})"
    )
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="tell how it was decided; -vv: and what changed upstream"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line with everything, times in Unix milliseconds"
    )
    add_settings(parser, STORE_SETTINGS)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print the explanations; returns the exit code. Raises StoreError and, for a log that is none, InvalidRequest."""
    directory = settings.store.directory
    if not directory.is_dir():
        return _nothing(f"there is no directory {directory}; name the server's with --dir")
    if options.name is not None:
        return asyncio.run(_about(settings, options))
    log = options.log or newest_log()
    if log is None:
        return _nothing(f"there is no decision log in {DIRECTORY}; run this where dbt ran, or name one with --log FILE")
    nodes = [node for node in read_log(log) if fnmatchcase(node.name, options.select)]
    if not nodes:
        return _nothing(f"no node in {log} is named {options.select}")
    return asyncio.run(_of_run(settings, options, log, nodes))


async def _of_run(settings: Settings, options: argparse.Namespace, log: Path, nodes: Sequence[LoggedNode]) -> int:
    async with _reading(settings) as reading:
        decisions = await reading.decisions(
            [node.decision_id for node in nodes if node.decision_id], fresh=_is_fresh(log)
        )
        wanted = [node.execution_id for node in nodes if node.execution_id]
        upstream = await reading.upstream(wanted) if options.verbose > 1 or options.json else {}
    explained = [
        Explained(
            node.name,
            node.decision_id,
            decisions.get(node.decision_id),
            node.remarks,
            upstream.get(node.execution_id),
            node.is_view,
        )
        for node in nodes
    ]
    _print(explained, options)
    missing = sum(each.entry is None and bool(each.decision_id) for each in explained)
    if missing:
        sys.stderr.write(
            f"{missing} of {len(nodes)} decisions are not in {settings.store.directory}: "
            "another server made them, or they are older than it keeps them\n"
        )
    return EXIT_NOTHING_FOUND if missing == len(nodes) else 0


async def _about(settings: Settings, options: argparse.Namespace) -> int:
    everything = options.json or options.verbose > 1
    async with _reading(settings) as reading:
        recorded, decisions = await reading.about(options.name)
        builds = [entry.execution_id for entry in decisions.values() if entry.verdict is not Verdict.SKIP]
        upstream = await reading.upstream(builds) if everything else {}
    if not recorded and not decisions:
        return _nothing(f"nothing is recorded or was decided that matches {options.name}")
    now = _now()
    explained = []
    for name, entry in decisions.items():
        when = "" if options.verbose else f" {moment_text(entry.at, now)}"
        changes = None if entry.verdict is Verdict.SKIP else upstream.get(entry.execution_id)
        explained.append(Explained(f"{entry.target.name}{when}", name, entry, upstream=changes))
    _print(explained, options)
    if options.json:
        for account in recorded:
            print(json.dumps(account_json(account)))
    elif recorded:
        details = [account_text(account, now) for account in recorded]
        print("\nrecorded:\n" + ("\n\n".join(details) if options.verbose else table(recorded, now)))
    return 0


class _Reading:
    """What a server answers, read from its store."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._caller = Caller(DEFAULT_ORGANIZATION, "")
        self._ledger = Ledger(store, cache_bytes=0)
        self._upstream = UpstreamChanges(ledger=self._ledger, clock=clock)
        journal, threads = Journal(store, clock, days=1), _Threads()
        self._explain = [
            Explain(journal=journal, texts=SqlTexts(store, threads, clock, keep=keep))
            for keep in (StoreSql.FULL, StoreSql.CANONICAL)
        ]

    async def decisions(self, ids: Sequence[str], *, fresh: bool) -> dict[str, JournalEntry]:
        """The decisions by id. Those of a run that has just ended may still be on their way into the store."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        found: dict[str, JournalEntry] = {}
        while True:
            unknown = [each for each in ids if each not in found]
            for some in _in_groups(unknown):
                found |= await self._explain[0](self._caller, some)
            if not fresh or len(found) == len(set(ids)) or time.monotonic() > patience:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return {name: await self._in_full(entry) for name, entry in found.items()}

    async def upstream(self, executions: Sequence[str]) -> dict[str, tuple[ExplainLine, ...]]:
        """What had changed upstream, by execution."""
        changes: dict[str, tuple[ExplainLine, ...]] = {}
        for some in _in_groups(executions):
            changes |= await self._upstream(self._caller, some)
        return changes

    async def about(self, pattern: str) -> tuple[list[TargetAccount], dict[str, JournalEntry]]:
        """The targets that a pattern means and the newest decisions about them, by id."""
        recorded = [account async for account in targets(self._ledger, DEFAULT_ORGANIZATION, pattern)]
        found = await decisions_about(self._store, DEFAULT_ORGANIZATION, pattern, most=_MOST_DECISIONS)
        return recorded, {name: await self._in_full(entry) for name, entry in found.items()}

    async def _in_full(self, entry: JournalEntry) -> JournalEntry:
        for explain in self._explain:
            told = await explain.in_full(DEFAULT_ORGANIZATION, entry)
            if told is not entry:
                return told
        return entry


class _Threads:
    """Does in a thread what a server has processes for."""

    async def apart(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        return await asyncio.to_thread(work, *arguments, **named)


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[_Reading]:
    from dbt_state_oss.bootstrap import SystemClock, open_store  # late, so that --help does not wait for gRPC to load

    store = await open_store(settings.store)
    try:
        yield _Reading(store, SystemClock())
    finally:
        await store.close()


def _in_groups(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + MOST_ASKED] for start in range(0, len(ids), MOST_ASKED))


def _is_fresh(log: Path) -> bool:
    return time.time() - log.stat().st_mtime < _FRESH_SECONDS


def _print(explained: Sequence[Explained], options: argparse.Namespace) -> None:
    if options.json:
        for each in explained:
            print(json.dumps(explained_json(each)))
    else:
        now = _now()
        print("\n\n".join(explained_text(each, verbosity=options.verbose, now=now) for each in explained))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _nothing(why: str) -> int:
    sys.stderr.write(why + "\n")
    return EXIT_NOTHING_FOUND
