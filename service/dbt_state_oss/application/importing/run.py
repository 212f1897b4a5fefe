"""What dbt wrote down of a run, as far as it is evidence. Pure."""

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
"""What differs between two parses of one project, or comes from compiling; the compiled SQL is held apart."""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """What the run did with one node. Times are Unix milliseconds on the clock of dbt's host."""

    status: str
    began: float
    """When its compilation did: what it reads may have been looked at from then on."""
    started: float
    """When its execution did."""
    ended: float
    sql: str | None
    """What was run, as compiled; None where the run does not tell."""

    def wrote(self, epoch: int | None) -> bool:
        """Whether a table that was last modified at `epoch`, a whole millisecond, was so while this node was executed."""
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
        """All that decides what a node does, to be compared: itself, and the macros that it calls, directly or through others."""
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
    """One run of dbt: what it was to build, and what it did."""

    manifest: Manifest
    results: Mapping[str, NodeRun]
    arguments: Mapping[str, Any]


def _macros_of(thing: Mapping[str, Any]) -> list[str]:
    names: list[str] = thing.get("depends_on", {}).get("macros", [])
    return names
