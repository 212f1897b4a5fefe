"""Short hunts: the server as it is reuses nothing wrongly, and a server with a broken rule has one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.conftest import ClientOf
from tests.e2e.hunt.arena import open_arena
from tests.e2e.hunt.hunt import Hunt
from tests.e2e.hunt.mutated_server import MUTATIONS
from tests.e2e.postgres import PostgresServer

STEPS = 8
CAUGHT_BY = {
    "ignore-own-epoch": (922, 2),
    "match-any-history": (635, 3),
    "null-epoch-is-fresh": (6670, 2),
    "ignore-configuration": (315, 2),
    "ignore-inputs": (14197, 2),
    "identity-without-inputs": (14197, 2),
    "inherit-unseen": (5678, 2),
    "clone-from-other-inputs": (389, 2),
    "copies-lack-nothing": (40, 2),
    "views-have-no-logic": (13323, 2),
    "silent-builds-go-unseen": (4, 2),
    "hooks-are-trusted": (1926, 3),
    "columns-are-kept": (12, 2),
}
"""Mutation to a seed and the number of steps within which it is caught."""

StartHunt = Callable[..., Hunt]


@pytest.fixture
def start_hunt(tmp_path: Path, postgres: PostgresServer, client_of: ClientOf) -> Iterator[StartHunt]:
    """Makes hunts whose arenas are closed with the test."""
    with ExitStack() as stack:

        def start_hunt(seed: int, *, mutation: str | None = None) -> Hunt:
            name = f"hunt_{mutation or 'plain'}_{seed}"
            arena = open_arena(tmp_path, postgres=postgres, client_of=client_of, name=name, mutation=mutation)
            return Hunt(seed, stack.enter_context(arena))

        yield start_hunt


@pytest.mark.parametrize("seed", [3, secrets.randbelow(1_000_000)], ids=["the fixed seed", "a fresh seed"])
def test_a_short_hunt_finds_nothing_grave(seed: int, start_hunt: StartHunt) -> None:
    """Needless builds are counted by long hunts: in a short one a single one is more than 0.5 %."""
    hunt = start_hunt(seed)
    tally = hunt.run(STEPS)
    told = f"make hunt SEED={seed} STEPS={STEPS}\n" + "\n".join(hunt.history)
    assert not tally.grave, told


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_server_with_a_broken_rule_is_caught(mutation: str, start_hunt: StartHunt) -> None:
    seed, steps = CAUGHT_BY[mutation]
    hunt = start_hunt(seed, mutation=mutation)
    assert hunt.run(steps).false_reuses, "\n".join(hunt.history)
