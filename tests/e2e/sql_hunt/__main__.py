"""`python -m tests.e2e.sql_hunt --seeds 1-5 --pairs 20000`: README.md beside this file explains it."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from contextlib import closing

import pytest
from tests.e2e.postgres import PostgresServer
from tests.e2e.sql_hunt.broken import BROKEN
from tests.e2e.sql_hunt.hunt import Finding, Hunt, Tally
from tests.e2e.sql_hunt.oracle import Oracle

INTERRUPTED = 130
_PROGRESS_SECONDS = 5
_MOST_SHOWN = 20


def main() -> int:
    """Exit code 1 on a finding."""
    parser = argparse.ArgumentParser(
        prog="sql_hunt", description="Find queries that share a fingerprint and differ in rows, column names or types."
    )
    parser.add_argument("--seeds", default="1", help="seeds to follow: 7, 1-20 or 1,5,9-12 (default: 1)")
    parser.add_argument("--pairs", type=int, default=5_000, help="pairs for each seed (default: 5000)")
    parser.add_argument("--broken", choices=BROKEN, help="break the canonical form in this way first")
    parser.add_argument("--failing", action="store_true", help="also show pairs of which one text fails")
    options = parser.parse_args()
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    server = PostgresServer()
    try:
        with pytest.MonkeyPatch.context() as patch:
            if options.broken:
                BROKEN[options.broken](patch)
            tally = _hunt(server, _seeds(options.seeds), options.pairs)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        server.stop()
    _tell(_summary(tally))
    for pair in tally.one_fails[: _MOST_SHOWN if options.failing else 0]:
        _tell(f"one fails ({pair.change}):\n  {pair.one!r}\n  {pair.other!r}")
    for finding in tally.findings[:_MOST_SHOWN]:
        _tell(_told(finding))
    return 1 if tally.findings else 0


def _hunt(server: PostgresServer, seeds: list[int], count: int) -> Tally:
    with closing(Oracle(server.create_database("sql_hunt"))) as oracle:
        hunt = Hunt(oracle)
        told = time.monotonic()
        for seed in seeds:
            for tally in hunt.run(seed, count):
                if time.monotonic() - told > _PROGRESS_SECONDS:
                    told = time.monotonic()
                    _tell(f"seed {seed}: {_summary(tally)}")
        return hunt.tally


def _seeds(text: str) -> list[int]:
    ranges = [part.partition("-") for part in text.split(",")]
    return [seed for first, _, last in ranges for seed in range(int(first), int(last or first) + 1)]


def _summary(tally: Tally) -> str:
    return (
        f"{tally.pairs} pairs, {tally.equal.total()} with one fingerprint, {tally.compared} compared, "
        f"{len(tally.one_fails)} of which one fails, {len(tally.findings)} findings"
    )


def _told(finding: Finding) -> str:
    pair = finding.pair
    return (
        f"one fingerprint, two results ({pair.change}):\n  {pair.one!r}\n  {pair.other!r}\n"
        f"    {finding.one}\n    {finding.other}"
    )


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
