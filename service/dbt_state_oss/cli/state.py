"""`dbt-state-oss state`: what the owner of a state may do with it.

Works on the store itself, beside servers that use it: they check every document before they rely on it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from dbt_state_oss.cli import backup, invalidate, listing, migrate, prune
from dbt_state_oss.cli.manifest import command as import_manifest
from dbt_state_oss.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `state` and what stands under it."""
    state = commands.add_parser(
        "state",
        help="show, invalidate, back up, move or prune the recorded state",
        description="Show, invalidate, back up, move or prune the recorded state.",
    )
    actions = state.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    listing.add_parsers(actions)
    invalidate.add_parser(actions)
    backup.add_parsers(actions)
    migrate.add_parser(actions)
    prune.add_parser(actions)
    import_manifest.add_parser(actions)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the action; returns its exit code. Raises StoreError and what the action says."""
    act: Callable[[argparse.Namespace, Settings], int] = options.act
    return act(options, settings)
