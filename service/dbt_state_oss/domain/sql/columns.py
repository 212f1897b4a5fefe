"""The types that describe single columns of a query: which columns it makes, and which it reads (rule F9).

Both answer one question: if a rebuilt table has changed, have the columns that a reader reads changed too? They are made in
the same parse as the fingerprint. `data_identity.columns_identity_at` combines them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from dbt_state_oss.domain.relation import Relation

MOST_COLUMNS = 500
"""The most columns of one table that are compared separately. A table with more counts as a whole."""
MOST_WORDS = 2_000
"""The most different words of a query and its views that are kept. A query with more reads every column."""

LONGEST_NAME = 63
"""Bytes of a column's name that every warehouse keeps. Postgres truncates a longer name, so two such names may be equal."""


@dataclass(frozen=True, slots=True)
class ColumnAccount:
    """What decides a table's rows, and what decides the values of each column in them, as digests.

    Two builds on equal inputs with equal `rows` have the same rows, equally often, in every column whose digest is equal.
    Names of columns are folded. The `rows` of a fingerprint cover the definitions of the views read.
    """

    rows: str
    columns: Mapping[str, str]
    star: Relation | None = None
    """A relation whose columns it also passes on, by a `*`. The text does not show which columns these are."""

    def kept(self) -> ColumnAccount:
        """The account as it is stored, with digests in place of names."""
        return replace(self, columns={name_digest(name): digest for name, digest in self.columns.items()})


@dataclass(frozen=True, slots=True)
class ColumnReads:
    """Which columns of the tables that it reads a query may depend on. All names are folded and sorted."""

    words: tuple[str, ...]
    """Every word of the query and of the views that it reads. The query cannot refer to a column that is not among them,
    whatever else has its name."""
    whole: tuple[Relation, ...] = ()
    """Relations of which it reads all columns, for example by a `*` that reaches its output."""
    qualified: Mapping[Relation, tuple[str, ...]] = field(default_factory=dict)
    """Names after a relation's own name or alias (`orders.id`). A name that is not one of its columns may be a function of its
    whole row (Postgres)."""

    def kept(self) -> ColumnReads:
        """The reads as they are stored, with digests in place of names."""
        qualified = {relation: tuple(map(name_digest, names)) for relation, names in self.qualified.items()}
        return replace(self, words=tuple(map(name_digest, self.words)), qualified=qualified)


_NAME_DIGITS = 16
"""Hex digits of a name's digest: enough to distinguish all names of a warehouse."""


def name_digest(name: str) -> str:
    """The digest that is stored in place of a folded name. Records contain no word of any SQL."""
    return sha256(name.encode(errors="surrogatepass")).hexdigest()[:_NAME_DIGITS]


def folded(name: str) -> str:
    """The name in a common spelling: two names that any warehouse treats as the same have the same spelling."""
    return name.upper().casefold()


def all_reads(each_reads: Iterable[ColumnReads | None]) -> ColumnReads | None:
    """What several texts read together. None if one of them is not understood, or if they have more than `MOST_WORDS` words."""
    words: set[str] = set()
    whole: set[Relation] = set()
    qualified: dict[Relation, set[str]] = {}
    for reads in each_reads:
        if reads is None:
            return None
        words.update(reads.words)
        whole.update(reads.whole)
        for relation, names in reads.qualified.items():
            qualified.setdefault(relation, set()).update(names)
    if len(words) > MOST_WORDS:
        return None
    sorted_names = {relation: tuple(sorted(names)) for relation, names in sorted(qualified.items())}
    return ColumnReads(tuple(sorted(words)), tuple(sorted(whole)), sorted_names)
