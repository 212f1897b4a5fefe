"""The hunt's own account of what a server may know: what each node was last built from, and what stands where.

It knows contents by names of its own. Those of tables that follow from code and inputs alone are equal where these are. Every
load of a seed has a name of its own, and the dbt target is part of every name (rule I1).
`following.py` takes runs into account.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, replace

from tests.e2e.hunt.arena import PRODUCTION
from tests.e2e.hunt.project import SOURCES, Node
from tests.e2e.hunt.reading import Seen, View, Where, where_of


@dataclass(frozen=True, slots=True)
class Built:
    """How a node was last built."""

    logic: str
    config: str
    inputs: tuple[Seen, ...]
    content: str = ""
    """The name of what it left; empty for a test."""
    as_written: str = ""
    """All that the client tells of the node's file."""
    sighted: bool = False
    """A later run has found all inputs as the build had found them."""
    counted: tuple[int, ...] | None = None
    """The moves of the inputs up to which cut-offs are counted."""


class Evidence:
    """What stands where, target by target, and how it came there."""

    def __init__(self, *, keeps_sightings: bool = True) -> None:
        """`keeps_sightings`: no server is killed in each run, which loses what it has only seen and not yet written."""
        self.keeps_sightings = keeps_sightings
        self.contents: dict[Where, str] = {source: f"{source} as set up" for source in SOURCES}
        self.views: dict[Where, View] = {}
        self.built: dict[tuple[str, str], Built] = {}
        """By target and name."""
        self.production_places: dict[str, Where] = {}
        self.moves: Counter[Where] = Counter()
        self.damages: Counter[Where] = Counter()
        self.doubts: Counter[Where] = Counter()
        self._numbers = itertools.count()

    def source_changed(self, source: str) -> None:
        self.contents[source] = self.fresh_name(source)

    def damaged(self, target: str, node: Node) -> None:
        """Somebody else wrote to a node's table, or put something else in its place.

        Once it is mended its content is what it was, but only a later run can show of a reader's build that it did not read
        the damage (rule F2).
        """
        where = where_of(target, node)
        self.contents[where] = self.fresh_name(node.name)
        self.damages[where] += 1

    def emptied(self, target: str) -> None:
        """Somebody else dropped all schemas of a target: to a server the same as damage to each of its tables."""
        for where in [each for each in self.contents if each.startswith(f"{target}:")]:
            self.contents[where] = self.fresh_name(where)
            self.damages[where] += 1

    def forget(self) -> None:
        """Nothing is claimed of what was built so far: who wrote what is not known, or records were removed."""
        self.built.clear()
        for where in self.contents:
            self.contents[where] = self.fresh_name(where)

    def server_killed(self) -> None:
        """What the server had seen in skips may be lost with it."""
        self.built = {key: replace(built, sighted=False) for key, built in self.built.items()}

    def fresh_name(self, name: str) -> str:
        """A name for content that equals no other."""
        return f"{name} #{next(self._numbers)}"

    def production_place(self, node: Node) -> Where:
        """Where production has a node: where it was last built, else where it would be."""
        return self.production_places.get(node.name, where_of(PRODUCTION, node))

    def view_at(self, where: Where) -> View | None:
        return self.views.get(where)

    def seen_at(self, where: Where) -> Seen:
        """A table as a build would find it now."""
        content = self.contents.setdefault(where, self.fresh_name(where))
        return Seen(where, content, self.moves[where], self.damages[where], self.doubts[where])

    def in_doubt(self, built: Built) -> bool:
        """Whether an input may have held something else while a build read it, by all that is known now."""
        for was in built.inputs:
            now = self.seen_at(was.where)
            if now.doubts != was.doubts or (now.damages != was.damages and not built.sighted):
                return True
        return False
