"""`dbt-state-oss state invalidate`: deletes the history of targets, so that their next run builds them."""

from __future__ import annotations

import argparse
import asyncio

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.application.ownership.downstream import Reached
from dbt_state_oss.cli.agreement import agreed
from dbt_state_oss.cli.engines import opened
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.patterns import EXIT_NOTHING_FOUND, PATTERN_HELP, report_nothing_found
from dbt_state_oss.cli.progress import Progress
from dbt_state_oss.settings import Settings, StoreSettings

_DESCRIPTION = """\
Invalidate matching targets, so that the next run builds them. No table is changed. Targets that read them
are rebuilt after them, in the runs that select them. With --downstream they are invalidated at once, too. A view holds
no rows, so the targets that read it are always invalidated with it."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `invalidate`."""
    parser = actions.add_parser(
        "invalidate", help="invalidate targets, so that the next run builds them", description=_DESCRIPTION
    )
    parser.add_argument("pattern", metavar="GLOB", help=PATTERN_HELP)
    parser.add_argument("--downstream", action="store_true", help="also invalidate everything that was built from them")
    parser.add_argument("--yes", action="store_true", help="skip the confirmation")
    parser.add_argument("--dry-run", action="store_true", help="show what would be invalidated, change nothing")
    add_settings(parser, STORE_SETTINGS)
    parser.set_defaults(act=invalidate)


def invalidate(options: argparse.Namespace, settings: Settings) -> int:
    """Find the targets, ask for confirmation, invalidate them, and return the exit code. Raises StoreError."""
    found = asyncio.run(_find(settings.store, options.pattern, downstream=options.downstream))
    if not found:
        report_nothing_found(options.pattern)
        return EXIT_NOTHING_FOUND
    if options.dry_run:
        print("\n".join(f"would invalidate {_line(one)}" for one in found))
    elif options.yes or _agreed(found):
        invalidated = asyncio.run(_invalidate(settings.store, [one.account for one in found]))
        print(f"{invalidated} of {len(found)} targets invalidated; the next run builds them")
    else:
        print("nothing was invalidated")
    return 0


async def _find(settings: StoreSettings, pattern: str, *, downstream: bool) -> list[Reached]:
    async with opened(settings, read_only=True, make=False) as engine:
        return await engine.reached(DEFAULT_ORGANIZATION, pattern, downstream=downstream)


async def _invalidate(settings: StoreSettings, accounts: list[TargetAccount]) -> int:
    """Invalidate the targets, print each one, and return how many had a recorded build."""
    messages: list[str] = []
    invalidated = 0
    async with opened(settings, make=False, compare_clocks=True) as engine:
        with Progress("invalidated") as progress:
            for account in accounts:
                progress.update(len(messages), "targets")
                if await engine.forget(account):
                    invalidated += 1
                    messages.append(f"invalidated {account.target.name}")
                else:
                    messages.append(
                        f"{account.target.name} has no recorded build; a build that is running now will not be recorded"
                    )
    print("\n".join(messages))  # only after the last write: the reader may close the pipe, as `grep -q` does
    return invalidated


def _line(one: Reached) -> str:
    because = "" if one.reads is None else f", which reads {one.reads.target.name}"
    return f"{'  ' * one.depth}{one.account.target.name}{because}"


def _agreed(found: list[Reached]) -> bool:
    print("\n".join(_line(one) for one in found))
    return agreed(f"Invalidate {len(found)} targets?")
