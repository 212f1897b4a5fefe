"""Determines on which columns of the tables that it reads a text depends (rule F9).

The words of the text decide. A column whose name is not in the text can neither be read by name nor hide another column. Only
a `*` reads columns without their names. A `*` inside of the query is followed to the place where its columns are named. A `*`
that reaches the output, or a place that is not understood, reads all columns.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import Token, exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.columns import ColumnReads, folded
from dbt_state_oss.domain.sql.plain_sql import reads_hidden_columns, stars_of, words_of

_CLAUSES_BESIDE_A_STAR = frozenset({"with_", "expressions", "from_", "joins", "where"})
"""If a SELECT has only these clauses, its `*` just passes columns on: none of them depends on the number of columns."""

_PassedOn = Mapping[Relation, frozenset[str]]
"""The relations whose columns a query passes on by a `*`. For each, the names that the query gives to other columns."""


def reads_of(nodes: list[exp.Expr], tokens: list[Token], relations: Mapping[int, Relation]) -> ColumnReads | None:
    """What a plain statement (`is_plain`) reads. None if that is not understood.

    `nodes` are all nodes of its tree, the root first. `relations` are its relations by the `id` of the table's node.
    """
    words = words_of(tokens)
    if reads_hidden_columns(words):
        return None
    stars = _Stars(relations)
    for scope in traverse_scope(nodes[0]):
        stars.add(scope)
    stars.finish()
    if stars.tables != relations.keys():
        return None
    return ColumnReads(tuple(sorted(words)), tuple(sorted(stars.whole)), stars.qualified(nodes))


class _Stars:
    """Follows each `*` from the innermost SELECT outwards."""

    def __init__(self, relations: Mapping[int, Relation]) -> None:
        self._relations = relations
        self._passed_on: dict[int, _PassedOn] = {}
        """What each scope passes on, by the scope's `id`."""
        self._by_name: dict[str, list[_PassedOn]] = {}
        """What the sources of a name or alias pass on. Several sources of the statement may have the same name."""
        self._read_scopes: set[int] = set()
        """The `id` of each source that a SELECT reads. The SELECT names the columns of the source, or passes them on."""
        self.whole: set[Relation] = set()
        """The relations that are read whole, with all their columns."""
        self.tables: set[int] = set()
        """The `id` of each table that was visited. If one is missing, a `*` may mean more than was found."""

    def add(self, scope: Scope) -> None:
        """Add one query. The queries inside it must have been added before."""
        sources = {name: self._passed_on_by(source) for name, (_, source) in scope.selected_sources.items()}
        if isinstance(scope.expression, exp.Select):
            self._read_scopes.update(id(source) for _, source in scope.selected_sources.values())
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
        if not (scope.is_cte or scope.is_derived_table) or not _only_passes_on(scope.expression):
            self.whole.update(found)
        self._passed_on[id(scope)] = found

    def finish(self) -> None:
        """Count the relations of every scope that no SELECT reads as read whole, for example of a query in parentheses."""
        for scope, passed_on in self._passed_on.items():
            if scope not in self._read_scopes:
                self.whole.update(passed_on)

    def qualified(self, nodes: list[exp.Expr]) -> dict[Relation, tuple[str, ...]]:
        """For each relation, the names after its own name or alias, or after that of a query that passes its columns on."""
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

    def _passed_on_by(self, source: exp.Table | Scope) -> _PassedOn:
        if isinstance(source, Scope):
            return self._passed_on[id(source)]
        self.tables.add(id(source))
        return {self._relations[id(source)]: frozenset()}


def _only_passes_on(query: exp.Expr) -> bool:
    return (
        isinstance(query, exp.Select)
        and {name for name, value in query.args.items() if value} <= _CLAUSES_BESIDE_A_STAR
    )
