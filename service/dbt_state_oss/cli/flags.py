"""The settings' table as flags of a command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence

from dbt_state_oss.settings import SETTINGS, Setting, Settings, read_settings, suggestion

NAME = "dbt-state-oss"

STORE_SETTINGS = tuple(setting for setting in SETTINGS if setting.flag in ("--store", "--dir"))
"""What it takes to open the store."""


def add_settings(parser: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """One flag for each setting; the texts are parsed with the environment, so that all faults are told at once."""
    group = parser.add_argument_group("settings")
    for setting in settings:
        default = f"default {setting.default}" if setting.default else "no default"
        group.add_argument(
            setting.flag,
            dest=setting.variable,
            metavar=setting.value,
            default=argparse.SUPPRESS,
            help=f"{setting.help} [{setting.variable}; {default}]".replace("%", "%%"),
        )


def flags_of(options: argparse.Namespace) -> dict[str, str]:
    """The flags that were written, by flag."""
    written = vars(options)
    return {setting.flag: written[setting.variable] for setting in SETTINGS if setting.variable in written}


def settings_of(options: argparse.Namespace, unknown: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings in force; raises InvalidSettings with every fault, arguments that nobody knows among them."""
    known = [setting.flag for setting in SETTINGS]
    words = [word for word in unknown if word.startswith("-")] or unknown
    faults = [f"{word} is no argument of this command{suggestion(word.partition('=')[0], known)}" for word in words]
    return read_settings(environment, flags_of(options), other_faults=faults)
