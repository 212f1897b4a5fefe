"""A hunt: one random project, one random history of it, each step held against plain dbt.

Every choice is drawn from the seed and the step's number alone, never from what the server or the database said, so that a
finding is found again.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.e2e.build import Build, Decision
from tests.e2e.gate import ClosedGate
from tests.e2e.generations import Generation
from tests.e2e.hunt.arena import DEVELOPMENT, PRODUCTION, TARGETS, Arena, relation, twin_of
from tests.e2e.hunt.contents import Contents
from tests.e2e.hunt.course import Course, drawn
from tests.e2e.hunt.following import Claim, follow
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
from tests.e2e.hunt.project import Kind, Node
from tests.e2e.hunt.runs import MENDING, WHOLE, Command, random_command, views_on
from tests.e2e.shop import Running

ARRIVAL_SECONDS = 60
SILENT_STEPS = 0.25
"""The share of steps that do nothing but what may change a table without a new row."""


class Hunt:
    """Follows one seed step by step."""

    def __init__(self, seed: int, arena: Arena, *, tell: Callable[[str], None] = lambda line: None) -> None:
        """`tell` takes every line of the history as it is made."""
        self.tally = Tally()
        self._arena = arena
        self._course = Course(seed, arena, tell)

    @property
    def history(self) -> list[str]:
        """What was done and what came of it, line by line."""
        return self._course.history

    def run(self, steps: int) -> Tally:
        """All steps; none after a false reuse, since what follows is no longer to be compared."""
        for step in range(1, steps + 1):
            self.tally.steps = step
            self._course.say(f"step {step}")
            self._step(step, self._course.random_of(step))
            if self.tally.false_reuses:
                break
        return self.tally

    def _step(self, step: int, random: Random) -> None:
        if step == 1:
            self._run(WHOLE)
            return
        if random.random() < SILENT_STEPS:
            self._course.change_silently(random)
            self._run(WHOLE)
            return
        self._course.change(random)
        runs: dict[Callable[[Random], None], int] = {
            self._any_run: 34,
            self._killed_run: 1,
            self._overlapping_runs: 1,
            self._interrupted_run: 1,
        }
        drawn(random, runs)(random)

    def _any_run(self, random: Random) -> None:
        self._run(random_command(random, self._course.project))

    def _killed_run(self, random: Random) -> None:
        """Plain dbt knows no killed run: a build of everything follows, which leaves what it alone would have left."""
        self._course.edit_gated(random)
        self._arena.lay_out(self._course.project)
        self._course.say("  dbt build --target prod, killed in the middle")
        with ClosedGate(self._arena.database):
            running = self._arena.shop.start("build", target=PRODUCTION)
            if self._stands_still(running):
                running.run.kill()
            else:
                self._course.say("  (it was over before)")
            running.run.wait()
        self._course.evidence.forget()
        self._run(MENDING, after_disorder=True)

    def _overlapping_runs(self, random: Random) -> None:
        """Two versions of one table are built at once from two checkouts; then a build of everything sets it right."""
        node = self._course.edit_gated(random)
        # Of two builds that replace a view at once, one fails after its commit, and nobody hears of it (docs/limits.md).
        if node is not None and self._arena.is_table(relation(PRODUCTION, node)):
            self._build_two_versions(random, node)
            self._course.evidence.forget()
        self._run(MENDING, after_disorder=True)

    def _build_two_versions(self, random: Random, node: Node) -> None:
        versions = [self._course.project, self._course.project.with_node(replace(node, addend=node.addend + 7))]
        random.shuffle(versions)
        command = ("build", "-s", node.name, *sorted(views_on(self._course.project, {node.name})))
        self._course.say(f"  two versions of {node.name} at once: dbt {' '.join(command)}")
        with ClosedGate(self._arena.database) as gate:
            self._arena.lay_out(versions[0])
            one = self._arena.shop.start(*command, target=PRODUCTION)
            there = self._stands_still(one)
            self._arena.lay_out(versions[1])
            with self._arena.colleague() as colleague:
                two = colleague.start(*command, target=PRODUCTION)
                self._stands_still(two, of=2 if there else 1)
                gate.open()
                for running in (one, two):
                    running.wait()

    def _interrupted_run(self, random: Random) -> None:
        self._course.edit_gated(random)
        self._course.say("  the server is killed in the middle of this run, and started again:")
        self._run(WHOLE, interrupted=True)

    def _stands_still(self, running: Running, *, of: int = 1) -> bool:
        """Wait until `of` sessions wait for a lock; False where the run ended before."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while self._arena.standing_still() < of:
            if select.select([running.run], [], [], 0.02)[0]:
                return False
            assert time.monotonic() < deadline, "a run neither came to the gate nor ended"
        return True

    def _run(self, command: Command, *, interrupted: bool = False, after_disorder: bool = False) -> None:
        """One run with the client and the same by plain dbt, and what they show.

        `after_disorder` plain dbt's production takes over what this run could not set right, since something upstream failed; and
        it loses the views that production has lost in the disorder.
        """
        self._arena.lay_out(self._course.project)
        self._course.say(f"  {command.said}")
        before = self._arena.everything()
        generation = None if interrupted else self._course.generation_of(self.tally.steps)
        with self._arena.client(generation):
            ours = self._with_client(command, interrupted=interrupted)
        if command.target == DEVELOPMENT and not command.full_refresh:
            self._arena.copy_into_development(self._copied_before_run(ours))
        theirs = self._arena.plain_dbt(command.target, *command.arguments)
        if after_disorder:
            self._arena.copy_into_twin(self._not_reached(ours))
            twin = twin_of(PRODUCTION)
            for where in views_lost(PRODUCTION, twin, self._arena.everything()):
                self._arena.drop_view(twin, where)
        self._judge(
            command, ours, theirs, before, self._arena.everything(), interrupted=interrupted, generation=generation
        )

    def _with_client(self, command: Command, *, interrupted: bool) -> Build:
        if not interrupted:
            with self._arena.a_kill():
                return self._arena.shop.start(*command.arguments, target=command.target).wait()
        with ClosedGate(self._arena.database) as gate:
            running = self._arena.shop.start(*command.arguments, target=command.target)
            self._stands_still(running)
            self._arena.server.kill()
            self._arena.server.start()
            gate.open()
            return running.wait()

    def _not_reached(self, ours: Build) -> list[Node]:
        """The nodes that dbt left out because something upstream failed."""
        left_out = {name for name, result in ours.results.items() if result.decision is Decision.SKIPPED}
        return [node for name, node in self._course.project.nodes.items() if name in left_out]

    def _copied_before_run(self, ours: Build) -> list[Node]:
        """The nodes that the client would have copied from production if development had none."""
        ran = {name for name, result in ours.results.items() if result.decision is not Decision.SKIPPED}
        return [
            node
            for name, node in self._course.project.nodes.items()
            if name in ran and node.kind in (Kind.INCREMENTAL, Kind.SNAPSHOT)
        ]

    # What came of it

    def _judge(
        self,
        command: Command,
        ours: Build,
        theirs: Build,
        before: Contents,
        after: Contents,
        *,
        interrupted: bool,
        generation: Generation | None,
    ) -> None:
        self.tally.add(self.tally.steps, ours, interrupted=interrupted)
        self._course.say("  " + account_of(ours))
        project = self._course.project
        if command.variable is not None:
            project = replace(project, variable=command.variable)
        account = follow(
            self._course.evidence,
            command.target,
            project,
            ours,
            full_refresh=command.full_refresh,
            before=before,
            after=after,
            older_client="" if generation is None else generation.value,
        )
        if interrupted:
            self._course.evidence.server_killed()
        self.tally.cut_offs_taken += account.cut_offs_taken
        self.tally.cut_offs_in_doubt += account.in_doubt
        after = self._without_lost_views(after)
        self._find(Fault.OUTCOME, other_outcomes(ours, theirs))
        self._find(Fault.CONTENT, other_contents(project, ours, after))
        for name, claim in account.needless.items():
            if left_as_it_was(project, command.target, name, before, after):
                fault = Fault.MISSED_CUT_OFF if claim is Claim.CUT_OFF else Fault.NEEDLESS
                self._find(fault, f"{name}: {ours.results[name].because}")

    def _without_lost_views(self, after: Contents) -> Contents:
        """Plain dbt drops views with a table that it builds anew; they are dropped in ours too, that both go on alike."""
        lost = {target: views_lost(twin_of(target), target, after) for target in TARGETS}
        for target, places in lost.items():
            for where in places:
                self._arena.drop_view(target, where)
        return {
            name: {where: content for where, content in held.items() if where not in lost.get(name, ())}
            for name, held in after.items()
        }

    def _find(self, fault: Fault, text: str) -> None:
        if text:
            self._course.say(f"  FOUND: {fault.value}: {text}")
            self.tally.findings.append(Finding(fault, self.tally.steps, text))
