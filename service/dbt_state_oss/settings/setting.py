"""A row of the settings' table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. `parse` raises ValueError with what the value must be: "must be a port"."""

    variable: str
    flag: str
    """Empty: there is none, since whoever lists the processes could read what follows it."""
    field: str
    """Where the value goes: "group.attribute" of Settings."""
    default: str
    parse: Callable[[str], object]
    value: str
    """What to write after the flag, for help."""
    help: str
    store: str = ""
    """The only kind of store that it is for; rows of several stores may share a flag."""
    secret: bool = False
    may_be_empty: bool = False
    """A variable that is set to nothing counts, and is not the same as one that is not set."""

    def applies_to(self, store: str) -> bool:
        """Whether it has an effect where the state is kept in this kind of store."""
        return self.store in ("", store)
