"""Which tables a parsed statement reads: real relations told from names that a WITH defines, and what stands under a `*`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlglot import exp
from sqlglot.errors import ParseError

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.dialects.spelling import NamePart
from dbt_state_oss.domain.relation import Relation

Node = TypeVar("Node", exp.Table, exp.Column)


@dataclass(frozen=True, slots=True)
class Source(Generic[Node]):
    """A name in the statement that may be a relation's: a table in a FROM, or the qualifier of a column.

    `start` and `end` are the first and the last character of the name in the text.
    """

    node: Node
    relation: Relation
    start: int
    end: int


class NamedSources:
    """The relation names in a tree whose identifiers are as they were written."""

    def __init__(self, tree: exp.Expr, dialect: Dialect, *, default_catalog: str, default_schema: str) -> None:
        self._dialect = dialect
        self._default_catalog = default_catalog
        self._default_schema = default_schema
        self.tables = [
            self._source(table, table.parts)
            for table in tree.find_all(exp.Table)
            if isinstance(table.this, exp.Identifier)
        ]
        """Tables in a FROM, names that a WITH defines among them; functions are left out."""
        self.columns = [
            self._source(column, column.parts[:-1])
            for column in tree.find_all(exp.Column)
            if column.args.get("db") is not None
        ]
        """Columns that are qualified by more than one name."""

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
        relation = self._dialect.relation_of(
            named, default_catalog=self._default_catalog, default_schema=self._default_schema
        )
        return Source(node, relation, min(places), max(places))


class CommonTables:
    """The names that WITH clauses define, and where each is visible. Identifiers must be normalized."""

    def __init__(self, tree: exp.Expr) -> None:
        self._places: dict[int, dict[str, int]] = {}
        self._place_of_cte: dict[int, int] = {}
        for clause in tree.find_all(exp.With):
            places = self._places.setdefault(id(clause), {})
            for place, cte in enumerate(clause.expressions):
                places.setdefault(cte.alias, place)
                self._place_of_cte[id(cte)] = place

    def define(self, table: exp.Table) -> bool:
        """Whether the name of `table` is that of a common table expression which is visible there.

        A common table expression of a plain WITH sees those before it alone, so that its own name is a relation's
        inside of it.
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
        """The place of the first common table expression of `clause` that `inner`, a child of its or not, can't see."""
        if clause.args.get("recursive"):
            return len(clause.expressions)
        return self._place_of_cte.get(id(inner), len(clause.expressions))


def relations_under_stars(tree: exp.Expr, tables: Iterable[Source[exp.Table]]) -> list[Relation]:
    """Relations whose columns a `*` stands for, in no order: those of its SELECT that it does not rule out by name."""
    read_by: dict[int, list[tuple[str, Relation]]] = {}
    for table in tables:
        read_by.setdefault(id(table.node.find_ancestor(exp.Select)), []).append(
            (table.node.alias_or_name, table.relation)
        )
    found: list[Relation] = []
    for star in tree.find_all(exp.Star):
        reader = star.find_ancestor(exp.Select, exp.Count)
        qualifier = star.parent.table if isinstance(star.parent, exp.Column) else ""
        found += (relation for name, relation in read_by.get(id(reader), ()) if qualifier in ("", name))
    return found
