"""`dbt-state-oss state`: commands for the owner of the state.

They access the store directly, also while servers use it. This is safe because servers revalidate every document before
they use it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from dbt_state_oss.cli import backup, invalidate, listing, migrate, prune
from dbt_state_oss.cli.manifest import command as import_manifest
from dbt_state_oss.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `state` and its actions."""
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
    """Run the action and return its exit code. Raises StoreError and the errors that the action documents."""
    act: Callable[[argparse.Namespace, Settings], int] = options.act
    return act(options, settings)
