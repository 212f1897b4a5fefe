"""The fingerprint of a query: equal for texts that mean the same, different wherever that is not certain (section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dbt_state_oss.domain.relation import Relation

FINGERPRINT_VERSION = 1
"""Part of every digest: a record of another version never matches (rule L1)."""


class FingerprintKind(Enum):
    """How a digest was made. Kinds never match each other (rule L8)."""

    PARSED = "parsed"
    TEXT = "text"
    """Could not be parsed: the exact text less comments and white space outside literals."""
    BYTES = "bytes"
    """Not even tokenized: the exact text."""
    VALUES = "values"
    """A seed (rule L10)."""


class Volatility(Enum):
    """Whether running the same SQL on the same data gives the same rows (rule L9)."""

    STABLE = "stable"
    DAILY = "daily"
    """Changes with the UTC date alone."""
    VOLATILE = "volatile"


@dataclass(frozen=True, slots=True)
class Slot:
    """One relation that the SQL reads directly, in order of first appearance; a direct parent.

    `leaves` are the tables at its end, in order of first appearance: the relation itself, or for a view those that
    its definition reads, directly and through further views.
    """

    relation: Relation
    leaves: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a query means, less the names of what it reads.

    `digest` (64 hex digits) covers the fingerprint version, the dialect, the canonical SQL and the canonical
    definitions of the views read; relations count as slot numbers (rule L3), so `slots` is compared beside it.
    """

    kind: FingerprintKind
    digest: str
    slots: tuple[Slot, ...] = ()
    volatility: Volatility = Volatility.STABLE
    star_relations: tuple[Relation, ...] = ()
    """Relations under a `*` that the text alone cannot expand (rule T5)."""
