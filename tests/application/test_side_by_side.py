"""Many calls under way: in order, in bounded number, and none left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from dbt_state_oss.application.side_by_side import side_by_side


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def test_results_come_in_the_items_order_whichever_is_done_first() -> None:
    gates = [asyncio.Event() for _ in range(4)]

    async def work(number: int) -> int:
        gates[number].set()
        for gate in gates[number:]:
            await gate.wait()
        return number

    assert [each async for each in side_by_side(numbers(4), work, at_once=4)] == [0, 1, 2, 3]


async def test_no_more_are_under_way_than_is_allowed() -> None:
    under_way = most = 0

    async def work(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return number

    assert [each async for each in side_by_side(numbers(20), work, at_once=3)] == list(range(20))
    assert most == 3


async def test_a_failure_is_raised_and_the_rest_is_cancelled() -> None:
    async def work(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        if number > 1:
            await asyncio.Event().wait()
        return number

    got: list[int] = []

    async def read() -> None:
        async with aclosing(side_by_side(numbers(5), work, at_once=3)) as results:
            async for each in results:
                got.append(each)  # noqa: PERF401 - what came before the failure counts

    with pytest.raises(ValueError, match="one"):
        await read()
    assert got == [0]
    assert asyncio.all_tasks() == {asyncio.current_task()}
