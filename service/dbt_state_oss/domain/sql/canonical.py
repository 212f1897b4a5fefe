"""Reads one SQL text and makes a digest of its meaning, so that two texts can be compared (rules L2 to L5).

The digest covers the canonical tree and the words as they were written. In both, relations are replaced by their slots, which
are numbered in order of first appearance. A query and the definition of each view are read in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import ErrorLevel, ParseError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.clauses import clause_digests
from dbt_state_oss.domain.sql.column_account import TextAccount, account_of
from dbt_state_oss.domain.sql.column_reads import reads_of
from dbt_state_oss.domain.sql.columns import ColumnReads
from dbt_state_oss.domain.sql.emptiness import returns_no_rows
from dbt_state_oss.domain.sql.fingerprint import Volatility, digest_of
from dbt_state_oss.domain.sql.item_order import order_parts
from dbt_state_oss.domain.sql.plain_sql import is_plain
from dbt_state_oss.domain.sql.source_words import named_without_schema
from dbt_state_oss.domain.sql.sources import CommonTables, NamedSources, relations_under_stars, unseen_sources
from dbt_state_oss.domain.sql.view_ddl import defining_query
from dbt_state_oss.domain.sql.volatility import statement_asks_session, statement_reads_storage, volatility_of_statement
from dbt_state_oss.domain.sql.wording import (
    Span,
    Wording,
    carries_a_comment_over,
    has_odd_space,
    nesting,
    without_comments,
)

DEEPEST_NESTING = 100
"""Levels of brackets and similar constructs. SQL that is nested deeper is compared as text."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_OWN_NAME = "own name"
_NAMED = (exp.Alias, exp.Aliases, exp.Column)
_SIDE_EFFECTS = (exp.Command, exp.DDL, exp.DML, exp.Into)


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one text. `relations` are its slots in order, and may include the relation that it writes."""

    meaning: str
    relations: tuple[Relation, ...]
    star_relations: tuple[Relation, ...]
    volatility: Volatility
    common_tables: tuple[Relation, ...]
    """The relations that the names of the common table expressions it reads would refer to, if they were relation names."""
    unseen_sources: tuple[str, ...]
    clauses: tuple[str, ...]
    """The results of `clause_digests` and `order_parts`."""
    reads: ColumnReads | None
    """The columns of `relations` that it reads (rule F9). None if that is not understood."""
    account: TextAccount | None
    """What decides its rows and its columns. None if they cannot be separated."""
    asks_session: bool
    reads_storage: bool
    returns_no_rows: bool


def read_sql(
    sql: str, dialect: Dialect, *, default_catalog: str, default_schema: str, is_view: bool = False
) -> Reading | None:
    """Read a text. None if it is not understood completely (rule L8). Never raises, and never recurses deeply.

    With `is_view` the text is the definition of a view: `CREATE VIEW … AS SELECT …` is read as its SELECT (rule L4).
    """
    if dialect.sqlglot is None or dialect.is_unreadable(sql):
        return None
    grammar = SqlglotDialect.get_or_raise(dialect.sqlglot)
    try:
        tokens = grammar.tokenize(sql)
        if dialect.carries_comments_over and carries_a_comment_over(sql, tokens):
            return None
        if has_odd_space(sql, tokens):
            return None
        text, blanked = sql, without_comments(sql, tokens)
        if blanked != sql:
            sql, tokens = blanked, grammar.tokenize(blanked)
        if nesting(tokens) > DEEPEST_NESTING:
            return None
        tree = _only_query(grammar.parser(error_level=ErrorLevel.IMMEDIATE).parse(tokens, sql))
        sources = NamedSources(tree, dialect, default_catalog=default_catalog, default_schema=default_schema)
        normalize_identifiers(tree, dialect=grammar)
        if is_view:
            tree, tokens = defining_query(tree, tokens)
        wording = Wording(sql, tokens, dialect, grammar.tokenizer_class.KEYWORDS)
        with_comments = "" if dialect.is_known or text == blanked else text
        return _read(tree, wording, sources, grammar, is_view=is_view, with_comments=with_comments)
    except Exception:  # noqa: BLE001 - an error of the parser costs a comparison at most, never the answer (rule L8)
        return None


def _only_query(statements: Iterable[exp.Expr | None]) -> exp.Expr:
    """The only statement, without its hints. Raises ParseError unless it is one query, or a CREATE of one query."""
    trees = [statement for statement in statements if statement is not None]
    if len(trees) != 1:
        raise ParseError("not one statement")
    tree = trees[0]
    query = tree.expression if isinstance(tree, exp.Create) else tree
    if not isinstance(query, exp.Query):
        raise ParseError("not a query")
    if query.find(*_SIDE_EFFECTS) is not None or (tree is not query and tree.find(exp.Command) is not None):
        raise ParseError("not a query alone")
    for hint in list(tree.find_all(exp.Hint)):
        hint.pop()
    return tree


def _read(
    tree: exp.Expr,
    wording: Wording,
    sources: NamedSources,
    grammar: SqlglotDialect,
    *,
    is_view: bool,
    with_comments: str,
) -> Reading:
    inside = {id(node) for node in tree.find_all(exp.Table, exp.Column)}
    own = tree.find(exp.Table) if isinstance(tree, exp.Create) else None
    common = CommonTables(tree)
    tables = [table for table in sources.tables if id(table.node) in inside]
    written = [table for table in tables if table.node is own]
    common_references = [table for table in tables if common.define(table.node)]
    read = [table for table in tables if table.node is not own and table not in common_references]
    read.sort(key=lambda table: table.start)
    slots = {relation: place for place, relation in enumerate(dict.fromkeys(table.relation for table in read))}
    columns = [column for column in sources.columns if id(column.node) in inside and column.relation in slots]
    stars = relations_under_stars(tree, read)
    volatility = volatility_of_statement(tree, wording.tokens, wording.dialect)
    asks_session = statement_asks_session(wording.tokens, wording.dialect)
    reads_storage = statement_reads_storage(tree, wording.tokens, wording.dialect)
    unseen = [
        *unseen_sources(tree, wording.sql, wording.tokens, wording.dialect),
        *sources.arrays_or_tables(tree, wording.sql),
    ]
    if not (is_view and wording.dialect.views_name_all_schemas):
        unseen += (named_without_schema(table.node.name) for table in read if table.has_no_schema)
    visible_names = [*_names_that_show(tree, wording.sql)] if wording.dialect.shows_written_case else []
    query = tree.expression if isinstance(tree, exp.Create) else tree
    is_empty = bool(_result_or_none(returns_no_rows, query))
    has_columns_named_by_text = wording.dialect.names_columns_by_text and any(_unnamed_outputs(tree))

    relations = {id(table.node): table.relation for table in read}
    nodes = list(tree.walk())
    plain = _result_or_none(is_plain, nodes)
    reads = _result_or_none(reads_of, nodes, wording.tokens, relations) if plain else None
    account = _result_or_none(account_of, nodes, wording.tokens, wording.sql, relations) if plain else None

    spans = {table.start: Span(table.start, table.end, _OWN_NAME) for table in written}
    for table in read:
        spans[table.start] = Span(table.start, table.end, str(slots[table.relation]))
    for column in columns:
        spans[column.start] = Span(column.start, column.end, str(slots[column.relation]))
    exact = [*wording.exact(spans)] if has_columns_named_by_text else []
    if has_columns_named_by_text:
        shown = {id(node) for item in _unnamed_outputs(tree) for node in item.find_all(exp.Table, exp.Column)}
        places = {table.start: table.end for table in read if id(table.node) in shown}
        places |= {column.start: column.end for column in columns if id(column.node) in shown}
        exact += (wording.sql[start : end + 1] for start, end in places.items())
        exact += [with_comments]  # some warehouses keep comments in a name
    for table in written:
        _rename(table.node, "this", _OWN_NAME)
    for table in read:
        if not table.node.alias:
            table.node.set("alias", exp.TableAlias(this=exp.to_identifier(table.node.name, quoted=True)))
        _rename(table.node, "this", f"slot {slots[table.relation]}")
    for column in columns:
        _rename(column.node, "table", f"slot {slots[column.relation]}")
    rendered = tree.sql(dialect=grammar, identify=True, comments=False, copy=False, unsupported_level=ErrorLevel.IGNORE)
    clauses = clause_digests(query, grammar)
    return Reading(
        meaning=digest_of(rendered, *visible_names, *wording.words(spans), *exact),
        relations=tuple(slots),
        star_relations=tuple(relation for relation in slots if relation in stars),
        common_tables=tuple(dict.fromkeys(table.relation for table in common_references)),
        volatility=volatility,
        unseen_sources=tuple(dict.fromkeys(unseen)),
        clauses=(*clauses, *order_parts(wording.tokens)) if clauses else (),
        reads=reads,
        account=account,
        asks_session=asks_session,
        reads_storage=reads_storage,
        returns_no_rows=is_empty,
    )


def _result_or_none(
    analyse: Callable[_Arguments, _Result | None], *arguments: _Arguments.args, **options: _Arguments.kwargs
) -> _Result | None:
    """The result of an analysis. None if it raises, since its failure must not prevent the reading of the text."""
    try:
        return analyse(*arguments, **options)
    except Exception:  # noqa: BLE001 - as in `read_sql`: an error costs a comparison at most
        return None


def _names_that_show(tree: exp.Expr, sql: str) -> Iterator[str]:
    """The names of columns and fields that the statement defines or reads, as they were written.

    An output column and a field in JSON take the spelling in which the query reads them. Names of relations are omitted.
    """
    for identifier in tree.find_all(exp.Identifier):
        holder = identifier.parent
        is_pivoted = identifier.find_ancestor(exp.Pivot) is not None
        is_of_table = isinstance(holder, exp.Table) or (isinstance(holder, exp.Column) and identifier.arg_key != "this")
        is_alias_of_table = isinstance(holder, exp.TableAlias) and identifier.arg_key == "this"
        if not ((is_of_table and not is_pivoted) or is_alias_of_table) and "start" in identifier.meta:
            yield "name " + sql[identifier.meta["start"] : identifier.meta["end"] + 1].strip("`")


def _unnamed_outputs(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Computed items without an alias whose names are visible: items of the query itself, of common table expressions and of
    subqueries in a FROM, and aggregates of a PIVOT."""
    for select in tree.find_all(exp.Select):
        inner: exp.Expr = select
        while isinstance(inner.parent, (exp.SetOperation, exp.Subquery)):
            inner = inner.parent
        if isinstance(inner.parent, (exp.CTE, exp.From, exp.Join, exp.Lateral, exp.Create, type(None))):
            yield from (item for item in select.expressions if not (item.is_star or isinstance(item, _NAMED)))
    for pivot in tree.find_all(exp.Pivot):
        yield from (aggregate for aggregate in pivot.expressions if not isinstance(aggregate, _NAMED))


def _rename(node: exp.Table | exp.Column, innermost: str, name: str) -> None:
    """Replace the relation's name in the node by `name`. `innermost` is the argument that holds the innermost part."""
    node.set("catalog", None)
    node.set("db", None)
    node.set(innermost, exp.to_identifier(name, quoted=True))
