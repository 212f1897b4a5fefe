"""Stores named by one text: `local:DIR`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings import StoreSettings

FORMS = "local:DIR"
"""For help."""


def store_settings_of(url: str, base: StoreSettings) -> StoreSettings:
    """The settings of the store that `url` names; all that it does not tell is taken from `base`.

    Raises `InvalidSettings` where it names none.
    """
    scheme, _, place = url.partition(":")
    if scheme == "local" and place:
        return replace(base, kind="local", directory=Path(place).expanduser())
    raise InvalidSettings(f'"{url}" names no store; name one as {FORMS}')
