"""The hunt's own account of what a server may know: what each node was last built from, and what stands where.

It tells a needless build from a right one, without looking at the server: a build is needless where code, configuration,
own content and the content of all inputs are by this account what they were at the node's last build. It knows contents by
names of its own; those of tables that follow from code and inputs alone are equal where these are. A seed that is loaded into
the table of another file has a name of its own, and the dbt target is part of every name (rule I1).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from tests.e2e.build import Build, Decision
from tests.e2e.hunt.arena import DEVELOPMENT, PRODUCTION, place
from tests.e2e.hunt.contents import Contents
from tests.e2e.hunt.files import query, seed_csv
from tests.e2e.hunt.project import SOURCES, DataTest, Kind, Node, Project

_DONE = (Decision.EXECUTE, Decision.NOT_ASKED)
_KEPT = (Decision.NO_OP, Decision.WITHIN_TOLERANCE)

Where = str
"""`target:place`, or a source's name."""


@dataclass(frozen=True, slots=True)
class View:
    """A view as it stands."""

    logic: str
    reads: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """How a node was last built."""

    logic: str
    config: str
    inputs: tuple[str, ...]
    """Names of the contents read, each with the damages that had been done to its table."""
    content: str
    """The name of what it left; empty for a test."""


class Evidence:
    """Follows a hunt, target by target."""

    def __init__(self) -> None:
        self._contents: dict[Where, str] = {source: f"{source} as set up" for source in SOURCES}
        self._views: dict[Where, View] = {}
        self._built: dict[tuple[str, str], Built] = {}
        self._production_places: dict[str, Where] = {}
        self._damages: Counter[Where] = Counter()
        self._numbers = itertools.count()

    def source_changed(self, source: str) -> None:
        self._contents[source] = self._fresh(source)

    def damaged(self, target: str, node: Node) -> None:
        """Somebody else wrote to a node's table, or put something else in its place.

        Once it is mended its content is what it was, but nobody can know of its readers whether they read the damage (rule F2).
        """
        where = _where(target, node)
        self._contents[where] = self._fresh(node.name)
        self._damages[where] += 1

    def forget(self) -> None:
        """Nothing is claimed of what was built so far: who wrote what is not known, or records were removed."""
        self._built.clear()
        for where in self._contents:
            self._contents[where] = self._fresh(where)

    def _fresh(self, name: str) -> str:
        return f"{name} #{next(self._numbers)}"

    def follow(
        self,
        target: str,
        project: Project,
        build: Build,
        *,
        full_refresh: bool,
        before: Contents,
        after: Contents,
    ) -> list[str]:
        """Take a run into account; the nodes that were built though nothing had changed.

        `before` and `after` tell what everything held then.
        """
        needless = []
        run = _Run(self, target, project, set(build.results), before, after)
        for name, result in build.results.items():
            if name in project.tests:
                claim = self._follow_test(run, project.tests[name], result.decision)
            elif name in project.nodes:
                claim = self._follow_node(run, project.nodes[name], result.decision, full_refresh)
            else:
                continue
            if claim and result.decision is Decision.EXECUTE:
                needless.append(name)
        return needless

    def _follow_node(self, run: _Run, node: Node, decision: Decision, full_refresh: bool) -> bool:
        where = _where(run.target, node)
        if node.kind is Kind.EPHEMERAL:
            return False
        if node.kind is Kind.VIEW:
            if decision in _DONE:
                logic, reads = run.logic_and_reads(node)
                self._views[where] = View(logic, reads)
                self._contents.pop(where, None)
            return False
        if decision is Decision.NOT_ASKED:  # the server was not there, and has not heard of this build
            self._built.pop((run.target, node.name), None)
            self._contents[where] = self._fresh(node.name)
            return False
        if decision not in (Decision.EXECUTE, *_KEPT, Decision.CLONE):
            return False
        logic, reads = run.logic_and_reads(node)
        logic += _own_state(node, run.stood(node), full_refresh)
        inputs = run.seen_of(reads)
        config = _configuration(run.project, node)
        last = self._built.get((run.target, node.name))
        claim = (
            last is not None
            and not (node.kind is Kind.TABLE and node.depends_on_its_past)
            and not (full_refresh and node.kind in (Kind.INCREMENTAL, Kind.SNAPSHOT))
            and (last.logic, last.config, last.inputs) == (logic, config, inputs)
            and self._contents.get(where) == last.content
            and run.has_rows([where, *run.leaves(reads)])
        )
        if decision in _KEPT:
            return claim
        if last is not None and last.inputs != inputs and _contents(last.inputs) == _contents(inputs):
            self._damages[where] += 1  # it may have been built from the damage, so its own readers are in doubt too
        named = run.has_rows(run.leaves(reads)) and not node.depends_on_its_past
        if decision is Decision.CLONE and node.depends_on_its_past:
            content = self.content_at(self.production_place(node))
        elif named:
            content = f"{run.target} by {hash((logic, config, run.contents_of(reads)))}"
            if node.kind is Kind.SEED and run.stood(node) and (last is None or last.content != content):
                content = self._fresh(node.name)
        else:
            content = self._fresh(node.name)
        self._contents[where] = content
        self._views.pop(where, None)
        self._built[run.target, node.name] = Built(logic, config, inputs, content)
        if run.target == PRODUCTION:
            self._production_places[node.name] = where
        return claim

    def _follow_test(self, run: _Run, test: DataTest, decision: Decision) -> bool:
        if decision is Decision.NOT_ASKED:
            self._built.pop((run.target, test.name), None)
        if decision not in (Decision.EXECUTE, *_KEPT):
            return False
        tested = [name for name in (test.node, test.other) if name is not None]
        logics = [repr(replace(test, name=""))]
        leaves: list[Where] = []
        for name in tested:
            logic, reads = run.logic_and_reads(Node(name=test.name, kind=Kind.TABLE, parents=(name,)), own=False)
            logics += [logic, *reads]
            leaves += reads
        built = Built("\n".join(logics), "", run.seen_of(leaves), "")
        claim = self._built.get((run.target, test.name)) == built and run.has_rows(run.leaves(leaves))
        self._built[run.target, test.name] = built
        return claim and not test.config.get("store_failures")

    def production_place(self, node: Node) -> Where:
        """Where production has a node: where it was last built, else where it would be."""
        return self._production_places.get(node.name, _where(PRODUCTION, node))

    def view_at(self, where: Where) -> View | None:
        return self._views.get(where)

    def damages_at(self, where: Where) -> int:
        return self._damages[where]

    def content_at(self, where: Where) -> str:
        return self._contents.setdefault(where, self._fresh(where))


class _Run:
    """One run's view of the evidence."""

    def __init__(
        self,
        evidence: Evidence,
        target: str,
        project: Project,
        ran: Collection[str],
        before: Contents,
        after: Contents,
    ) -> None:
        self.evidence, self.target, self.project = evidence, target, project
        self._ran, self._before, self._after = ran, before, after

    def place_read(self, parent: str) -> Where:
        """Where a parent is read: in development from production, unless the run builds it or development has it."""
        if parent in SOURCES:
            return parent
        node = self.project.nodes[parent]
        if self.target == DEVELOPMENT and parent not in self._ran and place(node) not in self._before[self.target]:
            return self.evidence.production_place(node)
        return _where(self.target, node)

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
                where = self.place_read(parent)
                reads.append(where)
                logics += self._views_logic(where)
        return "\n".join(logics), tuple(reads)

    def _views_logic(self, where: Where) -> list[str]:
        view = self.evidence.view_at(where)
        if view is None:
            return []
        return [view.logic, *(logic for read in view.reads for logic in self._views_logic(read))]

    def leaves(self, reads: Collection[Where]) -> list[Where]:
        """The tables at the end of views."""
        found = []
        for where in reads:
            view = self.evidence.view_at(where)
            found += [where] if view is None else self.leaves(view.reads)
        return found

    def contents_of(self, reads: Collection[Where]) -> tuple[str, ...]:
        return tuple(self.evidence.content_at(where) for where in self.leaves(reads))

    def seen_of(self, reads: Collection[Where]) -> tuple[str, ...]:
        """The same, each with the damages that had been done to its table."""
        evidence = self.evidence
        return tuple(f"{evidence.content_at(where)} after {evidence.damages_at(where)}" for where in self.leaves(reads))

    def has_rows(self, places: Collection[Where]) -> bool:
        """Whether none of the tables was or is empty: such have no epoch on PostgreSQL, so nothing can be proved of them."""
        for where in places:
            target, _, name = where.rpartition(":") if ":" in where else ("raw", "", where[4:])
            for held in (self._before, self._after):
                content = held[target].get(name)
                if content is None or not content.rows:
                    return False
        return True

    def stood(self, node: Node) -> bool:
        """Whether a node's table was there when the run began."""
        content = self._before[self.target].get(place(node))
        return content is not None and content.kind == "r"


def _contents(inputs: tuple[str, ...]) -> list[str]:
    """What was read, whatever damages had been done to it before."""
    return [seen.rpartition(" after ")[0] for seen in inputs]


def _where(target: str, node: Node) -> Where:
    return f"{target}:{place(node)}"


def _own_state(node: Node, stood: bool, full_refresh: bool) -> str:
    """What else the rendered query depends on."""
    return f"\nupon itself: {stood and not full_refresh}" if node.depends_on_its_past else ""


def _meaning(project: Project, node: Node) -> str:
    if node.kind is Kind.SEED:
        return seed_csv(node)
    if node.kind is Kind.SNAPSHOT:
        return "snapshot"
    shared = [project.macro_addend if node.calls_macro else None, project.variable if node.reads_variable else None]
    return f"{query(project, replace(node, cosmetics=0))} {shared}"


def _configuration(project: Project, node: Node) -> str:
    columns = project.columns(node.name) if node.contract else {}
    said = {key: value for key, value in node.config.items() if key not in ("alias", "schema", "tags")}
    return repr((node.kind, sorted(said.items(), key=str), node.contract, node.not_null, columns, node.description))
