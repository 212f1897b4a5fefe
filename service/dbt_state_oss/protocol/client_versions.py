"""Which versions of which client are served.

Two implementations of the client have version lines of their own: the Python package `dbt-state`, and the client inside dbt v2,
which reports the version of dbt. A number alone does not tell them apart: 2.20 may be either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from dbt_state_oss.application.caller import ClientLine


@dataclass(frozen=True, slots=True)
class ClientVersions:
    """The served versions of each line."""

    served: Mapping[ClientLine, SpecifierSet]

    def serves(self, version: Version, line: ClientLine | None) -> bool:
        """Whether this version is served; of a client whose line is not known, whether any line serves it."""
        return any(
            specifiers.contains(version, prereleases=True)
            for each, specifiers in self.served.items()
            if line in (None, each)
        )

    def __str__(self) -> str:
        """As in the setting."""
        return "; ".join(f"{line.value}{specifiers}" for line, specifiers in self.served.items())
