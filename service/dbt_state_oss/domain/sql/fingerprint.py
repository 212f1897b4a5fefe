"""The fingerprint of a query: equal for texts that mean the same, different wherever that is uncertain
(decision-rules: Logic)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from itertools import chain

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.columns import ColumnAccount, ColumnReads
from dbt_state_oss.domain.submission import Code, SeedValues

FINGERPRINT_VERSION = 7
"""Part of every digest: a record of another version never matches (rule L1)."""
_AT_ONCE = 1 << 20
"""Characters that are encoded in one go: other threads wait as long."""


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
    views_digest: str = ""
    """Digest of the canonical definitions of the views read, which `digest` covers too; empty where none is read."""
    unseen_sources: tuple[str, ...] = ()
    """What it reads, directly or through views, that is no relation and of which no request tells (rule F3)."""
    common_tables: tuple[Relation, ...] = field(default=(), compare=False)
    """Relations that nothing reads, though a common table expression which is read has their name (rule F3)."""
    account: ColumnAccount | None = field(default=None, compare=False)
    """What decides its rows and each of its columns; None where they can't be told apart (rule F9)."""
    reads: ColumnReads | None = field(default=None, compare=False)
    """Which columns it reads; None where that is not understood (rule F9)."""
    selection_digest: str | None = field(default=None, compare=False)
    """As `digest`, but covering of the views only their rows and the columns that are read, and the names of what is read (rule
    L4a); None where no view is read so."""
    asks_session: bool = False
    """It calls a function that tells of the session, so that it means something else in another target."""
    reads_itself: bool = False
    """It reads, or may read, what the target held before, directly or through views: its content depends on history."""
    returns_no_rows: bool = False
    """It returns no rows, whatever its inputs hold (rule L14)."""
    unparsable: bool = field(default=False, compare=False)
    """Parsing was tried and failed, or is never tried. A text that was only not parsed in time (the parser was busy, or died)
    lacks it."""
    parts: tuple[str, ...] = field(default=(), compare=False)
    """Short digests of its clauses and of the views read, to name what changed (`domain/sql/clauses.py`). Nothing is decided by
    them."""

    @property
    def is_final(self) -> bool:
        """Whether reading the same code again would bring the same; what was not parsed in time may be by then."""
        return self.unparsable or self.kind in (FingerprintKind.PARSED, FingerprintKind.VALUES)


def raw_digest(code: Code | SeedValues) -> str:
    """Digest (64 hex digits) of everything that a fingerprint is made of, as it was sent; views in any order.

    Equal digests mean equal fingerprints, so that a byte-identical query needs no parsing. Costs microseconds.
    """
    match code:
        case SeedValues(dialect, values_hash):
            return digest_of("seed", dialect.name, values_hash)
        case Code(dialect, sql, default_catalog, default_schema, target, views):
            described = sorted((view.relation, view.default_catalog, view.default_schema, view.text) for view in views)
            return digest_of(
                "code",
                dialect.name,
                dialect.sqlglot or "",
                sql,
                default_catalog,
                default_schema,
                "" if target is None else f"={target}",
                *chain.from_iterable(described),
            )


def seed_fingerprint(values: SeedValues) -> Fingerprint:
    """The fingerprint of a seed: the hash of its file (rule L10)."""
    return Fingerprint(FingerprintKind.VALUES, digest_of("values", values.dialect.name, values.values_hash))


def digest_of(*parts: str) -> str:
    """Digest of the parts, each preceded by its length so that no two lists of parts run together."""
    digest = sha256(b"%d" % FINGERPRINT_VERSION)
    for part in parts:
        if len(part) > _AT_ONCE and part.isascii():
            digest.update(b"\n%d:" % len(part))
            for begin in range(0, len(part), _AT_ONCE):
                digest.update(part[begin : begin + _AT_ONCE].encode())
            continue
        data = part.encode(errors="surrogatepass")
        digest.update(b"\n%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()
