"""A short hunt finds nothing, and it finds what a broken canonical form merges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.e2e.postgres import PostgresServer
from tests.e2e.sql_hunt.broken import BROKEN
from tests.e2e.sql_hunt.hunt import Hunt, pairs
from tests.e2e.sql_hunt.oracle import Oracle

DATABASE = "sql_hunt"
PAIRS = 400
CAUGHT_BY = (2, 4000)
"""A seed and a number of pairs; each fault is found long before the last of them."""


@pytest.fixture
def oracle(postgres: PostgresServer) -> Iterator[Oracle]:
    database = postgres.create_database(DATABASE)
    with closing(Oracle(database)) as oracle:
        yield oracle
    database.drop()


def test_a_short_hunt_finds_nothing(oracle: Oracle) -> None:
    hunt = Hunt(oracle)
    for tally in hunt.run(1, PAIRS):
        assert not tally.findings, tally.findings[-1]
    assert hunt.tally.compared > PAIRS // 10


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_canonical_form_is_caught(broken: str, oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[broken](monkeypatch)
    assert any(tally.findings for tally in Hunt(oracle).run(*CAUGHT_BY))


def test_the_pairs_follow_from_the_seed_alone() -> None:
    assert list(pairs(7, 50)) == list(pairs(7, 50)) != list(pairs(8, 50))
