"""Renders docs/settings.md from the settings' table: `make docs` writes it, a test holds it to the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dbt_state_oss.settings import SETTINGS, Setting
from dbt_state_oss.settings.stores import STORES

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

_INTRODUCTION = """\
# Settings

Every setting is an environment variable and, except for secrets, a flag of `dbt-state-oss serve`. A flag wins over its variable.
An empty variable counts as not set, except where this page says otherwise. `dbt-state-oss settings` shows the values in force and
where each comes from. All invalid settings are reported in one error.

This page is rendered from `settings/table.py` by `make docs`.
"""

_HEADINGS = {
    "store": "Store",
    "listen": "Server",
    "logs": "Logs",
    "decisions": "Decisions",
    "journal": "Explanations",
    "tickets": "Tickets",
    "parsing": "Parsing",
}
"""By the group of the settings, the first word of their fields."""


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION.rstrip()
    for group, heading in _HEADINGS.items():
        yield from _section(heading, [each for each in SETTINGS if each.field.startswith(f"{group}.")])
    for store in STORES:
        yield from _section(f"The store `{store}`", [each for each in SETTINGS if each.store == store])


def _section(heading: str, settings: list[Setting]) -> Iterator[str]:
    yield f"\n## {heading}"
    for setting in settings:
        yield f"\n### {setting.variable}\n"
        flag = f"`{setting.flag} {setting.value}`" if setting.flag else "none, since other users could read it"
        default = f"`{setting.default}`" if setting.default else "none"
        yield f"- Flag: {flag}"
        yield f"- Default: {default}"
        if setting.may_be_empty:
            yield "- An empty variable sets it to nothing."
        yield f"\n{setting.help[0].upper()}{setting.help[1:]}."


if __name__ == "__main__":
    PAGE.write_text(page())
