"""What a step's two runs show: where ours is not as plain dbt's, and what was built for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tests.e2e.build import Build, Decision
from tests.e2e.hunt.arena import TARGETS, place, twin_of
from tests.e2e.hunt.contents import Contents, differences
from tests.e2e.hunt.project import Project

MOST_NEEDLESS = 0.005
"""Of the builds that could have been spared, the share that a hunt lets pass."""
LEAST_CUT_OFFS = 0.9
"""Of the early cut-offs that were possible, the share that has to be taken."""

_VIEWS_STAND_ON_IT = "because other objects depend on it"
"""No clone replaces a table under views; the node is built."""
_SEED_WAS_EMPTIED = "may have the columns of an earlier load"
"""A seed that was truncated and loaded again has the columns of its first load. Only the copying statement can see that the table
was not dropped; the node is built."""
_NO_SERVER = "Failed to connect to remote host"


class Fault(Enum):
    """What must not be found."""

    CONTENT = "other content than plain dbt"
    """A node was skipped or cloned wrongly, or built from what was."""
    OUTCOME = "other outcome than plain dbt"
    COMPLAINT = "complaint of the client"
    NEEDLESS = "needless build"
    MISSED_CUT_OFF = "missed early cut-off"
    """A node was built because its input was, which was built from the same by the same logic."""

    @property
    def is_false_reuse(self) -> bool:
        return self in (Fault.CONTENT, Fault.OUTCOME)

    @property
    def may_be_rare(self) -> bool:
        """Whether a few of them are let pass."""
        return self in (Fault.NEEDLESS, Fault.MISSED_CUT_OFF)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be, or must be rare."""

    fault: Fault
    step: int
    text: str


@dataclass(slots=True)
class Tally:
    """What a hunt counted."""

    steps: int = 0
    built: int = 0
    """Nodes that the server was asked about and that were built."""
    reused: int = 0
    """Nodes that were skipped or cloned."""
    cloned: int = 0
    cut_offs_taken: int = 0
    """Nodes and tests that were kept though what they read was built again, since that came to the same content."""
    cut_offs_in_doubt: int = 0
    """Those that were built, since nobody can know whether their last build had read the same (rule F2)."""
    runs_with_errors: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def false_reuses(self) -> int:
        return sum(finding.fault.is_false_reuse for finding in self.findings)

    @property
    def grave(self) -> list[Finding]:
        """What fails a hunt of any length."""
        return [finding for finding in self.findings if not finding.fault.may_be_rare]

    @property
    def needless_share(self) -> float:
        """Of the builds that could have been spared, the share that was not."""
        needless = len(self.findings) - len(self.grave)
        return needless / (needless + self.reused) if needless else 0.0

    @property
    def cut_offs_possible(self) -> int:
        """Early cut-offs that the record allows, taken or missed."""
        return self.cut_offs_taken + sum(finding.fault is Fault.MISSED_CUT_OFF for finding in self.findings)

    def add(self, step: int, build: Build, *, interrupted: bool = False) -> None:
        """Count a run with the client; an `interrupted` one has been without a server for a while."""
        decisions = [result.decision for result in build.results.values()]
        self.built += decisions.count(Decision.EXECUTE)
        self.cloned += decisions.count(Decision.CLONE)
        self.reused += sum(decisions.count(kept) for kept in (Decision.NO_OP, Decision.CLONE))
        self.runs_with_errors += Decision.FAILED in decisions
        expected = (_VIEWS_STAND_ON_IT, _SEED_WAS_EMPTIED, *((_NO_SERVER,) if interrupted else ()))
        self.findings += [
            Finding(Fault.COMPLAINT, step, complaint)
            for complaint in build.complaints
            if not any(words in complaint for words in expected)
        ]

    def as_json(self) -> dict[str, object]:
        """For a machine to read."""
        return {
            "steps": self.steps,
            "built": self.built,
            "reused": self.reused,
            "cloned": self.cloned,
            "cut_offs_possible": self.cut_offs_possible,
            "cut_offs_taken": self.cut_offs_taken,
            "cut_offs_in_doubt": self.cut_offs_in_doubt,
            "runs_with_errors": self.runs_with_errors,
            "needless_share": self.needless_share,
            "findings": [{"fault": one.fault.value, "step": one.step, "text": one.text} for one in self.findings],
        }


def other_outcomes(ours: Build, theirs: Build) -> str:
    """How the statuses of the two runs differ; empty where they don't."""
    pair = [_outcomes(ours), _outcomes(theirs)]
    names = sorted(name for name in pair[0].keys() | pair[1].keys() if pair[0].get(name) != pair[1].get(name))
    lines = [
        f"{name}: {pair[0].get(name)}, plain dbt's {pair[1].get(name)}; {decision_on(ours, name)}; "
        f"{_messages(name, ours, theirs)}"
        for name in names
    ]
    if ours.exit_code != theirs.exit_code:
        lines.append(f"exit code {ours.exit_code}, plain dbt's {theirs.exit_code}")
        lines += [build.output[-800:] for build in (ours, theirs) if build.exit_code not in (0, 1)]
    return "\n".join(lines)


def _outcomes(build: Build) -> Mapping[str, tuple[str, int]]:
    return {name: (result.status, result.failures) for name, result in build.results.items()}


def _messages(name: str, *builds: Build) -> str:
    return " | ".join(build.results[name].message.replace("\n", " ") for build in builds if name in build.results)


def other_contents(project: Project, ours: Build, after: Contents) -> str:
    """How the relations of the targets differ from those of their twins; empty where they don't."""
    nodes = {place(node): node.name for node in project.nodes.values()}
    return "\n".join(
        f"{target}.{where} {sentence}; {decision_on(ours, nodes.get(where, where))}"
        for target in TARGETS
        for where, sentence in differences(after[target], after[twin_of(target)]).items()
    )


def views_lost(by: str, other: str, after: Contents) -> list[str]:
    """The views that the `other` target has, and that one has lost with a table that was built anew."""
    return [where for where, content in after[other].items() if content.kind == "v" and where not in after[by]]


def left_as_it_was(project: Project, target: str, name: str, before: Contents, after: Contents) -> bool:
    """Whether plain dbt's run of a node left in its relation what was there; of a test that is not asked."""
    if name not in project.nodes:
        return True
    where, twin = place(project.nodes[name]), twin_of(target)
    return before[twin].get(where) == after[twin].get(where)


def decision_on(build: Build, name: str) -> str:
    """What became of a node, and what the server said."""
    result = build.results.get(name)
    if result is None:
        return "it was not run"
    return f"it was {result.decision.value}: {result.because or 'nothing said'}"


def account_of(build: Build) -> str:
    """What became of every node, and why those were built that the server was asked about."""
    by_decision: dict[Decision, list[str]] = {}
    for name, result in build.results.items():
        because = result.because.partition(" because ")[2] if result.decision is Decision.EXECUTE else ""
        by_decision.setdefault(result.decision, []).append(f"{name} ({because})" if because else name)
    return "; ".join(f"{decision.value}: {', '.join(names)}" for decision, names in by_decision.items())
