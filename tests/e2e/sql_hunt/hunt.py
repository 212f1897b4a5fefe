"""Draws pairs of queries and holds their fingerprints against what PostgreSQL makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.domain.coding import made
from tests.e2e.sql_hunt.corpus import SEEDS, cases
from tests.e2e.sql_hunt.grammar import query
from tests.e2e.sql_hunt.mutating import mutated
from tests.e2e.sql_hunt.oracle import Oracle, Result

from dbt_state_oss.domain.sql.fingerprint import Volatility

_FROM_THE_SEEDS, _FROM_THE_CASES = 0.4, 0.2
_CHANGED_TWICE = 0.3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that differ by one change."""

    one: str
    other: str
    change: str
    """Name of the mutation."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A pair with one fingerprint and two results."""

    pair: Pair
    one: Result
    other: Result


@dataclass(slots=True)
class Tally:
    """What a hunt saw."""

    pairs: int = 0
    equal: Counter[str] = field(default_factory=Counter)
    """Pairs with one fingerprint, by their change."""
    compared: int = 0
    """Those of them of which both texts run."""
    one_fails: list[Pair] = field(default_factory=list)
    """Those of which one text alone runs: a build of the other would fail, and leave no wrong rows."""
    findings: list[Finding] = field(default_factory=list)


def pairs(seed: int, count: int) -> Iterator[Pair]:
    """`count` pairs; a function of the arguments alone."""
    random = Random(seed)
    written = cases()
    drawn = 0
    while drawn < count:
        chosen = random.random()
        if chosen < _FROM_THE_SEEDS:
            one = random.choice(SEEDS)
        else:
            one = random.choice(written) if chosen < _FROM_THE_SEEDS + _FROM_THE_CASES else query(random)
        if random.random() < _CHANGED_TWICE:
            one, _ = mutated(one, random)
        other, change = mutated(one, random)
        if one != other:
            drawn += 1
            yield Pair(one, other, change)


class Hunt:
    """A hunt with one oracle. `run` may be called again, with another seed."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self.tally = Tally()

    def run(self, seed: int, count: int) -> Iterator[Tally]:
        """Judges pair after pair; gives the tally after each."""
        for pair in pairs(seed, count):
            self._judge(pair)
            self.tally.pairs += 1
            yield self.tally

    def _judge(self, pair: Pair) -> None:
        one, other = made(pair.one), made(pair.other)
        if (one.kind, one.digest, one.slots) != (other.kind, other.digest, other.slots):
            return
        if one.volatility is not Volatility.STABLE or other.volatility is not Volatility.STABLE:
            return
        self.tally.equal[pair.change] += 1
        first, second = self._oracle.result(pair.one), self._oracle.result(pair.other)
        if first is None or second is None:
            if first is not second:
                self.tally.one_fails.append(pair)
            return
        self.tally.compared += 1
        if first != second and self._repeats(pair, first, second):
            self.tally.findings.append(Finding(pair, first, second))

    def _repeats(self, pair: Pair, first: Result, second: Result) -> bool:
        """Whether the texts give the same once more, so that neither time nor chance is the difference."""
        return (self._oracle.result(pair.one), self._oracle.result(pair.other)) == (first, second)
