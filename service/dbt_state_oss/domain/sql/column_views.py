"""Compares views by the columns that their readers read (rules F9 and L4a).

A view is treated like any other query: a text reads the view's rows, and those of its columns that the text's words name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.canonical import Reading
from dbt_state_oss.domain.sql.columns import ColumnAccount
from dbt_state_oss.domain.sql.fingerprint import digest_of

_DIGITS = 16
"""Hex digits of a column's digest. It is stored for each column, and only distinguishes the columns of one table."""


class ViewColumns:
    """Makes the column accounts and selection digests of texts. `views` are the readings of all views that they read."""

    def __init__(self, views: Mapping[Relation, Reading]) -> None:
        self._views = views
        self._accounts: dict[Relation, ColumnAccount | None] = {}
        self._whole_digests: dict[Relation, str] = {}

    def account(self, reading: Reading) -> ColumnAccount | None:
        """What decides the text's rows and columns, through all views. None if they cannot be separated."""
        text = reading.account
        if text is None:
            return None
        columns = {
            name: digest_of(part.digest, *self._read(reading, part.words)) for name, part in text.columns.items()
        }
        return ColumnAccount(
            rows=digest_of(text.rows.digest, *self._read(reading, text.rows.words)),
            columns={name: digest[:_DIGITS] for name, digest in columns.items()},
            star=text.star,
        )

    def selection_digest(self, query: Reading) -> str | None:
        """Digest of the query and of what it reads of its views. None if it reads no view by its columns."""
        if query.reads is None or not any(self._account_by_columns(query, relation) for relation in query.relations):
            return None
        tables = (relation for relation in query.relations if relation not in self._views)
        return digest_of("selection", query.meaning, *tables, *self._read(query, query.reads.words))

    def _read(self, reading: Reading, words: Collection[str]) -> Iterator[str]:
        """Parts of a digest: what a text with these words reads of the views that it names."""
        for relation in reading.relations:
            account = self._account_by_columns(reading, relation)
            if account is not None:
                names = sorted(account.columns.keys() & words)
                yield from ("columns of", relation, account.rows)
                yield from (part for name in names for part in (name, account.columns[name]))
            elif relation in self._views:
                yield from ("view", relation, self._whole_digest(relation))

    def _account_by_columns(self, reading: Reading, relation: Relation) -> ColumnAccount | None:
        """The account of a view, if the text reads only those of its columns that it names. None otherwise."""
        reads = reading.reads
        if relation not in self._views or reads is None or relation in reads.whole:
            return None
        if relation not in self._accounts:
            self._accounts[relation] = None  # ends the recursion of a view that reads itself
            self._accounts[relation] = self.account(self._views[relation])
        account = self._accounts[relation]
        if account is None or account.star is not None:
            return None
        return account if account.columns.keys() >= set(reads.qualified.get(relation, ())) else None

    def _whole_digest(self, relation: Relation) -> str:
        """Digest of a view's definition and of the definitions of the views that it reads."""
        if relation not in self._whole_digests:
            self._whole_digests[relation] = ""
            view = self._views[relation]
            read = (self._whole_digest(each) if each in self._views else each for each in view.relations)
            self._whole_digests[relation] = digest_of(view.meaning, *read)
        return self._whole_digests[relation]
