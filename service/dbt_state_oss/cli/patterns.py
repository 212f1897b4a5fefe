"""Targets by a pattern, for the commands that take one."""

from __future__ import annotations

import sys

from dbt_state_oss.application.ledger import TargetAccount

EXIT_NOTHING_FOUND = 1

PATTERN_HELP = (
    "a shell-style pattern for the name with or without quotes (shop.prod.*), its last part (orders) "
    "or the node's id (model.shop.orders); letter case counts"
)


def by_name(account: TargetAccount) -> tuple[str, str]:
    """For sorting."""
    return account.target.name, account.target.namespace


def tell_nothing_found(pattern: str) -> None:
    """Say on standard error that nothing is recorded that the pattern matches."""
    sys.stderr.write(f"no recorded target matches {pattern}\n")
