"""Random histories, each made by its seed: no skip and no clone may leave what a build would not have made."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.symbolic_shop import INCREMENTALS, PARENTS, SymbolicShop
from tests.domain.building import T0

from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.stores.memory import MemoryStore

STEPS = 40
QUIET = ["run"] * 3 + ["edit", "configure", "load"]
ROUGH = [*QUIET, "colleague", "damage", "drop", "full_refresh", "write_only"]
INTRODUCED = ["one", "one", "grow", "grow", "configure"]
COPYING = ["one", "grow", "race", "lose"]
HOOKED = [*["one"] * 4, "commit", "commit", "hook", "load", "edit"]
OVERLAPPING = ["run", "run", "drop", "begin", "begin", "colleague", "finish", "confirm"]


async def lived(seed: int, warehouse: str, happenings: list[str], *first: str, **habits: Any) -> SymbolicShop:
    # No configuration hash here proves anything, and the hooks of the incrementals delete.
    trusted = NodePatterns(tuple(f"model.shop.{name}" for name in PARENTS if name not in INCREMENTALS))
    inside = Inside(MemoryStore(), HandClock(T0), read_timeout_seconds=60.0, trusted_hooks=trusted)
    shop = SymbolicShop(inside, random.Random(seed), warehouse, **habits)
    try:
        for happening in first:
            await getattr(shop, happening)()
        for _ in range(STEPS):
            await getattr(shop, shop.chance.choice(happenings))()
    finally:
        await inside.close()
    return shop


@pytest.mark.parametrize("warehouse", ["postgres", "snowflake"])
@pytest.mark.parametrize("seeds", [range(10), range(10, 20), range(20, 30)], ids=str)
async def test_no_history_without_overlaps_is_answered_wrongly(warehouse: str, seeds: range) -> None:
    reused = 0
    for seed in seeds:
        shop = await lived(seed, warehouse, ROUGH if seed % 2 else QUIET)
        assert not shop.faults, f"seed {seed}:\n{shop.faults[0]}"
        reused += shop.skips + shop.clones
    assert reused, "nothing was put to the test"


@pytest.mark.parametrize("warehouse", ["postgres", "snowflake"])
async def test_no_history_with_overlaps_is_answered_wrongly(warehouse: str) -> None:
    for seed in range(50):
        shop = await lived(seed, warehouse, OVERLAPPING)
        assert not shop.faults, f"seed {seed}:\n{shop.faults[0]}"


@pytest.mark.parametrize("warehouse", ["postgres", "snowflake"])
@pytest.mark.parametrize("happenings", [QUIET, ROUGH, OVERLAPPING], ids=["quiet", "rough", "overlapping"])
async def test_no_history_with_silent_builds_is_answered_wrongly(warehouse: str, happenings: list[str]) -> None:
    """An incremental that writes no row keeps its epoch, though a hook or a new column changes its table (rule F1a)."""
    for seed in range(30):
        shop = await lived(seed, warehouse, happenings, silent=0.5)
        assert not shop.faults, f"seed {seed}:\n{shop.faults[0]}"


@pytest.mark.parametrize("warehouse", ["postgres", "snowflake"])
@pytest.mark.parametrize(
    ("first", "happenings"),
    [("whole", QUIET), ("whole", ROUGH), ("plain", INTRODUCED), ("whole", COPYING)],
    ids=["quiet", "rough", "introduced", "copying"],
)
async def test_no_history_with_falling_epochs_is_answered_wrongly(
    warehouse: str, first: str, happenings: list[str]
) -> None:
    """A hook that deletes the newest rows takes the epoch back to an older one (Postgres)."""
    for seed in range(20):
        shop = await lived(seed, warehouse, happenings, first, silent=0.6, falling=0.7)
        assert not shop.faults, f"seed {seed}:\n{shop.faults[0]}"


@pytest.mark.parametrize("warehouse", ["postgres", "snowflake"])
async def test_no_history_with_hooks_after_the_commit_is_answered_wrongly(warehouse: str) -> None:
    for seed in range(20):
        shop = await lived(seed, warehouse, HOOKED, "whole", silent=0.3)
        assert not shop.faults, f"seed {seed}:\n{shop.faults[0]}"


@pytest.mark.parametrize("warehouse", ["postgres", "snowflake"])
@pytest.mark.parametrize("happenings", [QUIET, [*ROUGH, *OVERLAPPING]], ids=["quiet", "rough"])
async def test_no_lag_tolerance_hides_other_logic(warehouse: str, happenings: list[str]) -> None:
    for seed in range(20):
        shop = await lived(seed, warehouse, happenings, silent=0.3, patience=86_400)
        assert not shop.faults, f"seed {seed}:\n{shop.faults[0]}"
