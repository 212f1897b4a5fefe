"""A hunt: one random project, one random history of it, each step held against plain dbt.

Every choice is drawn from the seed and the step's number alone, never from what the server or the database said, so that a
finding is found again.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import TypeVar

from tests.e2e.build import Build, Decision
from tests.e2e.gate import ClosedGate
from tests.e2e.hunt.arena import DEVELOPMENT, PRODUCTION, TARGETS, Arena, relation, twin_of
from tests.e2e.hunt.contents import Contents
from tests.e2e.hunt.data import DAMAGES, ON_SNAPSHOTS, random_change
from tests.e2e.hunt.edits import EDITS
from tests.e2e.hunt.evidence import Evidence
from tests.e2e.hunt.generation import random_project
from tests.e2e.hunt.judging import (
    Fault,
    Finding,
    Tally,
    account_of,
    left_as_it_was,
    other_contents,
    other_outcomes,
    views_lost,
)
from tests.e2e.hunt.project import SOURCES, Kind, Node
from tests.e2e.hunt.runs import WHOLE, Command, random_command, views_on
from tests.e2e.shop import Running

ARRIVAL_SECONDS = 60


class Hunt:
    """Follows one seed step by step."""

    def __init__(self, seed: int, arena: Arena, *, tell: Callable[[str], None] = lambda line: None) -> None:
        """`tell` takes every line of the history as it is made."""
        self.seed = seed
        self.history: list[str] = []
        self.tally = Tally()
        self._arena = arena
        self._tell = tell
        self._evidence = Evidence()
        self._project = random_project(self._random("project"))
        self._versions = [self._project]
        self._numbers = 100
        temper = self._random("temper")
        self._edits = _tempered(temper, EDITS)
        changes = {
            self._edit: 10,
            self._revert: 3,
            self._change_data: 5,
            self._damage: 5,
            self._restart: 1,
            self._empty_development: 1,
        }
        self._changes = _tempered(temper, changes)
        self._runs = {self._any_run: 34, self._killed_run: 1, self._overlapping_runs: 1, self._interrupted_run: 1}
        if temper.random() < 0.3:
            arena.shop.environment["RUN_CACHE_COMPARE_SELECTED_COLUMNS"] = "true"
            self._say("  the client compares selected columns")
        for node in self._project.nodes.values():
            self._say(f"  {node.kind.value} {node.name}: {node.shape.value} of {', '.join(node.parents) or 'its file'}")

    def run(self, steps: int) -> Tally:
        """All steps; none after a false reuse, since what follows is no longer to be compared."""
        for step in range(1, steps + 1):
            self.tally.steps = step
            self._say(f"step {step}")
            self._step(step, self._random(step))
            if self.tally.false_reuses:
                break
        return self.tally

    def _random(self, what: object) -> Random:
        return Random(f"{self.seed} {what}")

    def _number(self) -> int:
        """One that was never used before."""
        self._numbers += 1
        return self._numbers

    def _say(self, line: str) -> None:
        self.history.append(line)
        self._tell(line)

    def _step(self, step: int, random: Random) -> None:
        if step == 1:
            self._run(WHOLE)
            return
        for _ in range(random.choices((0, 1, 2, 3), (1, 5, 3, 1))[0]):
            _drawn(random, self._changes)(random)
        _drawn(random, self._runs)(random)

    # What happens between runs

    def _edit(self, random: Random) -> None:
        edited = _drawn(random, self._edits)(random, self._project, self._number())
        if edited is not None:
            self._versions.append(self._project)
            self._project, said = edited
            self._say(f"  {said}")

    def _revert(self, random: Random) -> None:
        """A node as it was a few edits ago."""
        version = random.choice(self._versions[-4:])
        names = list(self._project.nodes)
        changed = [
            old
            for name, old in version.nodes.items()
            if name in names
            and old != self._project.nodes[name]
            and {*SOURCES, *names[: names.index(name)]}.issuperset(old.parents)
        ]
        if changed:
            node = random.choice(changed)
            self._project = self._project.with_node(node)
            self._say(f"  put {node.name} back to what it was")

    def _change_data(self, random: Random) -> None:
        change = random_change(random, self._number())
        self._arena.database.sql(change.sql)
        self._evidence.source_changed(change.source)
        self._say(f"  {change.said}: {change.sql}")
        if not change.seen:
            self._arena.forget_everything()
            self._evidence.forget()
            self._say("  dbt-state-oss state invalidate '*', since PostgreSQL does not show this")

    def _damage(self, random: Random) -> None:
        target = DEVELOPMENT if random.random() < 0.2 else PRODUCTION
        built = [node for node in self._project.nodes.values() if node.kind not in (Kind.VIEW, Kind.EPHEMERAL)]
        node, number = random.choice(built), self._number()
        said = random.choice(ON_SNAPSHOTS if node.kind is Kind.SNAPSHOT else tuple(DAMAGES))
        for name in (target, twin_of(target)):
            where = relation(name, node)
            schema = where.partition(".")[0]
            damage = DAMAGES[said].format(relation=where, schema=schema, name=node.alias, number=number)
            self._arena.damage(where, damage)
        self._evidence.damaged(target, node)
        self._say(f"  somebody else: {said}: {relation(target, node)}")

    def _empty_development(self, random: Random) -> None:
        self._arena.empty(DEVELOPMENT)
        self._say("  drop the schemas of dev")

    def _restart(self, random: Random) -> None:
        if random.random() < 0.5:
            self._arena.server.restart()
            self._say("  restart the server")
        else:
            self._arena.server.kill()
            self._arena.server.start()
            self._say("  kill the server and start it again")

    # Runs

    def _any_run(self, random: Random) -> None:
        self._run(random_command(random, self._project))

    def _killed_run(self, random: Random) -> None:
        """Plain dbt knows no killed run: a whole build follows, which leaves what it alone would have left."""
        self._edit_gated(random)
        self._arena.lay_out(self._project)
        self._say("  dbt build --target prod, killed in the middle")
        with ClosedGate(self._arena.database):
            running = self._arena.shop.start("build", target=PRODUCTION)
            if self._stands_still(running):
                running.run.kill()
            else:
                self._say("  (it was over before)")
            running.run.wait()
        self._evidence.forget()
        self._run(WHOLE)

    def _overlapping_runs(self, random: Random) -> None:
        """Two versions of one table are built at once from two checkouts; then a whole build sets it right."""
        node = self._edit_gated(random)
        if node is not None:
            self._build_two_versions(random, node)
            self._evidence.forget()
        self._run(WHOLE)

    def _build_two_versions(self, random: Random, node: Node) -> None:
        versions = [self._project, self._project.with_node(replace(node, addend=node.addend + 7))]
        random.shuffle(versions)
        command = ("build", "-s", node.name, *sorted(views_on(self._project, {node.name})))
        self._say(f"  two versions of {node.name} at once: dbt {' '.join(command)}")
        with ClosedGate(self._arena.database) as gate:
            self._arena.lay_out(versions[0])
            one = self._arena.shop.start(*command, target=PRODUCTION)
            self._stands_still(one)
            self._arena.lay_out(versions[1])
            with self._arena.colleague() as colleague:
                two = colleague.start(*command, target=PRODUCTION)
                self._stands_still(two, of=2)
                gate.open()
                for running in (one, two):
                    running.wait()

    def _edit_gated(self, random: Random) -> Node | None:
        """Edit a table that waits at the gate, so that it is built and a run can be met in the middle."""
        tables = [it for it in self._project.nodes.values() if it.waits_at_gate and not it.depends_on_its_past]
        if not tables:
            return None
        node = random.choice(tables)
        node = replace(node, addend=node.addend + 1)
        self._project = self._project.with_node(node)
        self._say(f"  let {node.name} add {node.addend}")
        return node

    def _interrupted_run(self, random: Random) -> None:
        self._edit_gated(random)
        self._say("  the server is killed in the middle of this run, and started again:")
        self._run(WHOLE, interrupted=True)

    def _stands_still(self, running: Running, *, of: int = 1) -> bool:
        """Wait until `of` sessions wait for a lock; False where the run ended before."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while self._arena.standing_still() < of:
            if select.select([running.run], [], [], 0.02)[0]:
                return False
            assert time.monotonic() < deadline, "a run neither came to the gate nor ended"
        return True

    def _run(self, command: Command, *, interrupted: bool = False) -> None:
        """One run with the client and the same by plain dbt, and what they show."""
        self._arena.lay_out(self._project)
        self._say(f"  {command.said}")
        before = self._arena.everything()
        ours = self._with_client(command, interrupted=interrupted)
        if command.target == DEVELOPMENT and not command.full_refresh:
            self._arena.copy_into_development(self._copied_before_run(ours))
        theirs = self._arena.plain_dbt(command.target, *command.arguments)
        self._judge(command, ours, theirs, before, self._arena.everything())

    def _with_client(self, command: Command, *, interrupted: bool) -> Build:
        if not interrupted:
            return self._arena.shop.start(*command.arguments, target=command.target).wait()
        with ClosedGate(self._arena.database) as gate:
            running = self._arena.shop.start(*command.arguments, target=command.target)
            self._stands_still(running)
            self._arena.server.kill()
            self._arena.server.start()
            gate.open()
            return running.wait()

    def _copied_before_run(self, ours: Build) -> list[Node]:
        """The nodes that the client would have copied from production if development had none."""
        ran = {name for name, result in ours.results.items() if result.decision is not Decision.SKIPPED}
        return [
            node
            for name, node in self._project.nodes.items()
            if name in ran and node.kind in (Kind.INCREMENTAL, Kind.SNAPSHOT)
        ]

    # What came of it

    def _judge(self, command: Command, ours: Build, theirs: Build, before: Contents, after: Contents) -> None:
        self.tally.add(self.tally.steps, ours)
        self._say("  " + account_of(ours))
        project = self._project
        if command.variable is not None:
            project = replace(project, variable=command.variable)
        needless = self._evidence.follow(
            command.target, project, ours, full_refresh=command.full_refresh, before=before, after=after
        )
        after = self._without_lost_views(after)
        self._find(Fault.OUTCOME, other_outcomes(ours, theirs))
        self._find(Fault.CONTENT, other_contents(project, ours, after))
        for name in needless:
            if left_as_it_was(project, command.target, name, before, after):
                because = ours.results[name].because
                moved = "its inputs have changed" in because
                self._find(Fault.MISSED_CUT_OFF if moved else Fault.NEEDLESS, f"{name}: {because}")

    def _without_lost_views(self, after: Contents) -> Contents:
        """Plain dbt drops views with a table that it builds anew; they are dropped in ours too, that both go on alike."""
        lost = {target: views_lost(target, after) for target in TARGETS}
        for target, places in lost.items():
            for where in places:
                self._arena.drop_view(target, where)
        return {
            name: {where: content for where, content in held.items() if where not in lost.get(name, ())}
            for name, held in after.items()
        }

    def _find(self, fault: Fault, text: str) -> None:
        if text:
            self._say(f"  FOUND: {fault.value}: {text}")
            self.tally.findings.append(Finding(fault, self.tally.steps, text))


T = TypeVar("T")


def _drawn(random: Random, weights: Mapping[T, int]) -> T:
    (one,) = random.choices(list(weights), list(weights.values()))
    return one


def _tempered(random: Random, weights: Mapping[T, int]) -> dict[T, int]:
    """Each seed has a taste of its own: it does some things often and others hardly ever, so that somewhere the rare meet."""
    return {one: weight * random.choice((0, 1, 1, 4)) + 1 for one, weight in weights.items()}
