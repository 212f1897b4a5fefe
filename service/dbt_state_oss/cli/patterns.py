"""The help, sorting and error message that are shared by commands which select targets by a pattern."""

from __future__ import annotations

import sys

from dbt_state_oss.application.ledger import TargetAccount

EXIT_NOTHING_FOUND = 1

PATTERN_HELP = (
    "a shell-style pattern for the name with or without quotes (shop.prod.*), its last part (orders) "
    "or the node's id (model.shop.orders); letter case counts"
)


def by_name(account: TargetAccount) -> tuple[str, str]:
    """Return a sort key: the target's name, then its namespace."""
    return account.target.name, account.target.namespace


def report_nothing_found(pattern: str) -> None:
    """Write to standard error that no recorded target matches the pattern."""
    sys.stderr.write(f"no recorded target matches {pattern}\n")
