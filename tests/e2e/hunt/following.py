"""Runs held against the hunt's account: which nodes need not have been built, and which early cut-offs were taken.

A build is needless where code, configuration, own content and the content of all inputs are by this account what they were at the
node's last build. The server is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from tests.e2e.build import Build, Decision
from tests.e2e.hunt.arena import PRODUCTION
from tests.e2e.hunt.contents import Contents
from tests.e2e.hunt.evidence import Built, Evidence
from tests.e2e.hunt.project import DataTest, Kind, Node, Project
from tests.e2e.hunt.reading import Reading, View, configuration, where_of

_DONE = (Decision.EXECUTE, Decision.NOT_ASKED)
_KEPT = (Decision.NO_OP, Decision.WITHIN_TOLERANCE)
_SHOWS_NO_HOOKS = frozenset({"incremental_strategy", "unique_key", "merge_update_columns", "on_schema_change"})
"""With these alone in its configuration, an incremental provably has no hooks."""


class Claim(Enum):
    """What is claimed of a node whose logic, own content and inputs are what they were at its last build."""

    UNMOVED = "nothing that it reads has moved"
    CUT_OFF = "what it reads was built again, to the same content"
    IN_DOUBT = "the same, but its last build may have read something else, and nobody can know (rule F2)"


@dataclass(slots=True)
class Account:
    """What a run has shown."""

    needless: dict[str, Claim] = field(default_factory=dict)
    """The nodes and tests that were built, though they need not have been; never one in doubt."""
    cut_offs_taken: int = 0
    in_doubt: int = 0
    """Nodes and tests that were built because they were in doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What is the same for all nodes of a run."""

    evidence: Evidence
    reading: Reading
    full_refresh: bool
    older_client: str
    account: Account


def follow(
    evidence: Evidence,
    target: str,
    project: Project,
    build: Build,
    *,
    full_refresh: bool,
    before: Contents,
    after: Contents,
    older_client: str = "",
) -> Account:
    """Take a run into account.

    `before` and `after` tell what everything held then. `older_client` is the name of another client than the newest; clients
    tell different things of the same node, so nothing is claimed of its runs, nor of what it built.
    """
    run = _Run(
        evidence=evidence,
        reading=Reading(evidence, target, project, set(build.results), before, after),
        full_refresh=full_refresh,
        older_client=older_client,
        account=Account(),
    )
    for name, result in build.results.items():
        if name in project.tests:
            _follow_test(run, project.tests[name], result.decision)
        elif name in project.nodes:
            _NodeInRun(run, project.nodes[name]).follow(result.decision)
    if not evidence.keeps_sightings:
        evidence.server_killed()
    return run.account


def _follow_test(run: _Run, test: DataTest, decision: Decision) -> None:
    key = run.reading.target, test.name
    if decision is Decision.NOT_ASKED:  # the server was not there, and has not heard of this build
        run.evidence.built.pop(key, None)
    if decision not in (Decision.EXECUTE, *_KEPT):
        return
    logics, leaves = [repr(replace(test, name="")), run.older_client], []
    for name in (test.node, test.other):
        if name is not None:
            reader = Node(name=test.name, kind=Kind.TABLE, parents=(name,))
            logic, reads = run.reading.logic_and_reads(reader, own=False)
            logics += [logic, *reads]
            leaves += run.reading.leaves(reads)
    built, last = Built("\n".join(logics), "", run.reading.seen(leaves)), run.evidence.built.get(key)
    is_same = last is not None and last.logic == built.logic and not test.config.get("store_failures")
    _judge(run, test.name, decision, built, is_same=is_same and run.reading.has_rows(leaves))
    if decision not in _KEPT:
        run.evidence.built[key] = built


def _judge(run: _Run, name: str, decision: Decision, built: Built, *, is_same: bool) -> None:
    """Count what became of a node or test; `is_same` where all but the content of its inputs is what it was."""
    evidence, account, key = run.evidence, run.account, (run.reading.target, name)
    last = evidence.built.get(key)
    claim = _claim(evidence, last, built) if last is not None and is_same and not run.older_client else None
    if last is None or claim is None:
        return
    if decision in _KEPT:
        moves = tuple(seen.moves for seen in built.inputs)
        taken = claim is not Claim.UNMOVED and moves != last.counted
        account.cut_offs_taken += taken
        sighted = last.sighted or claim is Claim.UNMOVED
        evidence.built[key] = replace(last, sighted=sighted, counted=moves if taken else last.counted)
    elif decision is Decision.EXECUTE and claim is Claim.IN_DOUBT:
        account.in_doubt += 1
    elif decision is Decision.EXECUTE:
        account.needless[name] = claim


def _claim(evidence: Evidence, last: Built, now: Built) -> Claim | None:
    """None where the inputs hold something else than at the last build."""
    if [seen.content for seen in now.inputs] != [seen.content for seen in last.inputs]:
        return None
    if now.inputs == last.inputs:
        return Claim.UNMOVED
    return Claim.IN_DOUBT if evidence.in_doubt(last) else Claim.CUT_OFF


class _NodeInRun:
    """A seed, model or snapshot in a run."""

    def __init__(self, run: _Run, node: Node) -> None:
        self._run, self._node = run, node
        self._evidence, self._reading = run.evidence, run.reading
        self._where = where_of(run.reading.target, node)
        self._key = run.reading.target, node.name
        self._last = run.evidence.built.get(self._key)

    def follow(self, decision: Decision) -> None:
        """Judge what became of it, and remember how it was built."""
        if self._node.kind is Kind.EPHEMERAL:
            return
        if self._node.kind is Kind.VIEW:
            if decision in _DONE:
                self._evidence.views[self._where] = View(*self._reading.logic_and_reads(self._node))
                self._evidence.contents.pop(self._where, None)
            return
        if decision is Decision.NOT_ASKED:
            self._evidence.built.pop(self._key, None)
            self._evidence.contents[self._where] = self._evidence.fresh_name(self._node.name)
            self._evidence.moves[self._where] += 1
            return
        if decision not in (Decision.EXECUTE, *_KEPT, Decision.CLONE):
            return
        logic, reads = self._reading.logic_and_reads(self._node)
        built = Built(
            logic=logic + self._own_state + self._run.older_client,
            config=configuration(self._reading.project, self._node),
            inputs=self._reading.seen(reads),
            as_written=self._as_written,
        )
        _judge(self._run, self._node.name, decision, built, is_same=self._is_as_built(built))
        if decision not in _KEPT:
            self._take(decision, built)

    @property
    def _own_state(self) -> str:
        """What else the rendered query depends on."""
        if not self._node.depends_on_its_past:
            return ""
        return f"\nupon itself: {self._reading.stood(self._node) and not self._run.full_refresh}"

    @property
    def _as_written(self) -> str:
        macro = self._reading.project.macro_addend if self._node.calls_macro else None
        return repr((self._node, macro, self._run.older_client))

    def _is_as_built(self, built: Built) -> bool:
        """Whether logic, configuration and own content are those of the last build, and every epoch is known."""
        last, node = self._last, self._node
        return (
            last is not None
            and not (node.kind is Kind.TABLE and node.depends_on_its_past)
            and not (self._run.full_refresh and node.kind in (Kind.INCREMENTAL, Kind.SNAPSHOT))
            and (last.logic, last.config) == (built.logic, built.config)
            and self._holds_what_was_built
            and self._reading.has_rows([self._where, *(seen.where for seen in built.inputs)])
        )

    @property
    def _holds_what_was_built(self) -> bool:
        content = None if self._last is None else self._last.content
        return self._evidence.contents.get(self._where) == content and self._reading.had_rows(self._where)

    def _take(self, decision: Decision, built: Built) -> None:
        """The node was built or copied."""
        evidence, where = self._evidence, self._where
        if self._last is not None and (evidence.in_doubt(self._last) or self._reads_elsewhere(built)):
            evidence.doubts[where] += 1  # it may have been built from the damage, so its own readers are in doubt too
        if self._last is not None and decision is Decision.EXECUTE and self._wrote_nothing(self._last):
            content = self._last.content
        else:
            content = self._content(decision, built)
            evidence.moves[where] += 1
        evidence.contents[where] = content
        evidence.views.pop(where, None)
        evidence.built[self._key] = replace(built, content=content)
        if self._reading.target == PRODUCTION:
            evidence.production_places[self._node.name] = where

    def _reads_elsewhere(self, built: Built) -> bool:
        """Whether the client no longer reports a table that the last build read, which no run has found unmoved since."""
        assert self._last is not None
        reported = {seen.where for seen in built.inputs}
        return not self._last.sighted and any(seen.where not in reported for seen in self._last.inputs)

    def _wrote_nothing(self, last: Built) -> bool:
        """Whether an incremental was built silently and its table is provably what it was (rule F1a)."""
        node = self._node
        return (
            node.kind is Kind.INCREMENTAL
            and node.only_newer
            and not self._run.full_refresh
            and _SHOWS_NO_HOOKS.issuperset(node.whole_config)
            and node.config.get("on_schema_change") in (None, "ignore")
            and not node.description
            and last.as_written == self._as_written
            and self._holds_what_was_built
            and self._reading.was_left_alone(self._where)
        )

    def _content(self, decision: Decision, built: Built) -> str:
        """The name of what was built or copied."""
        evidence, node = self._evidence, self._node
        if decision is Decision.CLONE:
            source = evidence.built.get((PRODUCTION, node.name))
            is_same = source is not None and source.logic == built.logic
            if is_same or node.depends_on_its_past:
                return evidence.seen_at(evidence.production_place(node)).content
            return evidence.fresh_name(node.name)
        if (
            node.kind is Kind.SEED
            or node.depends_on_its_past
            or not self._reading.has_rows([seen.where for seen in built.inputs])
        ):
            return evidence.fresh_name(node.name)
        read = tuple(seen.content for seen in built.inputs)
        return f"{self._reading.target} by {hash((built.logic, built.config, read))}"
