"""What a query says of single columns: which it makes, and which it reads (rule F9).

The two sides of one question: a table was rebuilt and is not what it was, but are the columns that somebody reads of it?
Made beside the fingerprint, in the same parse; `data_identity.identity_of_columns` puts the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from dbt_state_oss.domain.relation import Relation

MOST_COLUMNS = 500
"""Columns of one table that are told apart; a wider one counts as a whole."""
MOST_WORDS = 2_000
"""Different words of a query, views included, that are kept; a richer one reads every column."""

LONGEST_NAME = 63
"""Bytes of a column's name that every warehouse keeps: Postgres cuts a longer one off, so that two such names may be one."""


@dataclass(frozen=True, slots=True)
class ColumnAccount:
    """What decides a table's rows, and what decides the values of each column in them, as digests.

    Two builds on equal inputs whose `rows` are equal have the same rows, as often, in every column whose digest is equal.
    Names of columns are folded. `rows` of a fingerprint covers the definitions of the views read.
    """

    rows: str
    columns: Mapping[str, str]
    star: Relation | None = None
    """A relation whose columns it hands on beside these, by a `*`: the text does not tell which."""

    def kept(self) -> ColumnAccount:
        """The account as it is kept: its names as digests."""
        return replace(self, columns={name_digest(name): digest for name, digest in self.columns.items()})


@dataclass(frozen=True, slots=True)
class ColumnReads:
    """Which columns of the tables that it reads a query may depend on. All names are folded and sorted."""

    words: tuple[str, ...]
    """Every word of the query and of the views that it reads. A column that is none of them can't be meant by the query, whatever
    else bears its name."""
    whole: tuple[Relation, ...] = ()
    """Relations that it reads all columns of, by a `*` that reaches its output or the like."""
    qualified: Mapping[Relation, tuple[str, ...]] = field(default_factory=dict)
    """Names behind a relation's own name or alias (`orders.id`). One that is no column of it may be a function of its whole row
    (Postgres)."""

    def kept(self) -> ColumnReads:
        """What is read as it is kept: its names as digests."""
        qualified = {relation: tuple(map(name_digest, names)) for relation, names in self.qualified.items()}
        return replace(self, words=tuple(map(name_digest, self.words)), qualified=qualified)


_NAME_DIGITS = 16
"""Of a name's digest: enough to tell all names of a warehouse apart."""


def name_digest(name: str) -> str:
    """What stands for a folded name where it is kept: records hold no word of anybody's SQL."""
    return sha256(name.encode(errors="surrogatepass")).hexdigest()[:_NAME_DIGITS]


def folded(name: str) -> str:
    """The name in a spelling that it shares with every name which some warehouse takes for the same."""
    return name.upper().casefold()


def all_reads(readings: Iterable[ColumnReads | None]) -> ColumnReads | None:
    """What several texts read together; None where one of them is not understood, or where they say too much."""
    words: set[str] = set()
    whole: set[Relation] = set()
    qualified: dict[Relation, set[str]] = {}
    for reading in readings:
        if reading is None:
            return None
        words.update(reading.words)
        whole.update(reading.whole)
        for relation, names in reading.qualified.items():
            qualified.setdefault(relation, set()).update(names)
    if len(words) > MOST_WORDS:
        return None
    behind = {relation: tuple(sorted(names)) for relation, names in sorted(qualified.items())}
    return ColumnReads(tuple(sorted(words)), tuple(sorted(whole)), behind)
