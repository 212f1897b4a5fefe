"""The fingerprint of a query. Texts that provably mean the same have equal fingerprints, all others have different ones
(decision-rules: Logic)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from itertools import chain

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.columns import ColumnAccount, ColumnReads
from dbt_state_oss.domain.submission import Code, SeedValues

FINGERPRINT_VERSION = 8
"""Part of every digest. A record of another version never matches (rule L1)."""
_CHUNK = 1 << 20
"""Characters that are encoded at once. Other threads wait for that long."""


class FingerprintKind(Enum):
    """How a digest was made. Kinds never match each other (rule L8)."""

    PARSED = "parsed"
    TEXT = "text"
    """The SQL could not be parsed: the exact text, without comments and without white space outside literals."""
    BYTES = "bytes"
    """The SQL could not be scanned either: the exact text."""
    VALUES = "values"
    """The hash of a seed's file (rule L10)."""


class Volatility(Enum):
    """Whether running the same SQL on the same data gives the same rows (rule L9)."""

    STABLE = "stable"
    DAILY = "daily"
    """Changes only with the UTC date."""
    VOLATILE = "volatile"


@dataclass(frozen=True, slots=True)
class Slot:
    """One relation that the SQL reads directly (a direct parent). Slots are in order of first appearance.

    `leaves` are the tables behind it, in order of first appearance: the relation itself, or for a view the tables that its
    definition reads, directly and through further views.
    """

    relation: Relation
    leaves: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a query means, without the names of the relations that it reads.

    `digest` (64 hex digits) covers the fingerprint version, the dialect, the canonical SQL and the canonical definitions of
    the views read. Relations count as slot numbers (rule L3), so `slots` is compared separately.
    """

    kind: FingerprintKind
    digest: str
    slots: tuple[Slot, ...] = ()
    volatility: Volatility = Volatility.STABLE
    star_relations: tuple[Relation, ...] = ()
    """Relations under a `*` that the text alone cannot expand (rule T5)."""
    views_digest: str = ""
    """Digest of the canonical definitions of the views read, which `digest` also covers. Empty if no view is read."""
    unseen_sources: tuple[str, ...] = ()
    """Sources that it reads, directly or through views, and that no request reports (rule F3)."""
    common_tables: tuple[Relation, ...] = field(default=(), compare=False)
    """Relations that are not read, although a common table expression that is read has their name (rule F3)."""
    account: ColumnAccount | None = field(default=None, compare=False)
    """What decides its rows and each of its columns (rule F9). None if they cannot be separated."""
    reads: ColumnReads | None = field(default=None, compare=False)
    """Which columns it reads (rule F9). None if that is not understood."""
    selection_digest: str | None = field(default=None, compare=False)
    """Like `digest`, but of the views it covers only their rows and the columns that are read. It also covers the names of the
    relations read (rule L4a). None if no view is read by its columns."""
    asks_session: bool = False
    """It calls a function that depends on the session, so it may mean something else in another target."""
    reads_itself: bool = False
    """It reads or may read the target itself, directly or through views: its content depends on what the target held before."""
    reads_storage: bool = False
    """Its rows depend on how the rows of its inputs are stored (system columns, a sample with a seed). A table that was built
    again has the same content and stores it in another way."""
    returns_no_rows: bool = False
    """It returns no rows, whatever its inputs contain (rule L14)."""
    unparsable: bool = field(default=False, compare=False)
    """Parsing was tried and failed, or is never tried. False for a text that was only not parsed in time (the parser was busy
    or died)."""
    parts: tuple[str, ...] = field(default=(), compare=False)
    """Short digests of its clauses and of the views read, to name what changed (`domain/sql/clauses.py`). No decision depends
    on them."""

    @property
    def is_final(self) -> bool:
        """Whether the same code would get the same fingerprint again. Code that was not parsed in time may be parsed later."""
        return self.unparsable or self.kind in (FingerprintKind.PARSED, FingerprintKind.VALUES)


def raw_digest(code: Code | SeedValues) -> str:
    """Digest (64 hex digits) of everything that a fingerprint is made from, as it was sent. The order of views does not count.

    Equal digests mean equal fingerprints, so a byte-identical query need not be parsed. It takes microseconds.
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
    """Digest of the parts. Each part is preceded by its length, so two different lists of parts never give the same input."""
    digest = sha256(b"%d" % FINGERPRINT_VERSION)
    for part in parts:
        if len(part) > _CHUNK and part.isascii():
            digest.update(b"\n%d:" % len(part))
            for start in range(0, len(part), _CHUNK):
                digest.update(part[start : start + _CHUNK].encode())
            continue
        data = part.encode(errors="surrogatepass")
        digest.update(b"\n%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()
