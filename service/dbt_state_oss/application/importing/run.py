"""The parts of dbt's artifacts that are evidence of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_VOLATILE = frozenset(
    {
        "build_path",
        "compiled",
        "compiled_code",
        "compiled_path",
        "created_at",
        "defer_relation",
        "extra_ctes",
        "extra_ctes_injected",
    }
)
"""Node keys that differ between two parses of one project or come from compiling. The compiled SQL is compared separately."""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """What the run did with one node. Times are Unix milliseconds of the clock of dbt's host."""

    status: str
    began: float
    """When its compilation began. From then on, dbt may have read its inputs."""
    started: float
    """When its execution began."""
    ended: float
    sql: str | None
    """The compiled SQL that was run; None if the artifacts do not contain it."""

    def wrote(self, epoch: int | None) -> bool:
        """Return whether a table with this epoch (whole milliseconds) was last modified while the node was executed."""
        return epoch is not None and self.started - 1 < epoch < self.ended + 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """A project as dbt parsed it."""

    invocation: str
    dbt_version: str
    nodes: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Mapping[str, Any]]
    macros: Mapping[str, Mapping[str, Any]]

    def definition(self, unique_id: str) -> object:
        """Return everything that determines what a node does: the node itself, and all macros that it calls, also indirectly.

        The result is only good for comparison. It is None if the node does not exist.
        """
        node = self.nodes.get(unique_id)
        if node is None:
            return None
        waiting, macros = list(_macros_of(node)), dict[str, object]()
        while waiting:
            name = waiting.pop()
            if name not in macros:
                macro = self.macros.get(name, {})
                macros[name] = macro.get("macro_sql")
                waiting += _macros_of(macro)
        return {key: value for key, value in node.items() if key not in _VOLATILE}, macros


@dataclass(frozen=True, slots=True)
class PlainRun:
    """One run of dbt: the project, and what the run did with each node."""

    manifest: Manifest
    results: Mapping[str, NodeRun]
    arguments: Mapping[str, Any]


def _macros_of(node_or_macro: Mapping[str, Any]) -> list[str]:
    names: list[str] = node_or_macro.get("depends_on", {}).get("macros", [])
    return names
