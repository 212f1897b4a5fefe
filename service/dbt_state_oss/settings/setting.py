"""The type of a row in the table of settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. `parse` raises ValueError with what the value must be, such as "must be a port"."""

    variable: str
    flag: str
    """Empty if there is no flag: a secret must not appear in the list of processes."""
    field: str
    """The place of the value in Settings: "group.attribute"."""
    default: str
    parse: Callable[[str], object]
    value: str
    """The placeholder for the value in help."""
    help: str
    store: str = ""
    """The only kind of store that uses this setting. Rows of several stores may share a flag."""
    secret: bool = False
    may_be_empty: bool = False
    """If true, a variable with an empty value counts as set."""

    def applies_to(self, store: str) -> bool:
        """Return whether the setting has an effect with this kind of store."""
        return self.store in ("", store)
