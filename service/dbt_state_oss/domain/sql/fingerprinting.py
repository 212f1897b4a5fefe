"""Makes the fingerprint of a query and of the views that it reads, down to the leaf tables (decision-rules: Logic).

Pure but slow: a parse takes milliseconds. `raw_digest` shows beforehand whether a parse is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from dbt_state_oss.domain.dialects.spelling import parts_of_name
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.canonical import Reading, read_sql
from dbt_state_oss.domain.sql.column_views import ViewColumns
from dbt_state_oss.domain.sql.columns import all_reads
from dbt_state_oss.domain.sql.emptiness import text_returns_no_rows
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Slot, Volatility, digest_of, raw_digest
from dbt_state_oss.domain.sql.plain_text import PlainText, read_text
from dbt_state_oss.domain.sql.volatility import (
    most_volatile,
    text_asks_session,
    text_reads_storage,
    volatility_of_text,
)
from dbt_state_oss.domain.submission import Code, ViewDefinition

LONGEST_PARSED = 1 << 20
"""The most characters of SQL, views included, that are parsed. A longer text is compared as text (rule L8)."""

_ANYTHING = "whatever its text names"


def fingerprint(code: Code) -> Fingerprint:
    """The fingerprint of the code. Its kind is a fallback if the code is not understood completely. Never raises."""
    if code.too_long_to_scan:
        return unread_fingerprint(code, raw_digest(code))
    return _parsed(code) or replace(fallback_fingerprint(code), unparsable=True)


def unread_fingerprint(code: Code, digest: str) -> Fingerprint:
    """The fingerprint of code that would take too long to scan, made from its raw digest. The code may read and call anything."""
    return Fingerprint(
        FingerprintKind.BYTES,
        digest_of("unread", digest),
        volatility=Volatility.VOLATILE,
        views_digest=digest_of("unread views", digest) if code.views else "",
        unseen_sources=(_ANYTHING,),
        asks_session=True,
        reads_storage=True,
        reads_itself=True,
        unparsable=code.too_long_to_scan,
    )


def fallback_fingerprint(code: Code) -> Fingerprint:
    """The fingerprint of the code without parsing: TEXT, or BYTES if not even literals are certain (rule L8).

    The words decide what it reads. A relation that they name is in its slots, since the client may not report it: the client
    finds no table in a view that it cannot parse, and no table with the name of a common table expression. If not even the
    words are certain, the query may read anything. Takes time linear in the text, and in the
    views for each relation that the query names.
    """
    views = sorted(code.views, key=lambda view: (view.relation, view.default_catalog, view.default_schema, view.text))
    texts = [code.sql, *(view.text for view in views)]
    scanned = [read_text(code.sql, code.dialect)]
    scanned += (read_text(view.text, code.dialect, is_view=True) for view in views)
    plain = [text for text in scanned if text is not None]
    kind = FingerprintKind.TEXT if len(plain) == len(texts) else FingerprintKind.BYTES
    if kind is FingerprintKind.TEXT:
        query, *definitions = [text.digest for text in plain]
        unseen = tuple(dict.fromkeys(name for text in plain for name in text.unseen_sources))
        slots, names_target = _slots_by_words(code, plain[0], dict(zip(views, plain[1:], strict=True)))
    else:
        query, *definitions = texts
        unseen, slots, names_target = (_ANYTHING,), (), False
    view_pieces = [
        piece
        for view, definition in zip(views, definitions, strict=True)
        for piece in (view.relation, view.default_catalog, view.default_schema, definition)
    ]
    return Fingerprint(
        kind,
        digest_of(kind.value, code.dialect.name, code.default_catalog, code.default_schema, query, *view_pieces),
        slots=slots,
        volatility=most_volatile(volatility_of_text(text, code.dialect) for text in texts),
        views_digest=digest_of(kind.value, *view_pieces) if view_pieces else "",
        unseen_sources=unseen,
        asks_session=any(text_asks_session(text, code.dialect) for text in texts),
        reads_itself=names_target
        or (code.target is not None and any(_may_read(text, code.target, code) for text in texts)),
        reads_storage=any(text_reads_storage(text, code.dialect) for text in texts),
        returns_no_rows=text_returns_no_rows(code.sql),
    )


def _slots_by_words(
    code: Code, query: PlainText, views: Mapping[ViewDefinition, PlainText]
) -> tuple[tuple[Slot, ...], bool]:
    """A slot for each relation that the query's words name, with the tables that the words of its views name; and whether the
    target is one of them.
    """

    def relations_of(text: PlainText, catalog: str, schema: str) -> tuple[Relation, ...]:
        relation = partial(code.dialect.relation, default_catalog=catalog, default_schema=schema)
        return tuple(dict.fromkeys(map(relation, text.named)))

    definitions = {
        view.relation: relations_of(text, view.default_catalog, view.default_schema) for view, text in views.items()
    }
    read = relations_of(query, code.default_catalog, code.default_schema)
    slots = tuple(
        Slot(relation, tuple(_leaves(relation, definitions, code.target)))
        for relation in read
        if relation != code.target
    )
    return slots, any(code.target in relations for relations in (read, *definitions.values()))


def _leaves(
    relation: Relation, definitions: Mapping[Relation, Sequence[Relation]], target: Relation | None
) -> Iterator[Relation]:
    """The leaf tables of a slot, in order of first appearance. `definitions` holds the relations that each view reads."""
    seen = {target}
    pending = [relation]
    while pending:
        each = pending.pop()
        if each in seen:
            continue
        seen.add(each)
        if each in definitions:
            pending += reversed(definitions[each])
        else:
            yield each


def _may_read(text: str, relation: Relation, code: Code) -> bool:
    """Whether an unparsed text may name the relation: with its schema, or without it if its schema is the default one."""
    *_, schema, name = ["", *(part.text for part in parts_of_name(relation, quotes='"', skipped_part=None) or ())]
    folded = text.lower()
    qualified = re.search(rf"{re.escape(schema.lower())}\W{{1,3}}{re.escape(name.lower())}", folded) is not None
    return qualified or (schema.lower() == code.default_schema.lower() and name.lower() in folded)


def _parsed(code: Code) -> Fingerprint | None:
    if len(code.sql) + sum(len(view.text) for view in code.views) > LONGEST_PARSED:
        return None
    query = read_sql(code.sql, code.dialect, default_catalog=code.default_catalog, default_schema=code.default_schema)
    if query is None:
        return None
    view_tree = _ViewTree(code)
    upstream = view_tree.describe(query)
    if upstream is None:
        return None
    readings = view_tree.readings.values()
    definitions = {relation: reading.relations for relation, reading in view_tree.readings.items()}
    columns = ViewColumns(view_tree.readings)
    account, reads = columns.account(query), all_reads(reading.reads for reading in (query, *readings))
    reads_itself = any(code.target in reading.relations for reading in (query, *readings))
    return Fingerprint(
        FingerprintKind.PARSED,
        digest_of(FingerprintKind.PARSED.value, code.dialect.name, query.meaning, *upstream),
        slots=tuple(
            Slot(relation, tuple(_leaves(relation, definitions, code.target)))
            for relation in query.relations
            if relation != code.target
        ),
        volatility=most_volatile([query.volatility, *(reading.volatility for reading in readings)]),
        star_relations=tuple(relation for relation in query.star_relations if relation != code.target),
        views_digest=view_tree.views_digest(),
        unseen_sources=tuple(dict.fromkeys(name for reading in (query, *readings) for name in reading.unseen_sources)),
        common_tables=view_tree.common_tables(query),
        parts=(*query.clauses, *view_tree.view_parts()),
        account=None if account is None or reads_itself else account.kept(),
        selection_digest=columns.selection_digest(query),
        reads=None if reads is None else reads.kept(),
        asks_session=any(reading.asks_session for reading in (query, *readings)),
        reads_storage=any(reading.reads_storage for reading in (query, *readings)),
        reads_itself=reads_itself,
        returns_no_rows=query.returns_no_rows,
    )


class _ViewTree:
    """The views behind the slots of a query, followed through their definitions to leaf tables. The target is not followed."""

    def __init__(self, code: Code) -> None:
        self._dialect = code.dialect
        self._target = code.target
        self._definitions = {view.relation: view for view in sorted(code.views, key=lambda view: view.text)}
        self.readings: dict[Relation, Reading] = {}
        """The readings of the views that were followed, each once."""

    def describe(self, query: Reading) -> list[str] | None:
        """A description of everything that is read, without names. None if the definition of a view is not understood.

        Relations are numbered in order of first appearance, so the description shows which slots share a table. A view is
        described at its first appearance only, which also ends cycles.
        """
        numbers: dict[Relation, int] = {}
        shape: list[str] = []
        open_slots = [iter(query.relations)]
        while open_slots:
            relation = next(open_slots[-1], None)
            if relation is None:
                open_slots.pop()
                shape.append("end")
            elif relation == self._target:
                shape.append("target")
            elif relation in numbers or relation not in self._definitions:
                shape.append(f"relation {numbers.setdefault(relation, len(numbers))}")
            else:
                reading = self._read(relation)
                if reading is None:
                    return None
                shape.append(f"view {numbers.setdefault(relation, len(numbers))} {reading.meaning}")
                open_slots.append(iter(reading.relations))
        return shape

    def common_tables(self, query: Reading) -> tuple[Relation, ...]:
        """Names of common table expressions, as relations. Those that the query or a view reads as a relation are omitted."""
        readings = (query, *self.readings.values())
        read = {relation for reading in readings for relation in reading.relations}
        named = dict.fromkeys(relation for reading in readings for relation in reading.common_tables)
        return tuple(relation for relation in named if relation not in read)

    def views_digest(self) -> str:
        """Digest of the views read: of the name of each, its meaning and what it reads. Their order does not count (rule L7)."""
        pieces = [
            piece
            for relation, reading in sorted(self.readings.items())
            for piece in ("view", relation, reading.meaning, *reading.relations)
        ]
        return digest_of(*pieces) if pieces else ""

    def view_parts(self) -> Iterator[str]:
        """A short digest for each view read, with its name."""
        for relation, reading in self.readings.items():
            yield f"{reading.meaning[:8]} the view {relation}"

    def _read(self, relation: Relation) -> Reading | None:
        view = self._definitions[relation]
        reading = read_sql(
            view.text,
            self._dialect,
            default_catalog=view.default_catalog,
            default_schema=view.default_schema,
            is_view=True,
        )
        if reading is not None:
            self.readings[relation] = reading
        return reading
