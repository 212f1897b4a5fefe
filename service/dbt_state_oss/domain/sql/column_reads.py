"""Which columns of the tables that it reads one text depends on (rule F9).

By its words: a column whose name is nowhere in the text cannot be read by name, nor stand in the way of another. What reads
columns without naming them is a `*`. One inside of the query is followed to where its columns are named; one that reaches the
output, or any place that is not understood, reads them all.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import Token, exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.columns import ColumnReads, folded
from dbt_state_oss.domain.sql.plain_sql import reads_hidden_columns, stars_of, words_of

_HANDS_ON = frozenset({"with_", "expressions", "from_", "joins", "where"})
"""Clauses of a SELECT that may stand beside a `*`: none of them counts columns."""

_Exposed = Mapping[Relation, frozenset[str]]
"""Relations whose columns a derived table hands on by a `*`, with the names that it gives to columns of its own."""


def reads_of(nodes: list[exp.Expr], tokens: list[Token], relations: Mapping[int, Relation]) -> ColumnReads | None:
    """What a plain statement reads (`is_plain`); None where that is not understood. `relations` by the `id` of its tables."""
    words = words_of(tokens)
    if reads_hidden_columns(words):
        return None
    stars = _Stars(relations)
    for scope in traverse_scope(nodes[0]):
        stars.follow(scope)
    stars.end()
    if stars.tables != relations.keys():
        return None
    return ColumnReads(tuple(sorted(words)), tuple(sorted(stars.whole)), stars.qualified(nodes))


class _Stars:
    """Follows stars from the innermost SELECT outwards."""

    def __init__(self, relations: Mapping[int, Relation]) -> None:
        self._relations = relations
        self._exposed: dict[int, _Exposed] = {}
        self._by_name: dict[str, list[_Exposed]] = {}
        self._taken_over: set[int] = set()
        """The scopes whose columns a SELECT around them names or hands on."""
        self.whole: set[Relation] = set()
        self.tables: set[int] = set()
        """The tables that were met, by their `id`: all of them, or a `*` may have been taken for less than it is."""

    def follow(self, scope: Scope) -> None:
        """Take in one SELECT; those within it must have been taken in before."""
        sources = {name: self._exposed_by(source) for name, (_, source) in scope.selected_sources.items()}
        if isinstance(scope.expression, exp.Select):
            self._taken_over.update(id(source) for _, source in scope.selected_sources.values())
        else:
            self.whole.update(relation for source in sources.values() for relation in source)
        for name, source in sources.items():
            self._by_name.setdefault(name, []).append(source)
        found: dict[Relation, frozenset[str]] = {}
        if isinstance(scope.expression, exp.Select):
            own = frozenset(folded(name) for name in scope.expression.named_selects)
            for star in stars_of(scope.expression):
                chosen = [sources[star.table]] if isinstance(star, exp.Column) else sources.values()
                for relation, given in ((relation, given) for source in chosen for relation, given in source.items()):
                    found[relation] = found.get(relation, frozenset()) | own | given
        if not (scope.is_cte or scope.is_derived_table) or not _only_hands_on(scope.expression):
            self.whole.update(found)
        self._exposed[id(scope)] = found

    def end(self) -> None:
        """Count what no SELECT has taken over as read whole, such as a query that stands in parentheses alone."""
        for scope, exposed in self._exposed.items():
            if scope not in self._taken_over:
                self.whole.update(exposed)

    def qualified(self, nodes: list[exp.Expr]) -> dict[Relation, tuple[str, ...]]:
        """Names behind the name of a relation or of what hands its columns on, wherever that name is given."""
        found: dict[Relation, set[str]] = {}
        for column in nodes:
            if not isinstance(column, exp.Column) or isinstance(column.this, exp.Star):
                continue
            name = folded(column.name)
            for source in self._by_name.get(column.table, ()):
                for relation, own in source.items():
                    if name not in own:
                        found.setdefault(relation, set()).add(name)
        return {relation: tuple(sorted(names)) for relation, names in found.items()}

    def _exposed_by(self, source: exp.Table | Scope) -> _Exposed:
        if isinstance(source, Scope):
            return self._exposed[id(source)]
        self.tables.add(id(source))
        return {self._relations[id(source)]: frozenset()}


def _only_hands_on(query: exp.Expr) -> bool:
    return isinstance(query, exp.Select) and {name for name, value in query.args.items() if value} <= _HANDS_ON
