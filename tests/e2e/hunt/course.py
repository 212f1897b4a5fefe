"""The course of a hunt: the project as it is now, what was done to it and to the data, and how that is drawn from the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from tests.e2e.generations import Generation
from tests.e2e.hunt.arena import DEVELOPMENT, PRODUCTION, Arena, relation, twin_of
from tests.e2e.hunt.data import DAMAGES, ON_SEEDS, ON_SNAPSHOTS, random_change
from tests.e2e.hunt.edits import EDITS, SILENT_EDITS, Edit
from tests.e2e.hunt.evidence import Evidence
from tests.e2e.hunt.generation import random_project
from tests.e2e.hunt.project import SOURCES, Kind, Node

OLDER_CLIENTS = tuple(each for each in Generation if each is not Generation.DBT_STATE_2_62)
MOST_GAINED = 3
"""Columns that each source may gain."""

T = TypeVar("T")


class Course:
    """Changes project, data, tables and server between runs, and keeps an account of it all."""

    def __init__(self, seed: int, arena: Arena, tell: Callable[[str], None]) -> None:
        self.seed = seed
        self.arena = arena
        self.evidence = Evidence(keeps_sightings=not arena.kills_servers)
        self.history: list[str] = []
        """Readable lines, from the first project to the last step."""
        self._tell = tell
        self.project = random_project(self.random_of("project"))
        self._versions = [self.project]
        self._numbers = 100
        temper = self.random_of("temper")
        self._edits = _tempered(temper, EDITS)
        self._silent_edits = _tempered(temper, SILENT_EDITS)
        changes: dict[Callable[[Random], None], int] = {
            self._edit: 10,
            self._edit_silently: 4,
            self._revert: 3,
            self._change_data: 5,
            self._damage: 5,
            self._restart: 1,
            self._empty_development: 1,
        }
        self._changes = _tempered(temper, changes)
        if temper.random() < 0.3:
            arena.shop.environment["RUN_CACHE_COMPARE_SELECTED_COLUMNS"] = "true"
            self.say("  the client compares selected columns")
        self.older_client = temper.choice(OLDER_CLIENTS) if temper.random() < 0.15 else None
        """Takes turns with the newest."""
        if self.older_client is not None:
            self.say(f"  some runs are made with {self.older_client.value}")
        for node in self.project.nodes.values():
            self.say(f"  {node.kind.value} {node.name}: {node.shape.value} of {', '.join(node.parents) or 'its file'}")

    def random_of(self, what: object) -> Random:
        """The random numbers of one part of the hunt; they hang on the seed and the part alone."""
        return Random(f"{self.seed} {what}")

    def say(self, line: str) -> None:
        self.history.append(line)
        self._tell(line)

    def change(self, random: Random) -> None:
        """A few things at once, or none."""
        for _ in range(random.choices((0, 1, 2, 3), (2, 4, 5, 3))[0]):
            drawn(random, self._changes)(random)

    def generation_of(self, step: int) -> Generation | None:
        """The client of a step, where it is not the newest."""
        generation = self.older_client if self.random_of(f"client of {step}").random() < 0.4 else None
        if generation is not None:
            self.say(f"  with the client {generation.value}")
        return generation

    def edit_gated(self, random: Random) -> Node | None:
        """Edit a table that waits at the gate, so that it is built and a run can be met in the middle."""
        tables = [it for it in self.project.nodes.values() if it.waits_at_gate and not it.depends_on_its_past]
        if not tables:
            return None
        node = random.choice(tables)
        node = replace(node, addend=node.addend + 1)
        self.project = self.project.with_node(node)
        self.say(f"  let {node.name} add {node.addend}")
        return node

    def _number(self) -> int:
        """One that was never used before."""
        self._numbers += 1
        return self._numbers

    def _edit(self, random: Random) -> None:
        self._edit_by(random, self._edits)

    def _edit_silently(self, random: Random) -> None:
        self._edit_by(random, self._silent_edits)

    def change_silently(self, random: Random) -> None:
        """Something after which an incremental or a snapshot may change its table without writing a row, and nothing else."""
        sources = [parent for it in self._may_be_silent for parent in it.parents if parent in SOURCES]
        if sources and random.random() < 0.3:
            self._change_source(random, sources, silent=True)
        else:
            self._edit_silently(random)

    @property
    def _may_be_silent(self) -> list[Node]:
        nodes = self.project.nodes.values()
        return [it for it in nodes if it.kind.depends_on_its_past and self.project.children(it.name)]

    def _edit_by(self, random: Random, edits: Mapping[Edit, int]) -> None:
        edited = drawn(random, edits)(random, self.project, self._number())
        if edited is not None and edited[0].is_sound:
            self._versions.append(self.project)
            self.project, said = edited
            self.say(f"  {said}")

    def _revert(self, random: Random) -> None:
        """A node as it was a few edits ago."""
        version = random.choice(self._versions[-4:])
        names = list(self.project.nodes)
        changed = [
            old
            for name, old in version.nodes.items()
            if name in names and old != self.project.nodes[name] and self.project.with_node(old).is_sound
        ]
        if changed:
            node = random.choice(changed)
            self.project = self.project.with_node(node)
            self.say(f"  put {node.name} back to what it was")

    def _change_data(self, random: Random) -> None:
        self._change_source(random, SOURCES)

    def _change_source(self, random: Random, sources: Sequence[str], *, silent: bool = False) -> None:
        gained = self.project.source_columns
        may_gain = [source for source in SOURCES if len(gained.get(source, ())) < MOST_GAINED]
        withdrawing = [parent for node in self.project.nodes.values() if node.withdraws for parent in node.parents]
        change = random_change(
            random, self._number(), may_gain=may_gain, withdrawing=withdrawing, sources=sources, silent=silent
        )
        if change.column is not None:
            columns = (*gained.get(change.source, ()), change.column)
            self.project = replace(self.project, source_columns={**gained, change.source: columns})
        self.arena.database.sql(change.sql)
        self.evidence.source_changed(change.source)
        self.say(f"  {change.said}: {change.sql}")
        if not change.seen:
            self.arena.forget_everything()
            self.evidence.forget()
            self.say("  dbt-state-oss state invalidate '*', since PostgreSQL does not show this")

    def _damage(self, random: Random) -> None:
        target = DEVELOPMENT if random.random() < 0.2 else PRODUCTION
        built = [node for node in self.project.nodes.values() if node.kind not in (Kind.VIEW, Kind.EPHEMERAL)]
        node, number = random.choice(built), self._number()
        special = {Kind.SNAPSHOT: ON_SNAPSHOTS, Kind.SEED: ON_SEEDS}
        said = random.choice(special.get(node.kind, tuple(DAMAGES)))
        for name in (target, twin_of(target)):
            where = relation(name, node)
            schema = where.partition(".")[0]
            damage = DAMAGES[said].format(relation=where, schema=schema, name=node.alias, number=number)
            self.arena.damage(where, damage)
        self.evidence.damaged(target, node)
        self.say(f"  somebody else: {said}: {relation(target, node)}")

    def _empty_development(self, random: Random) -> None:
        self.arena.empty(DEVELOPMENT)
        self.evidence.emptied(DEVELOPMENT)
        self.say("  drop the schemas of dev")

    def _restart(self, random: Random) -> None:
        if random.random() < 0.5:
            self.arena.server.restart()
            self.say("  restart the server")
        else:
            self.arena.server.kill()
            self.arena.server.start()
            self.evidence.server_killed()
            self.say("  kill the server and start it again")


def drawn(random: Random, weights: Mapping[T, int]) -> T:
    """One of them, by weight."""
    (one,) = random.choices(list(weights), list(weights.values()))
    return one


def _tempered(random: Random, weights: Mapping[T, int]) -> dict[T, int]:
    """Each seed has a taste of its own: it does some things often and others hardly ever, so that somewhere the rare meet."""
    return {one: weight * random.choice((0, 1, 1, 4)) + 1 for one, weight in weights.items()}
