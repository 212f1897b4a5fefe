"""`dbt-state-oss state prune`: deletes targets that were neither built nor submitted for a long time."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterator

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.ownership.prune_plan import PrunePlan
from dbt_state_oss.application.ownership.pruning import Pruned
from dbt_state_oss.cli.agreement import agreed
from dbt_state_oss.cli.engines import opened
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.progress import Progress
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.explanation import time_text
from dbt_state_oss.settings import Settings, StoreSettings

_DESCRIPTION = """\
Delete the targets that were neither built nor submitted for a number of days, with everything that is kept for them,
and the decisions from before that time. No table is changed. A deleted target that is used again is built once.

A target that every run skips is submitted, so it is kept, and so are the targets that it was built from. Skips are
known from the journal, which keeps DBTSTATE_JOURNAL_DAYS days. Documents that cannot be read, or that change during the
command, are kept. So are node states (for `state:` selection and deferral) and the times of invalidations."""

_DAY_MS = 86_400_000
_SHOWN = 20


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `prune`."""
    parser = actions.add_parser(
        "prune",
        help="delete targets that are no longer used",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--older-than", required=True, type=_days, metavar="DAYS", help="age limit in days, for example 90d"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be deleted, change nothing")
    parser.add_argument("--yes", action="store_true", help="skip the confirmation")
    add_settings(parser, STORE_SETTINGS)
    parser.set_defaults(act=prune)


def prune(options: argparse.Namespace, settings: Settings) -> int:
    """Plan, ask for confirmation, delete, and return the exit code. Raises StoreError."""
    now = SystemClock().now()
    plan = asyncio.run(_make_plan(settings.store, now - options.older_than * _DAY_MS))
    print("\n".join(_plan_lines(plan)))
    if settings.journal.days < options.older_than:
        print(
            f"decisions are kept for {settings.journal.days} days: targets that were only skipped before that count as unused"
        )
    if options.dry_run or not (plan.targets or plan.journal or plan.candidates):
        return 0
    if not options.yes and not agreed("Delete these?"):
        print("nothing was deleted")
        return 0
    print(_result_text(asyncio.run(_prune(settings.store, plan))))
    return 0


async def _make_plan(settings: StoreSettings, cut_off: int) -> PrunePlan:
    async with opened(settings, read_only=True, make=False) as engine:
        with Progress("looked at") as progress:
            return await engine.plan_prune(DEFAULT_ORGANIZATION, cut_off, progress.update)


async def _prune(settings: StoreSettings, plan: PrunePlan) -> Pruned:
    async with opened(settings) as engine:
        with Progress("deleted") as progress:
            return await engine.prune(DEFAULT_ORGANIZATION, plan, progress.update)


def _plan_lines(plan: PrunePlan) -> Iterator[str]:
    since = time_text(plan.cut_off)
    yield f"{len(plan.targets)} targets were neither built nor submitted since {since}"
    for stale in plan.targets[:_SHOWN]:
        yield f"  {stale.target.name}  last built {time_text(stale.newest)}"
    if len(plan.targets) > _SHOWN:
        yield f"  and {len(plan.targets) - _SHOWN} more"
    yield f"{len(plan.journal)} journal documents are from before that"
    entries = sum(map(len, plan.candidates.values()))
    yield f"{entries} entries of candidate lists belong to these targets, or to logic that is no longer recorded"
    if plan.unreadable:
        yield f"{plan.unreadable} documents cannot be read and are kept"


def _result_text(pruned: Pruned) -> str:
    text = (
        f"deleted: {pruned.targets} targets, {pruned.texts} texts, {pruned.candidates} candidate list entries, "
        f"{pruned.journal} journal documents"
    )
    return text + (f"\n{pruned.changed} documents were changed in the meantime and are kept" if pruned.changed else "")


def _days(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,5})d", text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f'must be a number of days, such as 90d (got "{text}")')
    return int(match[1])
