"""Chooses the text of each setting and converts all of them to values.

A flag takes precedence over its variable. An empty variable counts as not set. All faults are reported in one message.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings.setting import Setting
from dbt_state_oss.settings.stores import PLACES, STORES, missing
from dbt_state_oss.settings.table import SETTINGS
from dbt_state_oss.settings.values import (
    DecisionSettings,
    JournalSettings,
    ListenSettings,
    LogSettings,
    ParsingSettings,
    Settings,
    StoreSettings,
    TicketSettings,
)

MASK = "********"

_CREDENTIALS = re.compile(r"(?<=://)\S*(?=@)|(?<=\?).+", re.DOTALL)
"""The secret parts of a URL: user and password, and the query, which may be a signature."""
_PREFIX = "DBTSTATE_"
_STORE = next(setting for setting in SETTINGS if setting.field == "store.kind")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The text that is used for a setting, and its source: "flag", "environment" or "default"."""

    text: str
    source: str


def chosen(
    environment: Mapping[str, str], flags: Mapping[str, str], table: Sequence[Setting] = SETTINGS
) -> dict[Setting, Chosen]:
    """Return the text for each setting that applies to the chosen store. Keys of `flags` are flags as written ("--port")."""
    store = flags.get(_STORE.flag) or environment.get(_STORE.variable) or _STORE.default
    choices = {}
    for setting in table:
        if not setting.applies_to(store):
            continue
        if setting.flag in flags:
            choices[setting] = Chosen(flags[setting.flag], "flag")
        elif environment.get(setting.variable) or (setting.may_be_empty and setting.variable in environment):
            choices[setting] = Chosen(environment[setting.variable], "environment")
        else:
            choices[setting] = Chosen(setting.default, "default")
    return choices


def read_settings(
    environment: Mapping[str, str],
    flags: Mapping[str, str],
    *,
    other_faults: Sequence[str] = (),
    table: Sequence[Setting] = SETTINGS,
) -> Settings:
    """Return the settings in force. Raises InvalidSettings with every fault, including `other_faults`."""
    groups: dict[str, dict[str, Any]] = {}
    choices = chosen(environment, flags, table)
    faults = [*other_faults, *_unknown_variables(environment, table), *_unused_flags(flags, choices)]
    for setting, choice in choices.items():
        group, _, attribute = setting.field.partition(".")
        try:
            groups.setdefault(group, {})[attribute] = setting.parse(choice.text)
        except ValueError as error:
            faults.append(_fault(setting, choice, error))
    if faults:
        raise InvalidSettings(faults_text(faults))
    kind = groups["store"].pop("kind")
    place = PLACES[kind](**groups[kind])
    if fault := missing(place):
        raise InvalidSettings(faults_text([fault]))
    return Settings(
        store=StoreSettings(place=place, **groups["store"]),
        listen=ListenSettings(**groups["listen"]),
        logs=LogSettings(**groups["logs"]),
        decisions=DecisionSettings(**groups["decisions"]),
        journal=JournalSettings(**groups["journal"]),
        tickets=TicketSettings(**groups["tickets"]),
        parsing=ParsingSettings(**groups["parsing"]),
    )


def shown(setting: Setting, text: str) -> str:
    """Return a value in a form that may be printed. Secrets are masked, also those in URLs."""
    if setting.secret and text:
        return MASK
    return _CREDENTIALS.sub(MASK, text)


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return " (did you mean …?)" if a known word is similar to `word`, otherwise an empty string."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def faults_text(faults: Sequence[str]) -> str:
    """Return all faults as one message."""
    if len(faults) == 1:
        return f"Invalid setting: {faults[0]}."
    lines = "".join(f"\n  - {fault}" for fault in faults)
    return f"{len(faults)} invalid settings:{lines}"


def _unknown_variables(environment: Mapping[str, str], table: Sequence[Setting]) -> list[str]:
    known = [setting.variable for setting in table]
    return [
        f"{name} is not a setting of this version{suggestion(name, known)}"
        for name in sorted(environment)
        if name.startswith(_PREFIX) and name not in known
    ]


def _unused_flags(flags: Mapping[str, str], choices: Mapping[Setting, Chosen]) -> list[str]:
    """Return faults for flags of other stores, because they would have no effect. Variables of other stores are allowed."""
    useful = {setting.flag for setting in choices}
    store = choices[_STORE].text
    return (
        [
            f'{flag} is not used by the store "{store}"; remove it, or choose its store with --store'
            for flag in flags
            if flag not in useful
        ]
        if store in STORES
        else []
    )


def _fault(setting: Setting, choice: Chosen, error: ValueError) -> str:
    if not choice.text:
        return f"{setting.variable} ({setting.flag}) {error}"
    name = setting.flag if choice.source == "flag" else setting.variable
    return f'{name} {error} (got "{shown(setting, choice.text)}")'
