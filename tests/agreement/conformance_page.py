"""Reads `docs/conformance.md`: every row of its tables, with the heading that the row stands under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"

_CELL_EDGE = re.compile(r"(?<!\\)\|")
_IN_TICKS = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """One name of one row; a row whose first cell holds several names is as many of these."""

    section: str
    name: str
    ours: str
    hosted: str
    proof: str

    def __str__(self) -> str:
        return f"{self.name} under {self.section}"

    @property
    def proofs(self) -> list[str]:
        """The tests that it names, as pytest does."""
        return _IN_TICKS.findall(self.proof)


def rows() -> list[Row]:
    """All rows of the page, in their order."""
    return list(_rows(PAGE.read_text("utf-8")))


def _rows(text: str) -> Iterator[Row]:
    section = ""
    for line in text.splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ").strip()
        elif line.startswith("| `"):
            names, ours, hosted, proof = (cell.strip() for cell in _CELL_EDGE.split(line.strip("|\n")))
            for name in _IN_TICKS.findall(names):
                yield Row(section, name, ours, hosted, proof)
