"""Makes the fingerprint of a query and of the views that it reads, down to the leaf tables (decision-rules: Logic).

Pure but slow: a parse takes milliseconds. `raw_digest` tells beforehand whether it is needed at all.
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
from dbt_state_oss.domain.sql.volatility import most_volatile, text_asks_session, volatility_of_text
from dbt_state_oss.domain.submission import Code, ViewDefinition

LONGEST_PARSED = 1 << 20
"""Characters of SQL, views included, up to which a text is parsed; a longer one is compared as text (rule L8)."""

_ANYTHING = "whatever its text names"


def fingerprint(code: Code) -> Fingerprint:
    """The code's fingerprint, of a fall-back kind where it is not understood wholly. Never raises."""
    if code.too_long_to_scan:
        return unread_fingerprint(code, raw_digest(code))
    return _parsed(code) or replace(fallback_fingerprint(code), unparsable=True)


def unread_fingerprint(code: Code, digest: str) -> Fingerprint:
    """The code's fingerprint by its raw digest, for a text that would take too long to scan. It may read and call anything."""
    return Fingerprint(
        FingerprintKind.BYTES,
        digest_of("unread", digest),
        volatility=Volatility.VOLATILE,
        views_digest=digest_of("unread views", digest) if code.views else "",
        unseen_sources=(_ANYTHING,),
        asks_session=True,
        reads_itself=True,
        unparsable=code.too_long_to_scan,
    )


def fallback_fingerprint(code: Code) -> Fingerprint:
    """The code's fingerprint without parsing: TEXT, or BYTES where even literals can't be told for sure (rule L8).

    What it reads is told by its words. A relation that they name is in its slots, since the client may not report it: it
    finds no table in a view that it cannot parse, nor one with the name of a common table expression. Where not even the
    words are sure, the query may read anything. Takes time linear in the text.
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
        slots = _slots_by_words(code, plain[0], dict(zip(views, plain[1:], strict=True)))
    else:
        query, *definitions = texts
        unseen, slots = (_ANYTHING,), ()
    named = [
        piece
        for view, definition in zip(views, definitions, strict=True)
        for piece in (view.relation, view.default_catalog, view.default_schema, definition)
    ]
    return Fingerprint(
        kind,
        digest_of(kind.value, code.dialect.name, code.default_catalog, code.default_schema, query, *named),
        slots=slots,
        volatility=most_volatile(volatility_of_text(text, code.dialect) for text in texts),
        views_digest=digest_of(kind.value, *named) if named else "",
        unseen_sources=unseen,
        asks_session=any(text_asks_session(text, code.dialect) for text in texts),
        reads_itself=code.target is not None and any(_may_read(text, code.target, code) for text in texts),
        returns_no_rows=text_returns_no_rows(code.sql),
    )


def _slots_by_words(code: Code, query: PlainText, views: Mapping[ViewDefinition, PlainText]) -> tuple[Slot, ...]:
    """A slot for each relation that the query's words name, with the tables that the words of its views name."""

    def named(text: PlainText, catalog: str, schema: str) -> tuple[Relation, ...]:
        relation = partial(code.dialect.relation, default_catalog=catalog, default_schema=schema)
        return tuple(dict.fromkeys(map(relation, text.named)))

    definitions = {
        view.relation: named(text, view.default_catalog, view.default_schema) for view, text in views.items()
    }
    read = named(query, code.default_catalog, code.default_schema)
    return tuple(
        Slot(relation, tuple(_leaves(relation, definitions, code.target)))
        for relation in read
        if relation != code.target
    )


def _leaves(
    relation: Relation, definitions: Mapping[Relation, Sequence[Relation]], target: Relation | None
) -> Iterator[Relation]:
    """The tables at the end of a slot, in order of first appearance; `definitions` are what each view reads."""
    seen = {target}
    waiting = [relation]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        if each in definitions:
            waiting += reversed(definitions[each])
        else:
            yield each


def _may_read(text: str, relation: Relation, code: Code) -> bool:
    """Whether a text that is not understood names the relation: with its schema, or alone where that is the default one."""
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
    lineage = _Lineage(code)
    upstream = lineage.describe(query)
    if upstream is None:
        return None
    readings = lineage.readings.values()
    definitions = {relation: reading.relations for relation, reading in lineage.readings.items()}
    columns = ViewColumns(lineage.readings)
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
        views_digest=lineage.views_digest(),
        unseen_sources=tuple(dict.fromkeys(name for reading in (query, *readings) for name in reading.unseen_sources)),
        common_tables=lineage.common_tables(query),
        parts=(*query.clauses, *lineage.view_parts()),
        account=None if account is None or reads_itself else account.kept(),
        selection_digest=columns.selection_digest(query),
        reads=None if reads is None else reads.kept(),
        asks_session=any(reading.asks_session for reading in (query, *readings)),
        reads_itself=reads_itself,
        returns_no_rows=query.returns_no_rows,
    )


class _Lineage:
    """What a query's slots lead to: through the definitions of views to leaf tables, the target itself left out."""

    def __init__(self, code: Code) -> None:
        self._dialect = code.dialect
        self._target = code.target
        self._definitions = {view.relation: view for view in sorted(code.views, key=lambda view: view.text)}
        self.readings: dict[Relation, Reading] = {}
        """The views read, each once."""

    def describe(self, query: Reading) -> list[str] | None:
        """The shape of all that is read, without names; None where a view's definition is not understood.

        Relations count as numbers in order of first appearance, so that which slots share a table is part of it. A
        view is described where it appears first, which also ends cycles.
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
        """Names of common table expressions, as relations, that neither the query nor a view reads as a relation."""
        readings = (query, *self.readings.values())
        read = {relation for reading in readings for relation in reading.relations}
        named = dict.fromkeys(relation for reading in readings for relation in reading.common_tables)
        return tuple(relation for relation in named if relation not in read)

    def views_digest(self) -> str:
        """Digest of the views read, each by its name, its meaning and what it reads, in any order (rule L7)."""
        named = [
            piece
            for relation, reading in sorted(self.readings.items())
            for piece in ("view", relation, reading.meaning, *reading.relations)
        ]
        return digest_of(*named) if named else ""

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
