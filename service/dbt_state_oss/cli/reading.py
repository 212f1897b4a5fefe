"""Queries an engine in batches, and waits for decisions of a run that has just ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller
from dbt_state_oss.application.codec import JournalEntry
from dbt_state_oss.application.engine import Engine
from dbt_state_oss.application.explain import MOST_ASKED
from dbt_state_oss.domain.explanation import ExplainLine

_CALLER = Caller(DEFAULT_ORGANIZATION, "")
_PATIENCE_SECONDS = 3.0
_PAUSE_SECONDS = 0.2


async def decisions(engine: Engine, ids: Sequence[str], *, fresh: bool) -> dict[str, JournalEntry]:
    """Return the decisions by id.

    `fresh`: the run has just ended. Its decisions may not be in the store yet, so this waits for them a few seconds.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    wanted, found = list(dict.fromkeys(ids)), dict[str, JournalEntry]()
    while True:
        missing = [each for each in wanted if each not in found]
        for start in range(0, len(missing), MOST_ASKED):
            found |= await engine.explain(_CALLER, missing[start : start + MOST_ASKED])
        if not fresh or len(found) == len(wanted) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(_PAUSE_SECONDS)


async def upstream_changes(engine: Engine, executions: Sequence[str]) -> dict[str, tuple[ExplainLine, ...]]:
    """Return what had changed upstream of each execution, by execution id."""
    changes: dict[str, tuple[ExplainLine, ...]] = {}
    for start in range(0, len(executions), MOST_ASKED):
        changes |= await engine.upstream_changes(_CALLER, executions[start : start + MOST_ASKED])
    return changes
