"""Finds what a parsed statement reads: relations (and not names that a WITH defines), sources that no request reports, and the
relations under a `*`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from sqlglot import Token, TokenType, exp
from sqlglot.errors import ParseError

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.dialects.spelling import NamePart, default_part, parts_of_name
from dbt_state_oss.domain.relation import Relation

Node = TypeVar("Node", exp.Table, exp.Column)


@dataclass(frozen=True, slots=True)
class Source(Generic[Node]):
    """A name in the statement that may be a relation's name: a table in a FROM, or the qualifier of a column.

    `start` and `end` are the positions of the name's first and last character in the text.
    """

    node: Node
    relation: Relation
    start: int
    end: int
    has_no_schema: bool = False
    """The session decides in which schema the name is looked up. `relation` has the default schema."""


class NamedSources:
    """The relation names in a tree. Its identifiers must be as they were written, not yet normalized."""

    def __init__(self, tree: exp.Expr, dialect: Dialect, *, default_catalog: str, default_schema: str) -> None:
        self._dialect = dialect
        self._default_catalog = default_catalog
        self._default_schema = default_schema
        self.tables = [
            self._source(table, table.parts)
            for table in tree.find_all(exp.Table)
            if isinstance(table.this, exp.Identifier)
        ]
        """Tables in a FROM, including names that a WITH defines, without functions."""
        self.columns = [
            self._source(column, column.parts[:-1])
            for column in tree.find_all(exp.Column)
            if column.args.get("db") is not None
        ]
        """Columns that are qualified by more than one name."""

    def arrays_or_tables(self, tree: exp.Expr, sql: str) -> Iterator[str]:
        """Sources that may be an array or a table: `db.items` in a FROM, if `db` is an alias and may be a schema or a database.

        The parser and the client take it for an array of the alias, so the client does not report a table (rule F3).
        """
        unnests = [node for node in tree.find_all(exp.Unnest) if not node.args.get("offset")]
        names = self._names_of_schemas() if unnests else frozenset()
        for path in (
            each for node in unnests for each in node.expressions[:1] if isinstance(each, (exp.Column, exp.Dot))
        ):
            parts = [part for part in path.parts if isinstance(part, exp.Identifier)]
            # dbt quotes every part of a relation's name. A path into an array is rarely written with quotes.
            doubtful = parts[0].name.lower() in names or all(part.quoted for part in parts) if parts else False
            if doubtful and not _is_argument(parts[0], sql):
                yield path.sql()

    def _names_of_schemas(self) -> frozenset[str]:
        """The schemas and databases that the statement reads from, and the default ones, in lower case."""
        relations = (parts_of_name(table.relation, quotes='"', skipped_part=None) or () for table in self.tables)
        names = (part.text.lower() for parts in relations for part in parts[:-1])
        return frozenset((self._default_catalog.lower(), self._default_schema.lower(), *names))

    def _source(self, node: Node, parts: Sequence[exp.Expr]) -> Source[Node]:
        named = []
        places: list[int] = []
        for part in parts:
            if not isinstance(part, exp.Identifier) or not {"start", "end"} <= part.meta.keys():
                raise ParseError("a relation's name has no place in the text")
            if "/" in part.name:
                raise ParseError("a path to files, whose letter case counts, is no relation's name")
            named.append(NamePart(part.name, self._dialect.identifier_quotes[0] if part.quoted else ""))
            places += (part.meta["start"], part.meta["end"])
        if isinstance(node, exp.Table) and len(named) == 2 and node.args.get("catalog") is not None:
            named.insert(1, default_part(self._dialect.default_schema or ""))  # Snowflake's `db..table`
        relation = self._dialect.relation_of(
            named, default_catalog=self._default_catalog, default_schema=self._default_schema
        )
        has_no_schema = len(named) == 1 and not (self._dialect.dotted_quoted_names and "." in named[0].text)
        return Source(node, relation, min(places), max(places), has_no_schema)


def _is_argument(name: exp.Identifier, sql: str) -> bool:
    """Whether the name directly follows a parenthesis, as in `unnest(a.b)`."""
    start = name.meta.get("start")
    return start is not None and sql[:start].rstrip().endswith("(")


class CommonTables:
    """The names that WITH clauses define, and where each name is visible. Identifiers must be normalized."""

    def __init__(self, tree: exp.Expr) -> None:
        self._places: dict[int, dict[str, int]] = {}
        self._place_of_cte: dict[int, int] = {}
        for clause in tree.find_all(exp.With):
            places = self._places.setdefault(id(clause), {})
            for place, cte in enumerate(clause.expressions):
                places.setdefault(cte.alias, place)
                self._place_of_cte[id(cte)] = place

    def define(self, table: exp.Table) -> bool:
        """Whether `table` names a common table expression that is visible there.

        In a WITH that is not recursive, a common table expression sees only those before it. So its own name, used inside of
        it, is a relation's name.
        """
        if table.args.get("db") is not None:
            return False
        inner: exp.Expr = table
        outer = table.parent
        while outer is not None:
            clause = outer if isinstance(outer, exp.With) else outer.args.get("with_")
            if clause is not None and clause is not inner:
                place = self._places[id(clause)].get(table.name)
                if place is not None and place < self._first_unseen(clause, inner):
                    return True
            inner, outer = outer, outer.parent
        return False

    def _first_unseen(self, clause: exp.With, inner: exp.Expr) -> int:
        """The place of the first common table expression of `clause` that `inner` cannot see. `inner` need not be its child."""
        if clause.args.get("recursive"):
            return len(clause.expressions)
        return self._place_of_cte.get(id(inner), len(clause.expressions))


_UNNAMED_SOURCES = (exp.Func, exp.Query, exp.UDTF)
_NAMES_BY_TYPE: dict[type[exp.Expr], str] = {
    exp.JSONTable: "json_table",
    exp.Unnest: "unnest",
    exp.XMLTable: "xmltable",
}
"""Functions whose arguments contain keywords. The parser does not report the position of their names."""
_BUILT_IN_SCHEMA = "pg_catalog"


def unseen_sources(tree: exp.Expr, sql: str, tokens: Sequence[Token], dialect: Dialect) -> Iterator[str]:
    """Sources that the client does not report, so it is unknown whether their rows have changed (rule F3).

    First those in a FROM that are neither a relation nor made from their arguments: stages, functions except the warehouse's
    own row functions, tables that a text or a variable names (`TABLE('raw.orders')`). Then those that are read without a FROM:
    row types, files and relations that a text names, stages, tables after IN (ClickHouse, SQLite).
    """
    for node in tree.find_all(exp.Table, exp.TableFromRows, exp.Lateral, exp.Unnest):
        source = node if isinstance(node, exp.Unnest) else node.this
        if isinstance(source, exp.Identifier):
            continue
        in_schema = isinstance(source, exp.Dot) or node.args.get("db") is not None
        not_a_row_function = isinstance(source, exp.Func) and _called(source, sql) not in dialect.row_functions
        named_by_text = isinstance(source, exp.DynamicIdentifier)
        if in_schema or not_a_row_function or named_by_text or not isinstance(source, _UNNAMED_SOURCES):
            yield source.name or source.sql()
    yield from _relations_as_types(tree)
    rewrites = {call.meta.get("start") for call in tree.find_all(exp.Anonymous) if _rewrites_by_arguments(call)}
    for token, following in pairwise(tokens):
        is_call = following.token_type is TokenType.L_PAREN
        if is_call and dialect.reads_by_text(token.text.lower()) and token.start not in rewrites:
            yield token.text
        if token.token_type is TokenType.PARAMETER and token.text == dialect.stage_sign:
            yield f"the stage @{following.text}"
    for condition in tree.find_all(exp.In):
        listed = condition.args.get("field")
        if isinstance(listed, (exp.Column, exp.Dot, exp.Func)) and not isinstance(listed, exp.Array):
            yield listed.sql()


def _called(function: exp.Func, sql: str) -> str:
    """The function's name as it was written, in lower case. With quotes it is not one of the warehouse's own functions."""
    if "start" not in function.meta:
        return _NAMES_BY_TYPE.get(type(function), "") or function.sql_name().lower()
    return sql[function.meta["start"] : function.meta["end"] + 1].lower()


def _rewrites_by_arguments(call: exp.Anonymous) -> bool:
    """Whether this is a call of `ts_rewrite` that reads no table. Only the form with two arguments reads one."""
    return call.name.lower() == "ts_rewrite" and len(call.expressions) != 2


def _relations_as_types(tree: exp.Expr) -> Iterator[str]:
    """Types that may be the row type of a relation (`null::raw.orders`). The relation's columns are the fields of such a type."""
    read = {table.name.lower() for table in tree.find_all(exp.Table)}
    for kind in tree.find_all(exp.DataType):
        name = kind.args.get("kind")
        if isinstance(name, exp.Dot):
            if not (isinstance(name.this, exp.Identifier) and name.this.name.lower() == _BUILT_IN_SCHEMA):
                yield f"the type {name.sql()}"
        elif isinstance(name, exp.Identifier) and name.name.lower() in read:
            yield f"the type {name.name}"


def relations_under_stars(tree: exp.Expr, tables: Iterable[Source[exp.Table]]) -> list[Relation]:
    """Relations whose columns a `*` stands for, in no particular order.

    These are the relations of its SELECT, or, if the `*` is qualified, those of its qualifier's name. A qualifier that is not a
    table, common table or derived table of the SELECT may stand for any relation of the statement: it may belong to a lateral
    query, a join in parentheses, a pivot or a column with fields.
    """
    read_by: dict[int, list[tuple[str, Relation]]] = {}
    for table in tables:
        read_by.setdefault(id(table.node.find_ancestor(exp.Select)), []).append(
            (table.node.alias_or_name, table.relation)
        )
    found: list[Relation] = []
    for star in tree.find_all(exp.Star):
        if isinstance(star.parent, exp.Count):
            continue
        reader = star.find_ancestor(exp.Select)
        qualifiers = (
            {part.name.lower() for part in star.parent.parts[:-1]} if isinstance(star.parent, exp.Column) else set()
        )
        meant = [each for each in read_by.get(id(reader), ()) if not qualifiers or each[0].lower() in qualifiers]
        if qualifiers and not meant and qualifiers.isdisjoint(_described_names(reader)):
            meant = [each for reads in read_by.values() for each in reads]
        found += (relation for _, relation in meant)
    found += _read_whole(tree, read_by)
    return found


def _described_names(reader: exp.Select | None) -> set[str]:
    """Names of the common and derived tables in a SELECT, in lower case. Their own select lists show their columns."""
    sources = () if reader is None else reader.find_all(exp.Table, exp.Subquery)
    return {
        source.alias_or_name.lower()
        for source in sources
        if source.find_ancestor(exp.Select) is reader
        and not source.args.get("pivots")
        and (isinstance(source, exp.Table) or isinstance(source.this, exp.Query))
    }


def _read_whole(tree: exp.Expr, read_by: Mapping[int, list[tuple[str, Relation]]]) -> Iterator[Relation]:
    """Relations whose columns are read without a `*` or a name: by position (`$1`), in a NATURAL join, or as a whole row."""
    every = [each for reads in read_by.values() for each in reads]
    joins_by_names = any(join.args.get("method") == "NATURAL" for join in tree.find_all(exp.Join))
    has_places = any(isinstance(each.this, exp.Literal) for each in tree.find_all(exp.Parameter))
    rows = {column.name.lower() for column in tree.find_all(exp.Column) if not column.table}
    for name, relation in every:
        if joins_by_names or has_places or name.lower() in rows:
            yield relation
