"""Reads `docs/conformance.md`: every entry, with the heading that it stands under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"

_IN_TICKS = re.compile(r"`([^`]+)`")
_ITEM = re.compile(r"- (Ours|Hosted service|Proof):\s*(.*)")
"""The items under the heading of an entry."""


@dataclass(frozen=True, slots=True)
class Row:
    """One name of one entry; an entry whose heading holds several names is as many of these."""

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
    for block in re.split(r"^(?=#)", text, flags=re.MULTILINE):
        heading, _, body = block.partition("\n")
        if not heading.startswith("#### "):
            section = heading.lstrip("# ").strip()
            continue
        items = {
            match[1]: match[2] for each in re.split(r"^(?=- )", body, flags=re.MULTILINE) if (match := _match(each))
        }
        for name in _IN_TICKS.findall(heading):
            yield Row(section, name, items["Ours"], items["Hosted service"], items["Proof"])


def _match(item: str) -> re.Match[str] | None:
    return _ITEM.match(" ".join(item.split()))
