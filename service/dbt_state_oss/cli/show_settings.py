"""`dbt-state-oss settings`: prints the settings in force."""

from __future__ import annotations

import argparse
import os

from dbt_state_oss.cli.flags import flags_of
from dbt_state_oss.settings import chosen, shown


def run(options: argparse.Namespace) -> int:
    """Print each setting, its value, and its source: flag, environment or default."""
    choices = chosen(os.environ, flags_of(options))
    name_width = max(len(setting.variable) for setting in choices)
    text_width = max(len(shown(setting, choice.text)) for setting, choice in choices.items())
    for setting, choice in choices.items():
        text = shown(setting, choice.text) or "(none)"
        print(f"{setting.variable:<{name_width}}  {text:<{text_width}}  {choice.source}")
    return 0
