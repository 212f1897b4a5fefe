"""Renders whether a target would be skipped or built if nothing has changed, as text and as JSON. Pure."""

from __future__ import annotations

from typing import Any

from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.cli.explanations import line_json, tree
from dbt_state_oss.domain.explanation import time_text
from dbt_state_oss.domain.standing import Standing


def standing_text(standing: Standing, account: TargetAccount) -> str:
    """Return whether the target would be skipped or built if nothing has changed, why, and what only a dbt run can show."""
    latest = account.history.latest
    if standing.reusable:
        lines = ["  if nothing has changed, it is skipped"]
    else:
        lines = [f"  if nothing has changed, it is built: {standing.because}"]
    lines += tree(standing.evidence, depth=2)
    lines += [
        "  only a dbt run can show:",
        "    its code, configuration and macros as they are now",
    ]
    if latest is not None and latest.epoch is not None:
        lines.append(f"    whether its table is unchanged since {time_text(latest.epoch)}")
    lines += [f"    when {relation} was last updated" for relation in standing.unrecorded_inputs]
    return "\n".join(lines)


def standing_json(standing: Standing) -> dict[str, Any]:
    """Return the standing as plain values."""
    return {
        "reusable": standing.reusable,
        "because": standing.because or None,
        "evidence": [line_json(line) for line in standing.evidence],
        "unrecorded_inputs": list(standing.unrecorded_inputs),
    }
