"""What the server has acknowledged, noted by whoever was told: one JSON object a line, in a file of each writer's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One acknowledgement. An execution has several where its epoch was raised; the highest epoch holds."""

    execution_id: str
    epoch: int | None
    """Unix milliseconds; None for data tests."""
    failures: int | None
    """A data test's result; None for anything else."""
    attempts: int
    """Calls until the answer came: more than one where the server died meanwhile."""


class Journal:
    """Appends to a file; for many threads at once. The file outlives this process, not the system."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, acknowledged: Acknowledged) -> None:
        """Note it for good: call this before anything else is done."""
        os.write(self._descriptor, msgspec.json.encode(acknowledged) + b"\n")

    def close(self) -> None:
        os.close(self._descriptor)


def read_journal(path: Path) -> Iterator[Acknowledged]:
    """Everything that was noted."""
    with path.open("rb") as lines:
        for line in lines:
            yield msgspec.json.decode(line, type=Acknowledged)
