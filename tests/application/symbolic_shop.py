"""A project whose tables hold symbols: what is in a table is the term that made it, so that contents can be compared.

`SymbolicShop` is the client, the warehouse and whoever disturbs them; it obeys the server's answers, and tells of every
skip and clone that leaves something else than a build would have made at that moment.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.application.conftest import Inside
from tests.domain.building import SUBMISSION

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.application.record import Recorded
from dbt_state_oss.application.register_clone import CloneGrant
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.clone import CloneOrder
from dbt_state_oss.domain.decision import Clone, Skip
from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import CloneTerms, Code, ExecutionType, NodeHashes, Submission, TargetKey

Content = tuple[Any, ...]
"""A term: of a source its load, of a model its name, version, configuration and the contents that it was built from; of
an incremental model the set of all that was ever added, with the versions and hooks that have shaped the table."""

SOURCES = ("orders", "customers")
PARENTS = {"first": ["orders"], "second": ["first", "customers"], "growing": ["second"], "last": ["growing", "first"]}
"""Models in the order of a run, with what they read."""
INCREMENTAL = "growing"
STAMP_LEAD_MS = 200
"""How much later than the truth a client stamps, on warehouses where it does."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the warehouse has it. `epoch` in Unix milliseconds."""

    epoch: int
    content: Content


@dataclass(frozen=True, slots=True)
class Question:
    """A model that is about to be built, as its code was then."""

    name: str
    submission: Submission
    own: Relation
    inputs: tuple[Relation, ...]
    increments: bool
    """It adds to the table that is there."""
    version: int
    config: int


@dataclass
class SymbolicShop:
    """See above. `chance` decides what happens, so that a seed is a history."""

    inside: Inside
    chance: random.Random
    dialect_name: str = "postgres"
    tables: dict[Relation, Table] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARENTS, 0))
    configs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARENTS, 0))
    waiting: list[tuple[Question, Answer, Content]] = field(default_factory=list)
    """Builds that are under way, each with what it would have left had it been over at once."""
    unconfirmed: list[tuple[Relation, str, Outcome]] = field(default_factory=list)
    """Tickets of builds that are over, with what they left."""
    history: list[str] = field(default_factory=list)
    silent: float = 0.0
    """For how many of its versions and inputs the incremental model finds no row to add, so that its table keeps its epoch."""
    silences: dict[str, bool] = field(default_factory=dict)
    on_record: set[Relation] = field(default_factory=set)
    """Tables of which a build is on record: what no record tells of reports each of its changes."""
    skips: int = 0
    clones: int = 0
    faults: list[str] = field(default_factory=list)
    """False skips and false clones, each with the history that led to it."""

    def __post_init__(self) -> None:
        self.dialect = dialect_named(self.dialect_name)
        self.register_clone = self.inside.register_clone
        self.calls = 0
        for source in SOURCES:
            self._write(self._relation("raw", source), ("load", source, 0))

    # What may happen, by the names that a test gives.

    async def run(self) -> None:
        """A run of some models in one of the targets; once in a while it dies."""
        target, names = self._target(), self._some_models()
        self._tell("run", target, *names)
        for name in names:
            if self._can_be_built(target, name):
                await self._pre_clone(target, name)
                await self._build(self._question(target, name), dies=self.chance.random() < 0.05)

    async def full_refresh(self) -> None:
        target, names = self._target(), self._some_models()
        self._tell("full refresh", target, *names)
        for name in names:
            if self._can_be_built(target, name):
                await self._build(self._question(target, name, full_refresh=True))

    async def write_only(self) -> None:
        """A run that asks nothing and tells afterwards."""
        target, names = self._target(), self._some_models()
        self._tell("write only", target, *names)
        for name in names:
            if self._can_be_built(target, name):
                question = self._question(target, name)
                epoch = self._write(question.own, self._built(question), keeps_epoch=self._is_silent(question))
                await self.inside.record(self._caller(), [Recorded(question.submission, Outcome(epoch))])
                self.on_record.add(question.own)

    async def begin(self) -> None:
        """One model's build begins, to be finished after other things have happened."""
        target, name = self._target(), self.chance.choice(list(PARENTS))
        if self._can_be_built(target, name):
            question = self._question(target, name)
            answer = await self.inside.submit(self._caller(), question.submission)
            if not isinstance(answer.decision, Skip):
                self._tell("begin", question.own, answer.decision.description)
                self.waiting.append((question, answer, self._built(question)))

    async def finish(self) -> None:
        if self.waiting:
            question, answer, asked_for = self.waiting.pop(self.chance.randrange(len(self.waiting)))
            if self.tables.keys() >= set(question.inputs):
                self._tell("finish", question.own, f"version {question.version}")
                await self._obey(question, answer, asked_for, late=self.chance.random() < 0.5)

    async def confirm(self) -> None:
        """The confirmation of a build that was over before arrives."""
        if self.unconfirmed:
            self._tell("confirm late")
            await self._confirm(self.chance.randrange(len(self.unconfirmed)))

    async def colleague(self) -> None:
        """Somebody builds one model from another checkout, which has another version of it."""
        target, name = self._target(), self.chance.choice(list(PARENTS))
        if self._can_be_built(target, name):
            self._tell("colleague", target, name)
            self.versions[name] += 1
            await self._build(self._question(target, name), late=self.chance.random() < 0.5)
            self.versions[name] -= 1

    async def edit(self) -> None:
        name = self.chance.choice(list(PARENTS))
        self.versions[name] = self.chance.randrange(3)
        self._tell("edit", name, f"version {self.versions[name]}")

    async def configure(self) -> None:
        """Another hook, say, which writes something else to the table."""
        name = self.chance.choice(list(PARENTS))
        self.configs[name] = self.chance.randrange(2)
        self._tell("configure", name, str(self.configs[name]))

    async def load(self) -> None:
        source = self.chance.choice(SOURCES)
        self._tell("load", source)
        self._write(self._relation("raw", source), ("load", source, self._count()))

    async def damage(self) -> None:
        """Somebody else writes to a table of ours."""
        if ours := self._ours():
            table = self.chance.choice(ours)
            self._tell("damage", table)
            self._write(table, ("damage", self._count()))

    async def drop(self) -> None:
        if ours := self._ours():
            table = self.chance.choice(ours)
            self._tell("drop", table)
            del self.tables[table]

    # How the client and the warehouse work.

    async def _build(self, question: Question, *, dies: bool = False, late: bool = False) -> None:
        answer = await self.inside.submit(self._caller(), question.submission)
        if isinstance(answer.decision, Skip):
            self.skips += 1
            self._tell("skip", question.own)
            self._judge(self.tables[question.own].content, answer, self._built(question))
        elif dies:
            self._tell("dies after writing", question.own)
            self._write(question.own, self._built(question))  # what a silent build left is on no record
        else:
            self._tell("obey", question.own, answer.decision.description)
            await self._obey(question, answer, self._built(question), late=late)

    async def _obey(self, question: Question, answer: Answer, asked_for: Content, *, late: bool = False) -> None:
        """Build or clone, and confirm. A source that has moved on, and one clone in ten, fails."""
        built, failed = self._built(question), False
        content = built
        if isinstance(answer.decision, Clone):
            source = self.tables.get(answer.decision.source)
            required = answer.decision.required_epoch
            failed = source is None or required is None or source.epoch > required or self.chance.random() < 0.1
            if source is not None and not failed:
                self.clones += 1
                content = source.content
                self._judge(content, answer, built, asked_for)
        # Of a silent build that is not confirmed yet nobody can know.
        silent = content is built and self._is_silent(question) and not late
        epoch = self._write(question.own, content, keeps_epoch=silent)
        self.unconfirmed.append((question.own, answer.ticket, Outcome(epoch, runtime_ms=1, failed_to_clone=failed)))
        if not late:
            await self._confirm(len(self.unconfirmed) - 1)

    async def _confirm(self, place: int) -> None:
        own, ticket, outcome = self.unconfirmed.pop(place)
        await self.inside.confirm(self._caller(), ticket, outcome)
        self.on_record.add(own)

    async def _pre_clone(self, target: str, name: str) -> None:
        own, source = self._relation("dev", name), self._relation("prod", name)
        if target != "dev" or name != INCREMENTAL or own in self.tables or source not in self.tables:
            return
        order = CloneOrder(
            TargetKey("ns", own),
            self.dialect,
            source,
            own,
            ExecutionType.MERGE,
            SUBMISSION.node,
            source_epoch=self.tables[source].epoch,
        )
        granted = await self.register_clone(self._caller(), order)
        if isinstance(granted, CloneGrant):
            self._tell("copy", source, own)
            epoch = self._write(own, self.tables[source].content)
            await self.inside.confirm(self._caller(), granted.ticket, Outcome(epoch))
            self.on_record.add(own)

    def _question(self, target: str, name: str, *, full_refresh: bool = False) -> Question:
        own = self._relation(target, name)
        inputs = tuple(self._place(target, parent) for parent in PARENTS[name])
        increments = name == INCREMENTAL and not full_refresh and own in self.tables
        sql = f"select {self.versions[name]} as version from {' cross join '.join(inputs)}"
        if increments:
            sql += f" where exists (select 1 from {own})"
        incremental = name == INCREMENTAL and not full_refresh
        hashes = NodeHashes(body=f"{name} {self.versions[name]}", configs=f"{name} {self.configs[name]}")
        submission = replace(
            SUBMISSION,
            key=TargetKey("ns", own),
            relation=own,
            execution_type=ExecutionType.MERGE if incremental else ExecutionType.FULL,
            code=Code(self.dialect, sql, "shop", "public", own),
            own_epoch=self.tables[own].epoch if own in self.tables else None,
            inputs={relation: self.tables[relation].epoch for relation in inputs},
            node=replace(SUBMISSION.node, unique_id=f"model.shop.{name}", target_name=target, hashes=hashes),
            clone_terms=CloneTerms(into_defer_target=target == "prod", defer_enabled=True),
        )
        return Question(name, submission, own, inputs, increments, self.versions[name], self.configs[name])

    def _is_silent(self, question: Question) -> bool:
        """Whether its build writes no row: the same answer each time for the same version, configuration and inputs."""
        if not question.increments or question.own not in self.on_record:
            return False
        inputs = tuple(self.tables[relation].content for relation in question.inputs)
        found = repr((question.version, question.config, inputs))
        return self.silences.setdefault(found, self.chance.random() < self.silent)

    def _built(self, question: Question) -> Content:
        """What a build leaves now: an incremental model adds what it reads to what it held."""
        inputs = tuple(self.tables[relation].content for relation in question.inputs)
        made: Content = ("model", question.name, question.version, question.config, inputs)
        if question.name != INCREMENTAL:
            return made
        held = self.tables.get(question.own) if question.increments else None
        # A hook may delete by what it reads, and a new version may add a column.
        shape = {(question.version, question.config, inputs)}
        if held is None:
            return ("growing", frozenset({made}), frozenset(shape))
        kind, *pieces = held.content
        rows, shapes = pieces if kind == "growing" else (frozenset({held.content}), frozenset())
        return ("growing", rows if self._is_silent(question) else rows | {made}, shapes | shape)

    def _judge(self, content: Content, answer: Answer, *right: Content) -> None:
        if content not in right:
            self.faults.append(
                "\n".join([*self.history[-60:], answer.decision.description, f"{content} is none of {right}"])
            )

    def _write(self, relation: Relation, content: Content, *, keeps_epoch: bool = False) -> int:
        """The epoch that the client confirms for it."""
        self.inside.clock.time += self.chance.choice([1_000, 5_000, 60_000])
        epoch = self.tables[relation].epoch if keeps_epoch else self.inside.clock.time
        self.tables[relation] = Table(epoch, content)
        return self.inside.clock.time + STAMP_LEAD_MS if self.dialect.clock is EpochClock.STAMPED else epoch

    def _place(self, target: str, parent: str) -> Relation:
        """Where a run in this target reads a parent: production's, where development has none of its own."""
        if parent in SOURCES:
            return self._relation("raw", parent)
        own = self._relation(target, parent)
        return own if own in self.tables else self._relation("prod", parent)

    def _can_be_built(self, target: str, name: str) -> bool:
        return all(self._place(target, parent) in self.tables for parent in PARENTS[name])

    def _relation(self, schema: str, name: str) -> Relation:
        return self.dialect.relation(f'"shop"."{schema}"."{name}"')

    def _ours(self) -> Sequence[Relation]:
        sources = {self._relation("raw", source) for source in SOURCES}
        return [relation for relation in self.tables if relation not in sources]

    def _target(self) -> str:
        return self.chance.choice(["prod", "prod", "dev"])

    def _some_models(self) -> Collection[str]:
        return [name for name in PARENTS if self.chance.random() < 0.7]

    def _caller(self) -> Caller:
        """A call of a dbt process that has just begun."""
        session = f"session-{self._count()}"
        self.inside.sessions.begin(session, at=self.inside.clock.time)
        return Caller("default", f"{self._count():032d}", session)

    def _count(self) -> int:
        self.calls += 1
        return self.calls

    def _tell(self, *words: str) -> None:
        self.history.append(" ".join(words))
