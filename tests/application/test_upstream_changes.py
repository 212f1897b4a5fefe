"""What had changed upstream of a build: by whom, how and when, down to the build of ours that began it."""

from __future__ import annotations

from dataclasses import replace

from tests.application.conftest import HandClock, Inside
from tests.application.test_journal import CALLER, STRANGER
from tests.domain.building import MINUTE, SUBMISSION

from dbt_state_oss.application.confirm import Outcome
from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import Code, Submission, TargetKey

RAW, BASE, MIDDLE, TOP = (Relation(f'"shop"."prod"."{name}"') for name in ("raw", "base", "middle", "top"))


class Chain:
    """raw ← base ← middle ← top, built again and again."""

    def __init__(self, inside: Inside, clock: HandClock) -> None:
        self._inside = inside
        self._clock = clock
        self.epochs: dict[Relation, int] = {RAW: clock.time}
        self.changes = inside.upstream_changes

    async def build(self, table: Relation, source: Relation, *, sql: str = "select a from {}") -> str:
        """Build a table; the execution's id."""
        self._clock.time += MINUTE
        submission = self._question(table, source, sql)
        answer = await self._inside.submit(replace(CALLER, request_id=str(self._clock.time)), submission)
        self.epochs[table] = self._clock.time
        return await self._inside.confirm(CALLER, answer.ticket, Outcome(epoch=self._clock.time))

    async def build_all(self, *, base: str = "select a from {}") -> list[str]:
        return [
            await self.build(BASE, RAW, sql=base),
            await self.build(MIDDLE, BASE),
            await self.build(TOP, MIDDLE),
        ]

    async def told(self, execution_id: str) -> list[str]:
        """The lines, indented by depth."""
        changes = await self.changes(CALLER, [execution_id])
        return flat(changes[execution_id])

    def _question(self, table: Relation, source: Relation, sql: str) -> Submission:
        name = table.split('"')[-2]
        return replace(
            SUBMISSION,
            key=TargetKey("ns", table),
            relation=table,
            code=Code(SUBMISSION.code.dialect, sql.format(source), "shop", "public", table),
            own_epoch=self.epochs.get(table),
            inputs={source: self.epochs[source]},
            node=replace(SUBMISSION.node, unique_id=f"model.shop.{name}"),
        )


def flat(lines: tuple[ExplainLine, ...], depth: int = 0) -> list[str]:
    told = []
    for line in lines:
        told += ["  " * depth + line.text, *flat(line.children, depth + 1)]
    return [line for line in told if "last updated: " not in line]


async def test_the_first_build_has_nothing_to_be_compared_with(inside: Inside, clock: HandClock) -> None:
    *_, top = await Chain(inside, clock).build_all()
    assert await Chain(inside, clock).told(top) == ["no earlier build of it is recorded to compare with"]


async def test_changed_logic_is_followed_down_to_where_it_began(inside: Inside, clock: HandClock) -> None:
    chain = Chain(inside, clock)
    await chain.build_all()
    *_, top = await chain.build_all(base="select a + 1 as a from {}")
    assert await chain.told(top) == [
        f"{MIDDLE} was rebuilt by model.shop.middle; its own logic is unchanged, but logic further upstream has changed",
        f"  {BASE} was rebuilt by model.shop.base with changed logic",
    ]


async def test_new_data_is_followed_down_to_the_source(inside: Inside, clock: HandClock) -> None:
    chain = Chain(inside, clock)
    await chain.build_all()
    chain.epochs[RAW] += 1
    *_, top = await chain.build_all()
    assert await chain.told(top) == [
        f"{MIDDLE} was rebuilt by model.shop.middle with the same logic",
        f"  {BASE} was rebuilt by model.shop.base with the same logic",
        f"    {RAW} was updated",
    ]
    lines = (await chain.changes(CALLER, [top]))[top]
    assert lines[0].children[0].text.startswith("last updated: 2026-")
    assert lines[0].children[0].text.endswith("(1 minute ago) now")


async def test_a_write_by_somebody_else_is_told(inside: Inside, clock: HandClock) -> None:
    chain = Chain(inside, clock)
    await chain.build_all()
    chain.epochs[MIDDLE] += 5
    top = await chain.build(TOP, MIDDLE)
    assert await chain.told(top) == [f"{MIDDLE} was written outside of recorded builds"]


async def test_inputs_that_come_and_go_are_told(inside: Inside, clock: HandClock) -> None:
    chain = Chain(inside, clock)
    await chain.build_all()
    top = await chain.build(TOP, BASE)
    assert await chain.told(top) == [f"{BASE} was not read by the previous build", f"{MIDDLE} is no longer read"]


async def test_nothing_that_changed_is_told_as_such(inside: Inside, clock: HandClock) -> None:
    chain = Chain(inside, clock)
    await chain.build_all()
    top = await chain.build(TOP, MIDDLE, sql="select a, a as b from {}")
    assert await chain.told(top) == ["none: the tables that it reads have not changed"]


async def test_what_is_on_no_record_is_left_out(inside: Inside, clock: HandClock) -> None:
    chain = Chain(inside, clock)
    *_, top = await chain.build_all()
    assert await chain.changes(CALLER, ["", "x", "ns." + "0" * 40 + ".y", top + "z"]) == {}
    assert await chain.changes(STRANGER, [top]) == {}
