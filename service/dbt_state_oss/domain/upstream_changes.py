"""How the inputs of a build changed since the previous build, down to the recorded builds that changed them.

This is shown to people (rule E3); no decision depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dbt_state_oss.domain.dialects import EpochClock, dialect_named
from dbt_state_oss.domain.explanation import Badge, ExplainLine, Marker, moment_text
from dbt_state_oss.domain.history import Execution, History, Input
from dbt_state_oss.domain.lineage import in_slot_order
from dbt_state_oss.domain.relation import Relation

DEEPEST = 6
"""How many levels of upstream builds are shown."""


@dataclass(slots=True)
class UpstreamAccount:
    """All upstream changes between two builds of one target.

    `histories` are those of upstream tables, as far as they were read. `unread` is filled with those that would show more.
    """

    histories: Mapping[Relation, History]
    now: int
    """Unix milliseconds."""
    unread: set[Relation] = field(default_factory=set)

    def lines(self, history: History, execution_id: str) -> tuple[ExplainLine, ...]:
        """A line for each input that changed; empty if the execution is no longer recorded."""
        executions = history.executions
        place = next((place for place, one in enumerate(executions) if one.id == execution_id), None)
        if place is None:
            return ()
        origin = executions[place].origin
        if origin is not None:
            return (ExplainLine(f"none: it is a clone of {origin.relation}", Marker.INFO),)
        if place + 1 == len(executions):
            return (ExplainLine("no earlier build of it is recorded to compare with", Marker.INFO),)
        lines = tuple(self._changes(executions[place], executions[place + 1], DEEPEST))
        return lines or (ExplainLine("none: the tables that it reads have not changed", Marker.INFO),)

    def _changes(self, build: Execution, before: Execution, depth: int) -> Iterator[ExplainLine]:
        clock = dialect_named(build.logic.dialect).clock
        inputs = {**before.inputs, **build.inputs}
        for relation in in_slot_order(build.logic, inputs):
            was, now = before.inputs.get(relation), build.inputs.get(relation)
            if now is None:
                yield ExplainLine(f"{relation} is no longer read", Marker.INFO)
            elif was is None:
                yield ExplainLine(f"{relation} was not read by the previous build", Marker.INFO)
            elif (was.epoch, was.lineage) != (now.epoch, now.lineage):
                yield self._moved(relation, was, now, clock, depth)

    def _moved(self, relation: Relation, was: Input, now: Input, clock: EpochClock, depth: int) -> ExplainLine:
        history = self.histories.get(relation)
        if history is None:
            self.unread.add(relation)
            history = History()
        when = (ExplainLine(_times(was, now, self.now), Marker.INFO),)
        if history.latest is None:
            return ExplainLine(f"{relation} was updated", Marker.INFO, Badge.UNSPECIFIED, when)
        rebuilt, earlier = history.falls_to(now.epoch, clock), history.falls_to(was.epoch, clock)
        if rebuilt is None:
            text = f"{relation} was written outside of recorded builds"
            return ExplainLine(text, Marker.INFO, Badge.UPSTREAM_QUERY_CHANGED, when)
        told = f"{relation} was rebuilt by {rebuilt.node_id or 'an unnamed node'}"
        if earlier is None:
            return ExplainLine(f"{told}; the previous build is not recorded", Marker.INFO, Badge.UNSPECIFIED, when)
        if now.identity is not None and now.identity == was.identity:
            return ExplainLine(f"{told} with equal content", Marker.INFO, Badge.UPSTREAM_QUERY_UNCHANGED, when)
        deeper = tuple(self._changes(rebuilt, earlier, depth - 1)) if depth > 1 and rebuilt.id != earlier.id else ()
        if rebuilt.logic != earlier.logic:
            return ExplainLine(f"{told} with changed logic", Marker.INFO, Badge.UPSTREAM_QUERY_CHANGED, when + deeper)
        if was.lineage != now.lineage:
            text = f"{told}; its own logic is unchanged, but logic further upstream has changed"
            return ExplainLine(text, Marker.INFO, Badge.UPSTREAM_QUERY_CHANGED, when + deeper)
        return ExplainLine(f"{told} with the same logic", Marker.INFO, Badge.UPSTREAM_QUERY_UNCHANGED, when + deeper)


def _times(was: Input, now: Input, told_at: int) -> str:
    return (
        f"last updated: {moment_text(was.epoch, told_at)} at the previous build, {moment_text(now.epoch, told_at)} now"
    )
