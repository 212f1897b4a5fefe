"""`dbt-state-oss state list|show`: prints a line for each target, or everything that is recorded about one."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.inspect import NamedDecision
from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.cli.accounts import account_json, account_text, executions_text, table
from dbt_state_oss.cli.engines import opened
from dbt_state_oss.cli.explanations import Explained, explained_json, explained_text, line_json
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.patterns import EXIT_NOTHING_FOUND, PATTERN_HELP, by_name, report_nothing_found
from dbt_state_oss.cli.reading import upstream_changes
from dbt_state_oss.cli.standings import standing_json, standing_text
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.domain.standing import Standing, standing_of
from dbt_state_oss.settings import Settings, StoreSettings

_LIST = """\
List the recorded targets. The column "if unchanged" tells whether dbt would skip the target if its code,
configuration and data have not changed since its last build."""

_SHOW = """\
Show everything that is recorded about a target: whether it would be skipped or built if its code is unchanged, and why;
the newest decision about it; what had changed upstream before its last build; its executions with their inputs."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A target with everything that is shown about it."""

    account: TargetAccount
    standing: Standing
    decided: NamedDecision | None
    upstream: tuple[ExplainLine, ...]


def add_parsers(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `list` and `show`."""
    listing = actions.add_parser("list", help="list the recorded targets", description=_LIST)
    listing.add_argument("pattern", nargs="?", default="*", metavar="GLOB", help=PATTERN_HELP)
    listing.set_defaults(act=list_targets)
    showing = actions.add_parser("show", help="show everything that is recorded about a target", description=_SHOW)
    showing.add_argument("pattern", metavar="NAME", help=PATTERN_HELP)
    showing.set_defaults(act=show_targets)
    for parser in (listing, showing):
        parser.add_argument("--json", action="store_true", help="print JSON lines, times in Unix milliseconds")
        add_settings(parser, STORE_SETTINGS)


def list_targets(options: argparse.Namespace, settings: Settings) -> int:
    """Print the list and return the exit code. Raises StoreError."""
    found, now = asyncio.run(_find(settings.store, options.pattern)), SystemClock().now()
    if not found:
        report_nothing_found(options.pattern)
        return 0
    listed = [(one, standing_of(one.target, one.history, {}, now)) for one in found]
    if options.json:
        for account, standing in listed:
            print(json.dumps(account_json(account) | {"reusable": standing.reusable}))
    else:
        print(table(listed, now))
    return 0


def show_targets(options: argparse.Namespace, settings: Settings) -> int:
    """Print everything that is recorded and return the exit code. Raises StoreError."""
    found, now = asyncio.run(_find_shown(settings.store, options.pattern)), SystemClock().now()
    if not found:
        report_nothing_found(options.pattern)
        return EXIT_NOTHING_FOUND
    if options.json:
        for shown in found:
            print(json.dumps(_json(shown)))
    else:
        print("\n\n".join(_text(shown, now) for shown in found))
    return 0


async def _find(settings: StoreSettings, pattern: str) -> list[TargetAccount]:
    async with opened(settings, read_only=True, make=False) as engine:
        return sorted(await engine.targets(DEFAULT_ORGANIZATION, pattern), key=by_name)


async def _find_shown(settings: StoreSettings, pattern: str) -> list[_Shown]:
    async with opened(settings, read_only=True, make=False) as engine:
        found = sorted(await engine.targets(DEFAULT_ORGANIZATION, pattern), key=by_name)
        decided = await engine.latest_decisions(DEFAULT_ORGANIZATION, [account.target for account in found])
        builds = [account.history.executions[0].id for account in found]
        upstream = await upstream_changes(engine, builds)
        return [
            _Shown(
                account,
                await engine.standing(DEFAULT_ORGANIZATION, account),
                decided.get(account.target),
                upstream.get(build, ()),
            )
            for account, build in zip(found, builds, strict=True)
        ]


def _text(shown: _Shown, now: int) -> str:
    blocks = [account_text(shown.account), standing_text(shown.standing, shown.account)]
    if shown.decided is None:
        blocks.append("  no decision about it is recorded")
    else:
        decided = explained_text(_explained(shown), verbosity=1, now=now)
        blocks.append("\n".join(f"  {line}" for line in decided.splitlines()))
    blocks.append(executions_text(shown.account, now))
    return "\n\n".join(blocks)


def _json(shown: _Shown) -> dict[str, object]:
    return account_json(shown.account) | {
        "standing": standing_json(shown.standing),
        "latest_decision": None if shown.decided is None else explained_json(_explained(shown)),
        "upstream_changes": [line_json(line) for line in shown.upstream],
    }


def _explained(shown: _Shown) -> Explained:
    assert shown.decided is not None
    name, entry = shown.decided
    return Explained("latest decision", name, entry, upstream=shown.upstream)
