"""Turns the table of settings into flags of a command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence

from dbt_state_oss.settings import SETTINGS, Setting, Settings, read_settings, suggestion

NAME = "dbt-state-oss"

STORE_SETTINGS = tuple(setting for setting in SETTINGS if setting.store or setting.field.startswith("store."))
"""The settings that are needed to open the store."""


def add_settings(parser: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """Add one flag for each setting. The values are parsed together with the environment, so all faults are reported at once."""
    group = parser.add_argument_group("settings")
    by_flag: dict[str, list[Setting]] = {}
    for setting in settings:
        by_flag.setdefault(setting.flag, []).append(setting)
    by_flag.pop("", None)
    for flag, rows in by_flag.items():
        group.add_argument(
            flag,
            metavar=rows[0].value,
            default=argparse.SUPPRESS,
            help=_help(rows).replace("%", "%%"),
        )


def _help(rows: Sequence[Setting]) -> str:
    """Return the help texts of all rows that share a flag, each text once."""
    by_text: dict[str, list[Setting]] = {}
    for row in rows:
        by_text.setdefault(row.help, []).append(row)
    return "; ".join(f"{_stores(alike)}{text} [{_variables(alike)}]" for text, alike in by_text.items())


def _stores(rows: Sequence[Setting]) -> str:
    stores = ", ".join(row.store for row in rows if row.store)
    return stores and f"{stores}: "


def _variables(rows: Sequence[Setting]) -> str:
    names = ", ".join(row.variable for row in rows)
    return f"{names}; default {rows[0].default}" if rows[0].default else f"{names}; no default"


def flags_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the values of the flags that the user passed, by flag."""
    passed = vars(options)
    flags = {setting.flag for setting in SETTINGS}
    return {flag: text for flag in flags if (text := passed.get(flag[2:].replace("-", "_"))) is not None}


def settings_of(options: argparse.Namespace, unknown: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings in force. Raises InvalidSettings with every fault, including unknown arguments."""
    known = list({setting.flag: None for setting in SETTINGS if setting.flag})
    words = [word for word in unknown if word.startswith("-")] or unknown
    faults = [f"{word} is not an argument of this command{suggestion(word.partition('=')[0], known)}" for word in words]
    return read_settings(environment, flags_of(options), other_faults=faults)
