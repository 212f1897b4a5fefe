"""`dbt-state-oss state`: look at the recorded state, undo it, back it up, move it.

Works on the store itself, beside servers that use it: they check every document before they rely on it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.inspect import targets
from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.cli import backup, migrate, prune
from dbt_state_oss.cli.accounts import account_json, account_text, table
from dbt_state_oss.cli.agreement import agreed
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.stores import opened
from dbt_state_oss.settings import Settings, StoreSettings

EXIT_NOTHING_FOUND = 1

_PATTERN_HELP = (
    "a shell-style pattern for the name with or without quotes (shop.prod.*), its last part (orders) "
    "or the node's id (model.shop.orders); letter case counts"
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `state` and what stands under it."""
    state = commands.add_parser(
        "state",
        help="list, show, invalidate, back up, move or prune what is recorded",
        description="Look at the recorded state, undo it, back it up, move it or prune it.",
    )
    actions = state.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)

    listing = actions.add_parser("list", help="a line for each target", description="A line for each target.")
    listing.add_argument("pattern", nargs="?", default="*", metavar="GLOB", help=_PATTERN_HELP)
    listing.add_argument("--json", action="store_true", help="one JSON object a line, times in Unix milliseconds")

    showing = actions.add_parser(
        "show", help="all that is known of a target", description="The executions recorded for a target."
    )
    showing.add_argument("pattern", metavar="NAME", help=_PATTERN_HELP)
    showing.add_argument("--json", action="store_true", help="one JSON object a line, times in Unix milliseconds")

    invalidating = actions.add_parser(
        "invalidate",
        help="forget targets, so that the next run builds them",
        description="Forget the history of matching targets, so that the next run builds them. No table is touched.",
    )
    invalidating.add_argument("pattern", metavar="GLOB", help=_PATTERN_HELP)
    invalidating.add_argument("--yes", action="store_true", help="do not ask")
    invalidating.add_argument("--dry-run", action="store_true", help="only tell what would be forgotten")

    for parser in (listing, showing, invalidating):
        add_settings(parser, STORE_SETTINGS)
        parser.set_defaults(act=_look_or_undo)
    backup.add_parsers(actions)
    migrate.add_parser(actions)
    prune.add_parser(actions)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the action; returns its exit code. Raises StoreError."""
    act: Callable[[argparse.Namespace, Settings], int] = options.act
    return act(options, settings)


def _look_or_undo(options: argparse.Namespace, settings: Settings) -> int:
    found = asyncio.run(_found(settings.store, options.pattern))
    if not found:
        sys.stderr.write(f"nothing is recorded that matches {options.pattern}\n")
        return 0 if options.action == "list" else EXIT_NOTHING_FOUND
    if options.action == "invalidate":
        _invalidate(settings.store, found, options)
    else:
        _print(found, options)
    return 0


async def _found(settings: StoreSettings, pattern: str) -> list[TargetAccount]:
    async with _ledger(settings, read_only=True) as ledger:
        found = [account async for account in targets(ledger, DEFAULT_ORGANIZATION, pattern)]
    return sorted(found, key=lambda account: (account.target.name, account.target.namespace))


async def _forget(settings: StoreSettings, accounts: list[TargetAccount]) -> int:
    """Forget the accounts, telling each; how many were still there."""
    forgotten, now = 0, _now()
    async with _ledger(settings) as ledger:
        for account in accounts:
            if await ledger.forget(account, at=now):
                forgotten += 1
                print(f"forgot {account.target.name}")
    return forgotten


@asynccontextmanager
async def _ledger(settings: StoreSettings, *, read_only: bool = False) -> AsyncIterator[Ledger]:
    async with opened(settings, read_only=read_only, make=False) as store:
        yield Ledger(store, cache_bytes=0)


def _print(found: list[TargetAccount], options: argparse.Namespace) -> None:
    now = _now()
    if options.json:
        for account in found:
            print(json.dumps(account_json(account)))
    elif options.action == "list":
        print(table(found, now))
    else:
        print("\n\n".join(account_text(account, now) for account in found))


def _now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def _invalidate(settings: StoreSettings, found: list[TargetAccount], options: argparse.Namespace) -> None:
    """Ask outside of any event loop, which would keep Ctrl-C from the question."""
    names = [account.target.name for account in found]
    if options.dry_run:
        print("\n".join(f"would forget {name}" for name in names))
    elif options.yes or _agreed(names):
        forgotten = asyncio.run(_forget(settings, found))
        print(f"{forgotten} of {len(found)} targets forgotten; the next run builds them")
    else:
        print("nothing was forgotten")


def _agreed(names: list[str]) -> bool:
    print("\n".join(names))
    return agreed(f"Forget the history of {len(names)} targets?")
