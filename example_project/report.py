"""A build as text: which nodes were built or reused and why, and whether that is what dbt's own graph asks for."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from example_project.playground import Build, NodeResult

WIDTH = max(80, min(140, shutil.get_terminal_size((120, 24)).columns))
COLOURS = {"built": "\033[33m", "NO-OP": "\033[32m"} if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {}
TOTALS = ("built", "NO-OP", "views", "dbt took", "time saved")
NOT_ASKED = "not asked: on PostgreSQL a view is always created again, which is cheap"


def build_table(build: Build) -> str:
    """Each node with what became of it and the server's reason, upstream first, tests last."""
    order = sorted(
        build.results, key=lambda result: (_is_test(result), _depth(result.unique_id, build.parents), result.unique_id)
    )
    return table(("node", "decision", "why"), [(_label(result), _verdict(result), _reason(result)) for result in order])


def totals(build: Build) -> tuple[str, ...]:
    """The build's line in the summary, under the names of `TOTALS`; the time saved is what the reused once took to build."""
    verdicts = Counter(map(_verdict, build.results))
    saved_ms = sum(result.decision.saved_ms for result in build.results if result.reused and result.decision)
    counts = (str(verdicts[verdict]) for verdict in ("built", "NO-OP", "view"))
    return (*counts, f"{build.seconds:.1f} s", f"{saved_ms / 1000:.2f} s")


def faults(build: Build, changed: Collection[str] | None) -> Iterator[str]:
    """Where the build is not what must follow from a change at the nodes `changed` (None: at all of them)."""
    must_build = None if changed is None else _with_descendants(changed, build.children)
    for result in build.results:
        due = must_build is None or result.unique_id in must_build
        if result.is_view:
            continue
        if result.decision is None:
            yield f"{_label(result)}: the server was not asked"
        elif result.reused != result.decision.reuse:
            yield f"{_label(result)}: dbt did not do what the server had answered"
        elif result.reused and due:
            yield f"{_label(result)}: was reused, but depends on what has changed"
        elif not result.reused and not due:
            yield f"{_label(result)}: was built, but depends on nothing that has changed"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be; the last one is wrapped to the terminal's width."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head) - 1)]
    last = max(20, WIDTH - sum(widths) - 3 * len(widths))
    lines = []
    for row in [head, *rows]:
        start = " │ ".join(_coloured(cell.ljust(width)) for cell, width in zip(row, widths, strict=False))
        indent = " │ ".join(" " * width for width in widths)
        for number, line in enumerate(textwrap.wrap(row[-1], last) or [""]):
            lines.append(f"{indent if number else start} │ {line}")
    rule = "─┼─".join("─" * width for width in [*widths, last])
    return "\n".join([lines[0], rule, *lines[1:]])


def _verdict(result: NodeResult) -> str:
    if result.is_view:
        return "view"
    return "NO-OP" if result.reused else "built"


def _reason(result: NodeResult) -> str:
    if result.decision:
        return result.decision.description
    return NOT_ASKED if result.is_view else "the server was not asked"


def _label(result: NodeResult) -> str:
    kind, _, name, *_ = result.unique_id.split(".")
    return f"{kind} {name}"


def _is_test(result: NodeResult) -> bool:
    return result.unique_id.startswith("test.")


def _coloured(cell: str) -> str:
    colour = COLOURS.get(cell.strip())
    return f"{colour}{cell}\033[0m" if colour else cell


def _depth(unique_id: str, parents: Mapping[str, Sequence[str]]) -> int:
    return 1 + max((_depth(parent, parents) for parent in parents.get(unique_id, ())), default=-1)


def _with_descendants(nodes: Collection[str], children: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += children.get(node, ())
    return found
