"""Defines which versions of which client are supported.

The client has two implementations with separate version numbers: the Python package `dbt-state`, and the client inside dbt
v2, which reports the version of dbt. The number alone does not identify the implementation: 2.20 can be either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from dbt_state_oss.application.caller import ClientLine


@dataclass(frozen=True, slots=True)
class ClientVersions:
    """The supported versions of each client line."""

    served: Mapping[ClientLine, SpecifierSet]

    def serves(self, version: Version, line: ClientLine | None) -> bool:
        """Return whether this version is supported. If the client line is unknown (None), return whether any line supports it."""
        return any(
            specifiers.contains(version, prereleases=True)
            for each, specifiers in self.served.items()
            if line in (None, each)
        )

    def __str__(self) -> str:
        """Return the text in the form of the setting."""
        return "; ".join(f"{line.value}{specifiers}" for line, specifiers in self.served.items())
