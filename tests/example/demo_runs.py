"""Runs of the demo, and the table rows that they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^(\w+ \w+) +│ (built|NO-OP|view) +│ (.+(?:\n +│ +│ .+)*)", re.MULTILINE)
_LINE_BREAK = re.compile(r"\n +│ +│ ")


@dataclass(frozen=True, slots=True)
class PrintedBuild:
    """One build's table: what became of each node, and why."""

    verdicts: dict[str, str]
    reasons: dict[str, str]

    def nodes(self, verdict: str) -> set[str]:
        return {node for node, each in self.verdicts.items() if each == verdict}


def printed_builds(output: str) -> list[PrintedBuild]:
    """The builds of a demo's output, in order."""
    chapters = re.split(r"^\d\. ", output, flags=re.MULTILINE)[1:]
    return [
        PrintedBuild(
            verdicts={node: verdict for node, verdict, _ in rows},
            reasons={node: _LINE_BREAK.sub(" ", reason) for node, _, reason in rows},
        )
        for rows in map(_ROW.findall, chapters)
    ]


@dataclass(frozen=True, slots=True)
class DemoRunner:
    """Starts demos whose temporary files all go into `folder`."""

    folder: Path

    def start(
        self, *arguments: str, root: Path = ROOT, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """`root` holds the folder example_project to be run; `environment` is beside this process's own."""
        return subprocess.Popen(
            [sys.executable, "-m", "example_project.demo", *arguments],
            cwd=root,
            env={**os.environ, **(environment or {}), "TMPDIR": str(self.folder), "COLUMNS": "140"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def leftovers(self, *, seconds: float = 10) -> list[str]:
        """Files, and processes that go on: whatever a demo starts has this folder in its environment.

        PostgreSQL counts as stopped a moment before its process ends, so processes have some `seconds` for that.
        """
        until = time.monotonic() + seconds
        while (processes := self._processes()) and time.monotonic() < until:
            time.sleep(0.1)
        return processes + [str(path) for path in self.folder.iterdir()]

    def _processes(self) -> list[str]:
        listing = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
        return [line for line in listing.splitlines() if str(self.folder) in line]
