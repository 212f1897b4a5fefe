"""Tells views apart by their columns too, where somebody reads them (rules F9 and L4a).

A view on the way is a query like any other: what is read of it are its rows and the columns that its reader's words name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.canonical import Reading
from dbt_state_oss.domain.sql.columns import ColumnAccount
from dbt_state_oss.domain.sql.fingerprint import digest_of

_DIGITS = 16
"""Of a column's digest: it tells a few hundred columns of one table apart, and is kept for each."""


class ViewColumns:
    """The accounts of texts whose views are known."""

    def __init__(self, views: Mapping[Relation, Reading]) -> None:
        self._views = views
        self._accounts: dict[Relation, ColumnAccount | None] = {}
        self._wholes: dict[Relation, str] = {}

    def account(self, reading: Reading) -> ColumnAccount | None:
        """What decides the text's rows and columns, through every view; None where they can't be told apart."""
        text = reading.account
        if text is None:
            return None
        columns = {name: digest_of(told.digest, *self._read(reading, told.said)) for name, told in text.columns.items()}
        return ColumnAccount(
            rows=digest_of(text.rows.digest, *self._read(reading, text.rows.said)),
            columns={name: digest[:_DIGITS] for name, digest in columns.items()},
            star=text.star,
        )

    def selection_digest(self, query: Reading) -> str | None:
        """Digest of the query and of what it reads of its views; None where it reads none by its columns."""
        if query.reads is None or not any(self._told_apart(query, relation) for relation in query.relations):
            return None
        tables = (relation for relation in query.relations if relation not in self._views)
        return digest_of("selection", query.meaning, *tables, *self._read(query, query.reads.words))

    def _read(self, reading: Reading, words: Collection[str]) -> Iterator[str]:
        """What a text reads by these words of the views that it names."""
        for relation in reading.relations:
            account = self._told_apart(reading, relation)
            if account is not None:
                names = sorted(account.columns.keys() & words)
                yield from ("columns of", relation, account.rows)
                yield from (part for name in names for part in (name, account.columns[name]))
            elif relation in self._views:
                yield from ("view", relation, self._whole(relation))

    def _told_apart(self, reading: Reading, relation: Relation) -> ColumnAccount | None:
        """The account of a view of whose columns the text reads only those that it names."""
        reads = reading.reads
        if relation not in self._views or reads is None or relation in reads.whole:
            return None
        if relation not in self._accounts:
            self._accounts[relation] = None  # for a view that reads itself
            self._accounts[relation] = self.account(self._views[relation])
        account = self._accounts[relation]
        if account is None or account.star is not None:
            return None
        return account if account.columns.keys() >= set(reads.qualified.get(relation, ())) else None

    def _whole(self, relation: Relation) -> str:
        """Digest of a view's definition and of those that it reads."""
        if relation not in self._wholes:
            self._wholes[relation] = ""
            view = self._views[relation]
            read = (self._whole(each) if each in self._views else each for each in view.relations)
            self._wholes[relation] = digest_of(view.meaning, *read)
        return self._wholes[relation]
