"""Starts the server with one rule of the engine broken, by name: a hunt must notice.

Run as `python mutated_server.py MUTATION`; the settings come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

from dbt_state_oss.application import gathering, recording, register_clone
from dbt_state_oss.bootstrap import serve
from dbt_state_oss.domain import clone, cloning, data_identity, decide, draft, rules, silent
from dbt_state_oss.domain.dialects import EpochClock
from dbt_state_oss.domain.history import History, Input
from dbt_state_oss.domain.sql import fingerprint
from dbt_state_oss.domain.submission import Code
from dbt_state_oss.settings import read_settings
from dbt_state_oss.telemetry.logs import configure_logs


def ignore_own_epoch() -> None:
    """Whoever wrote to a table, it counts as the one that was built (rule T3)."""
    _leave_out(rules.table_is_unmodified)


def match_any_history() -> None:
    """Any execution on record may justify a skip, not the latest alone (rule T2)."""
    is_same = rules.same_logic
    _break(rules, "same_logic", lambda case, latest: any(is_same(case, one) for one in case.history.executions))


def null_epoch_is_fresh() -> None:
    """A table that is read, and of which nothing is known, counts as unchanged (rule F3)."""
    is_unchanged = EpochClock.is_unchanged
    _break(
        EpochClock, "is_unchanged", lambda clock, was, now, *more: now is None or is_unchanged(clock, was, now, *more)
    )


def ignore_configuration() -> None:
    """Neither configuration nor contract counts (rules L6a, L6b, L12)."""
    _leave_out(rules.configuration_is_unchanged, rules.contract_is_unchanged)


def ignore_inputs() -> None:
    """What is read may change as it likes (rule F1)."""
    _leave_out(rules.inputs_are_fresh)


def identity_without_inputs() -> None:
    """Two builds with one logic left equal content, whatever they read (rule I1)."""
    name = data_identity.identity_of
    anything = Input(None, None, "anything")
    _break(draft, "identity_of", lambda logic, node, inputs: name(logic, node, dict.fromkeys(inputs, anything)))


def inherit_unseen() -> None:
    """A copy inherits its source's record whatever its source holds by now (rule C5)."""

    def draft(order: clone.CloneOrder, source: History, **names: Any) -> object:
        epoch = None if source.latest is None else source.latest.epoch
        return clone.draft_clone(replace(order, source_epoch=epoch), source, **names)

    _break(register_clone, "draft_clone", draft)


def clone_from_other_inputs() -> None:
    """Any table of the same logic is copied, whatever it was built from (rule C1)."""
    _break(
        cloning,
        "RULES_OF_CANDIDATES",
        tuple(rule for rule in cloning.RULES_OF_CANDIDATES if rule is not rules.inputs_are_fresh),
    )


def copies_lack_nothing() -> None:
    """A copy counts as having the grants and descriptions of its source (rules C2, C6)."""
    _break(cloning, "left_behind", lambda dialect, source: [])


def views_have_no_logic() -> None:
    """A query whose text is known means what it meant, whatever the views that it reads have become (rule L4)."""
    digest = fingerprint.raw_digest
    _break(gathering, "raw_digest", lambda code: digest(replace(code, views=()) if isinstance(code, Code) else code))


def silent_builds_go_unseen() -> None:
    """What reads a table is told of no build that left its epoch where it was (rule F1a)."""
    _break(recording, "is_silent", lambda history, execution: False)


def hooks_are_trusted() -> None:
    """A hook that is unchanged counts as one that changes nothing (rule F1a)."""
    judge = silent.is_silent
    _break(
        recording,
        "is_silent",
        lambda history, execution: judge(history, replace(execution, hooks_are_harmless=True)),
    )


def columns_are_kept() -> None:
    """An unchanged incremental or snapshot counts as one that keeps its columns (rule F1a)."""
    _break(silent, "_keeps_its_columns", lambda before, execution: True)


MUTATIONS: dict[str, Callable[[], None]] = {
    mutation.__name__.replace("_", "-"): mutation
    for mutation in (
        ignore_own_epoch,
        match_any_history,
        null_epoch_is_fresh,
        ignore_configuration,
        ignore_inputs,
        identity_without_inputs,
        inherit_unseen,
        clone_from_other_inputs,
        copies_lack_nothing,
        views_have_no_logic,
        silent_builds_go_unseen,
        hooks_are_trusted,
        columns_are_kept,
    )
}


def _leave_out(*broken: rules.Rule) -> None:
    _break(decide, "RULES", tuple(rule for rule in rules.RULES if rule not in broken))


def _break(place: ModuleType | type, name: str, replacement: object) -> None:
    """Put something else in the place of a name; fails where the engine has no such name any more."""
    assert hasattr(place, name), f"{place.__name__} has no {name}: mend this mutation"
    setattr(place, name, replacement)


def main() -> None:
    MUTATIONS[sys.argv[1]]()
    settings = read_settings(os.environ, {})
    configure_logs(settings.logs.format, settings.logs.level)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
