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
"""A term: of a source its load, of a model its name, version, configuration and the names of the contents that it was built from;
of an incremental model the set of all that was ever added, with the versions and hooks that have shaped the table."""

SOURCES = ("orders", "customers")
PARENTS = {
    "first": ["orders"],
    "second": ["first", "customers"],
    "growing": ["second"],
    "upon": ["growing"],
    "last": ["growing", "first"],
    "top": ["last", "upon"],
}
"""Models in the order of a run, with what they read."""
INCREMENTALS = ("growing", "upon")
STAMP_LEAD_MS = 200
"""How much later than the truth a client stamps, on warehouses where it does."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the warehouse has it. Times are Unix milliseconds."""

    epoch: int
    content: Content
    older: tuple[int, ...] = ()
    """When rows that it holds were written before, the newest last. Its epoch falls to that where the newest rows are deleted."""


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
    committed: list[tuple[Relation, str, Content]] = field(default_factory=list)
    """Tables that a hook is still to complete, each with the ticket of its build and with what it will hold."""
    history: list[str] = field(default_factory=list)
    silent: float = 0.0
    """For how many of its versions and inputs an incremental model finds no row to add, so that its table keeps its epoch."""
    falling: float = 0.0
    """For how many of these a hook deletes the newest rows, so that the epoch falls."""
    patience: int = 0
    """The lag tolerance of all models, in seconds."""
    silences: dict[str, bool] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    """Contents by short names, so that terms stay small."""
    logics: dict[str, str] = field(default_factory=dict)
    """Of each content the name of the one that is the same but for the loads of the sources."""
    near: tuple[str, str] = ("prod", "growing")
    """The target and model that something happened to last: the next is often the same, or one that reads it."""
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

    async def whole(self) -> None:
        """A run of production's whole project."""
        self._tell("whole")
        for name in PARENTS:
            await self._build(self._question("prod", name))

    async def one(self) -> None:
        """A run of one model."""
        target, name = self._somewhere()
        if self._can_be_built(target, name):
            self._tell("one", target, name)
            await self._pre_clone(target, name)
            await self._build(self._question(target, name))

    async def grow(self) -> None:
        """Rows come in, and production's incremental takes them."""
        self._write(self._relation("raw", "customers"), ("load", "customers", self._count()))
        self._tell("grow")
        self.near = "prod", "growing"
        for name in ("second", "growing"):
            if self._can_be_built("prod", name):
                await self._build(self._question("prod", name))

    async def plain(self) -> None:
        """A run of production's whole project by plain dbt, which tells nobody."""
        self._tell("plain")
        for name in PARENTS:
            question = self._question("prod", name)
            self._write(question.own, self._built(question))

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
                epoch = self._write(question.own, self._built(question), silently=self._is_silent(question))
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

    async def commit(self) -> None:
        """One model's build commits its table, which a hook is still to complete."""
        target, name = self._somewhere()
        own = self._relation(target, name)
        if own not in self.on_record or not self._can_be_built(target, name):
            return
        question = self._question(target, name)
        answer = await self.inside.submit(self._caller(), question.submission)
        if not isinstance(answer.decision, Skip | Clone) and not self._is_silent(question):
            self._tell("commit", own, answer.decision.description)
            content = self._built(question)
            self._write(own, ("half", content))
            self.committed.append((own, answer.ticket, content))

    async def hook(self) -> None:
        """Such a hook is over: Postgres reports the table at the epoch that it had, though rows are gone."""
        if self.committed:
            own, ticket, content = self.committed.pop(self.chance.randrange(len(self.committed)))
            table = self.tables.get(own)
            if table is None or table.content != ("half", content):
                return  # another build has replaced it
            self._tell("hook", own)
            exact = self.dialect.clock is EpochClock.EXACT
            epoch = self._write(own, content, silently=exact)
            await self.inside.confirm(self._caller(), ticket, Outcome(epoch, runtime_ms=1))

    async def race(self) -> None:
        """Somebody builds production's incremental from another checkout while development copies it."""
        name = self.chance.choice(INCREMENTALS)
        own, source = self._relation("dev", name), self._relation("prod", name)
        self.tables.pop(own, None)
        await self.grow()
        await self._build(self._question("prod", name))
        if source in self._unfinished() or not self._can_be_built("dev", name):
            return
        granted = await self._granted(name)
        await self._by_colleague("prod", name)
        if granted is not None:
            await self._copy(source, own, granted)
            await self._build(self._question("dev", name))

    async def lose(self) -> None:
        """Somebody builds what production's incremental reads, its owner has that forgotten, and its reader is copied."""
        for name in INCREMENTALS:
            self.tables.pop(self._relation("dev", name), None)
            await self._build(self._question("prod", name))
        await self._by_colleague("prod", "growing")
        read = self._relation("prod", "growing")
        for account in [one async for one in self.inside.ledger.accounts("default") if one.target.name == read]:
            self._tell("invalidate", read)
            await self.inside.ledger.forget(account, at=self.inside.clock.time)
        if self._can_be_built("dev", "upon"):
            await self._pre_clone("dev", "upon")
            await self._build(self._question("dev", "upon"))

    async def confirm(self) -> None:
        """The confirmation of a build that was over before arrives."""
        if self.unconfirmed:
            self._tell("confirm late")
            await self._confirm(self.chance.randrange(len(self.unconfirmed)))

    async def colleague(self) -> None:
        """Somebody builds one model from another checkout, which has another version of it."""
        await self._by_colleague(*self._somewhere(), late=self.chance.random() < 0.5)

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
            self._judge(self.tables[question.own].content, answer, self._built(question), stale=answer.decision.stale)
        elif dies:
            self._tell("dies after writing", question.own)
            self._write(question.own, self._built(question))  # what a silent build left is on no record
        else:
            self._tell("obey", question.own, answer.decision.description)
            await self._obey(question, answer, self._built(question), late=late)

    async def _by_colleague(self, target: str, name: str, *, late: bool = False) -> None:
        if self._can_be_built(target, name):
            self._tell("colleague", target, name)
            self.versions[name] += 1
            await self._build(self._question(target, name), late=late)
            self.versions[name] -= 1

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
                self._judge(content, answer, built, asked_for, stale=answer.decision.stale)
        # Of a silent build that is not confirmed yet nobody can know.
        silent = content is built and self._is_silent(question) and not late
        epoch = self._write(question.own, content, silently=silent)
        self.unconfirmed.append((question.own, answer.ticket, Outcome(epoch, runtime_ms=1, failed_to_clone=failed)))
        if not late:
            await self._confirm(len(self.unconfirmed) - 1)

    async def _confirm(self, place: int) -> None:
        own, ticket, outcome = self.unconfirmed.pop(place)
        await self.inside.confirm(self._caller(), ticket, outcome)
        self.on_record.add(own)

    async def _pre_clone(self, target: str, name: str) -> None:
        own, source = self._relation("dev", name), self._relation("prod", name)
        if target != "dev" or name not in INCREMENTALS or own in self.tables or source not in self.tables:
            return
        granted = await self._granted(name)
        if granted is not None and source not in self._unfinished():
            await self._copy(source, own, granted)

    async def _copy(self, source: Relation, own: Relation, granted: CloneGrant) -> None:
        self._tell("copy", source, own)
        epoch = self._write(own, self.tables[source].content)
        await self.inside.confirm(self._caller(), granted.ticket, Outcome(epoch))
        self.on_record.add(own)

    async def _granted(self, name: str) -> CloneGrant | None:
        """The copy of production's table that development asks for."""
        own, source = self._relation("dev", name), self._relation("prod", name)
        order = CloneOrder(
            TargetKey("ns", own),
            self.dialect,
            source,
            own,
            ExecutionType.MERGE,
            self._question("dev", name).submission.node,
            source_epoch=self.tables[source].epoch,
        )
        granted = await self.register_clone(self._caller(), order)
        return granted if isinstance(granted, CloneGrant) else None

    def _unfinished(self) -> set[Relation]:
        """Tables that builds have written which are not confirmed yet."""
        return {own for own, *_ in (*self.unconfirmed, *self.committed)}

    def _question(self, target: str, name: str, *, full_refresh: bool = False) -> Question:
        own = self._relation(target, name)
        inputs = tuple(self._place(target, parent) for parent in PARENTS[name])
        increments = name in INCREMENTALS and not full_refresh and own in self.tables
        sql = f"select {self.versions[name]} as version from {' cross join '.join(inputs)}"
        if increments:
            sql += f" where exists (select 1 from {own})"
        incremental = name in INCREMENTALS and not full_refresh
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
            lag_tolerance_seconds=self.patience,
        )
        return Question(name, submission, own, inputs, increments, self.versions[name], self.configs[name])

    def _is_silent(self, question: Question) -> bool:
        """Whether its build writes no row: the same answer each time for the same version, configuration and inputs."""
        if not question.increments or question.own not in self.on_record:
            return False
        inputs = self._names_of(question.inputs)
        found = repr((question.version, question.config, inputs))
        return self.silences.setdefault(found, self.chance.random() < self.silent)

    def _built(self, question: Question) -> Content:
        """What a build leaves now: an incremental model adds what it reads to what it held."""
        inputs = self._names_of(question.inputs)
        made: Content = ("model", question.name, question.version, question.config, inputs)
        if question.name not in INCREMENTALS:
            return made
        held = self.tables.get(question.own) if question.increments else None
        # A hook may delete by what it reads, and a new version may add a column.
        shape = {(question.version, question.config, inputs)}
        if held is None:
            return ("growing", frozenset({made}), frozenset(shape))
        kind, *pieces = held.content
        rows, shapes = pieces if kind == "growing" else (frozenset({held.content}), frozenset())
        return ("growing", rows if self._is_silent(question) else rows | {made}, shapes | shape)

    def _judge(self, content: Content, answer: Answer, *right: Content, stale: bool = False) -> None:
        """Whether what stays is right; within the lag tolerance it may lack loads of the sources, and nothing else."""
        if content not in right and not (stale and self._logic(content) in map(self._logic, right)):
            self.faults.append(
                "\n".join([*self.history[-60:], answer.decision.description, f"{content} is none of {right}"])
            )

    def _logic(self, term: Any) -> Any:
        """A term less which loads of the sources it was built from."""
        if isinstance(term, frozenset):
            return frozenset(map(self._logic, term))
        if isinstance(term, tuple):
            return tuple(map(self._logic, term[:2] if term[:1] == ("load",) else term))
        return self.logics.get(term, term)

    def _names_of(self, relations: Sequence[Relation]) -> tuple[str, ...]:
        return tuple(self._name_of(self.tables[relation].content) for relation in relations)

    def _name_of(self, content: Content) -> str:
        if content not in self.names:
            self.names[content] = name = f"#{len(self.names)}"
            logic = self._logic(content)
            self.logics[name] = name if logic == content else self._name_of(logic)
        return self.names[content]

    def _write(self, relation: Relation, content: Content, *, silently: bool = False) -> int:
        """The epoch that the client confirms for it. No row is written `silently`, though some may be deleted."""
        self.inside.clock.time += self.chance.choice([1_000, 5_000, 60_000])
        before = self.tables.get(relation)
        if before is None or not silently:
            added = before is not None and content[0] == before.content[0] == "growing"
            older = (*before.older, before.epoch) if before is not None and added else ()
            self.tables[relation] = Table(self.inside.clock.time, content, older)
        elif before.older and content != before.content and self.chance.random() < self.falling:
            self._tell("falls", relation)
            left = frozenset({("fell", self._name_of(before.content))})
            self.tables[relation] = Table(before.older[-1], (content[0], left, *content[2:]), before.older[:-1])
        else:
            self.tables[relation] = replace(before, content=content)
        stamped = self.dialect.clock is EpochClock.STAMPED
        return self.inside.clock.time + STAMP_LEAD_MS if stamped else self.tables[relation].epoch

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

    def _somewhere(self) -> tuple[str, str]:
        target, name = self._target(), self.chance.choice(list(PARENTS))
        if self.chance.random() < 0.7:
            target, last = self.near
            name = self.chance.choice([last, last, *(each for each, parents in PARENTS.items() if last in parents)])
        self.near = target, name
        return target, name

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
