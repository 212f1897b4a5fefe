"""`dbt-state-oss explain`: explains why the last dbt run built, skipped or cloned its nodes.

Reads the store directly, as `state show` does. So it works in CI, without a login, and with or without a running server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.codec import Verdict
from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.cli.accounts import account_json, account_text, executions_text, table
from dbt_state_oss.cli.decision_log import DIRECTORY, LoggedNode, newest_log, read_log
from dbt_state_oss.cli.engines import opened
from dbt_state_oss.cli.explanations import Explained, explained_json, explained_text
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.patterns import EXIT_NOTHING_FOUND
from dbt_state_oss.cli.reading import decisions, upstream_changes
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.explanation import moment_text
from dbt_state_oss.domain.standing import standing_of
from dbt_state_oss.settings import Settings

_DESCRIPTION = """\
Explain why the last dbt run built, skipped or cloned its nodes, or what was decided about one target.

Without NAME, the nodes of a decision log are explained. dbt writes it to logs/state of the project, so run this
command there. With NAME, the newest decisions about that target and its record are shown."""

_EPILOG = """\
examples:
  dbt-state-oss explain                        a line for each node of the last run
  dbt-state-oss explain -v                     every rule that was checked, with its result
  dbt-state-oss explain -vv                    and all that had changed upstream, by whom and when
  dbt-state-oss explain -s 'stg_*'             some nodes of the last run
  dbt-state-oss explain -v shop.prod.orders    the newest decisions about one table"""

_FRESH_SECONDS = 10.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `explain`."""
    parser = commands.add_parser(
        "explain",
        help="explain why nodes were built, skipped or cloned",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="name of a target, its last part, the ID of a node, or a pattern, as for `state show`",
    )
    parser.add_argument("-s", "--select", metavar="GLOB", default="*", help="only nodes of the log whose name matches")
    parser.add_argument(
        "-l", "--log", type=Path, metavar="FILE", help=f"a decision log (default: the newest one in {DIRECTORY})"
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="show every rule and its result; -vv: also what changed upstream",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON lines with everything, times in Unix milliseconds"
    )
    add_settings(parser, STORE_SETTINGS)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print the explanations and return the exit code.

    Raises StoreError, and InvalidRequest if the file is not a decision log.
    """
    if options.name is not None:
        return asyncio.run(_explain_target(settings, options))
    log = options.log or newest_log()
    if log is None:
        return _report_nothing_found(
            f"no decision log found in {DIRECTORY}; run this where dbt ran, or name one with --log FILE"
        )
    nodes = [node for node in read_log(log) if fnmatchcase(node.name, options.select)]
    if not nodes:
        return _report_nothing_found(f"no node in {log} matches {options.select}")
    return asyncio.run(_explain_run(settings, options, log, nodes))


async def _explain_run(settings: Settings, options: argparse.Namespace, log: Path, nodes: Sequence[LoggedNode]) -> int:
    async with opened(settings.store, read_only=True, make=False) as engine:
        wanted = [node.decision_id for node in nodes if node.decision_id]
        found = await decisions(engine, wanted, fresh=_is_fresh(log))
        builds = [node.execution_id for node in nodes if node.execution_id]
        upstream = await upstream_changes(engine, builds) if options.verbose > 1 or options.json else {}
    explained = [
        Explained(
            node.name,
            node.decision_id,
            found.get(node.decision_id),
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
            f"{missing} of {len(nodes)} decisions are not in {settings.store.place.address}: "
            "they belong to another store, or are older than DBTSTATE_JOURNAL_DAYS\n"
        )
    return EXIT_NOTHING_FOUND if missing == len(nodes) else 0


async def _explain_target(settings: Settings, options: argparse.Namespace) -> int:
    everything = options.json or options.verbose > 1
    async with opened(settings.store, read_only=True, make=False) as engine:
        recorded = await engine.targets(DEFAULT_ORGANIZATION, options.name)
        found = await engine.decisions_about(DEFAULT_ORGANIZATION, options.name)
        builds = [entry.execution_id for entry in found.values() if entry.verdict is not Verdict.SKIP]
        upstream = await upstream_changes(engine, builds) if everything else {}
    if not recorded and not found:
        return _report_nothing_found(f"no recorded target and no decision matches {options.name}; see `state list`")
    now = SystemClock().now()
    explained = []
    for name, entry in found.items():
        when = "" if options.verbose else f" {moment_text(entry.at, now)}"
        changes = None if entry.verdict is Verdict.SKIP else upstream.get(entry.execution_id)
        explained.append(Explained(f"{entry.target.name}{when}", name, entry, upstream=changes))
    _print(explained, options)
    if options.json:
        for account in recorded:
            print(json.dumps(account_json(account)))
    elif recorded:
        print("\nrecorded:\n" + _recorded_text(recorded, options, now))
    return 0


def _recorded_text(recorded: Sequence[TargetAccount], options: argparse.Namespace, now: int) -> str:
    if options.verbose:
        return "\n\n".join(f"{account_text(account)}\n{executions_text(account, now)}" for account in recorded)
    return table([(one, standing_of(one.target, one.history, {}, now)) for one in recorded], now)


def _is_fresh(log: Path) -> bool:
    return time.time() - log.stat().st_mtime < _FRESH_SECONDS


def _print(explained: Sequence[Explained], options: argparse.Namespace) -> None:
    if options.json:
        for each in explained:
            print(json.dumps(explained_json(each)))
    else:
        now = SystemClock().now()
        print("\n\n".join(explained_text(each, verbosity=options.verbose, now=now) for each in explained))


def _report_nothing_found(why: str) -> int:
    sys.stderr.write(why + "\n")
    return EXIT_NOTHING_FOUND
