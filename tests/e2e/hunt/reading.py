"""What the nodes of one run mean and read, by the hunt's own account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

from tests.e2e.hunt.arena import DEVELOPMENT, place
from tests.e2e.hunt.contents import Content, Contents
from tests.e2e.hunt.files import query, seed_csv
from tests.e2e.hunt.project import SOURCES, Kind, Node, Project

Where = str
"""`target:place`, or a source's name."""


@dataclass(frozen=True, slots=True)
class View:
    """A view as it stands."""

    logic: str
    reads: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A table as a build finds it."""

    where: Where
    content: str
    """The content's name."""
    moves: int
    """How often the table's epoch has moved."""
    damages: int
    """How often somebody else wrote to it."""
    doubts: int
    """How often a build of it has turned out to have read what nobody can know."""


class Standing(Protocol):
    """What is known of what stands where."""

    def production_place(self, node: Node) -> Where: ...

    def view_at(self, where: Where) -> View | None: ...

    def seen_at(self, where: Where) -> Seen: ...


class Reading:
    """One run's view of a project."""

    def __init__(
        self,
        standing: Standing,
        target: str,
        project: Project,
        ran: Collection[str],
        before: Contents,
        after: Contents,
    ) -> None:
        """`ran`: the names of the nodes in the run; `before` and `after` tell what everything held then."""
        self.target, self.project = target, project
        self._standing, self._ran, self._before, self._after = standing, ran, before, after

    def logic_and_reads(self, node: Node, *, own: bool = True) -> tuple[str, tuple[Where, ...]]:
        """What a node's query means, ephemeral models and all views included, and the relations that it names.

        An ephemeral model stands in the text of what reads it, so it is not the same as a view of the same query.
        """
        logics = [_meaning(self.project, node)] if own else []
        reads: list[Where] = []
        for parent in node.parents:
            other = self.project.nodes.get(parent)
            if other is not None and other.kind is Kind.EPHEMERAL:
                logic, read = self.logic_and_reads(other)
                logics.append(f"as a subquery:\n{logic}")
                reads += read
            else:
                where = self._place_read(parent)
                reads.append(where)
                logics += self._views_logic(where)
        return "\n".join(logics), tuple(reads)

    def _place_read(self, parent: str) -> Where:
        """Where a parent is read: in development from production, unless the run builds it or development has it."""
        if parent in SOURCES:
            return parent
        node = self.project.nodes[parent]
        if self.target == DEVELOPMENT and parent not in self._ran and place(node) not in self._before[self.target]:
            return self._standing.production_place(node)
        return where_of(self.target, node)

    def _views_logic(self, where: Where) -> list[str]:
        view = self._standing.view_at(where)
        if view is None:
            return []
        return [view.logic, *(logic for read in view.reads for logic in self._views_logic(read))]

    def leaves(self, reads: Collection[Where]) -> list[Where]:
        """The tables at the end of views."""
        found = []
        for where in reads:
            view = self._standing.view_at(where)
            found += [where] if view is None else self.leaves(view.reads)
        return found

    def seen(self, reads: Collection[Where]) -> tuple[Seen, ...]:
        """What these relations are made of."""
        return tuple(self._standing.seen_at(where) for where in self.leaves(reads))

    def has_rows(self, places: Collection[Where]) -> bool:
        """Whether each of the tables holds rows after the run: an empty one has no epoch, so nothing can be proved of it."""
        return all(self._has_rows(self._after, where) for where in places)

    def had_rows(self, where: Where) -> bool:
        """The same of one table before the run."""
        return self._has_rows(self._before, where)

    def _has_rows(self, held: Contents, where: Where) -> bool:
        content = _content_at(held, where)
        return content is not None and bool(content.rows)

    def was_left_alone(self, where: Where) -> bool:
        """Whether the run has left a relation as it was."""
        return _content_at(self._before, where) == _content_at(self._after, where)

    def stood(self, node: Node) -> bool:
        """Whether a node's table was there when the run began."""
        content = self._before[self.target].get(place(node))
        return content is not None and content.kind == "r"


def where_of(target: str, node: Node) -> Where:
    return f"{target}:{place(node)}"


def _content_at(held: Contents, where: Where) -> Content | None:
    target, _, name = where.rpartition(":") if ":" in where else ("raw", "", where[4:])
    return held[target].get(name)


def _meaning(project: Project, node: Node) -> str:
    if node.kind is Kind.SEED:
        return seed_csv(node)
    if node.kind is Kind.SNAPSHOT:
        return "snapshot"
    shared = [project.macro_addend if node.calls_macro else None, project.variable if node.reads_variable else None]
    return f"{query(project, replace(node, cosmetics=0))} {shared}"


def configuration(project: Project, node: Node) -> str:
    """A node's configuration, as far as it counts."""
    columns = project.columns(node.name) if node.contract else {}
    said = {key: value for key, value in node.whole_config.items() if key not in ("alias", "schema", "tags")}
    return repr((node.kind, sorted(said.items(), key=str), node.contract, node.not_null, columns, node.description))
