"""Makes the text of a query that is kept for explanations, and finds the differences between two such texts.

Pure but slow, so it runs in the same place as parsing. No decision depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import Enum

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import ErrorLevel

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.canonical import DEEPEST_NESTING
from dbt_state_oss.domain.sql.clauses import masked
from dbt_state_oss.domain.sql.fingerprinting import LONGEST_PARSED
from dbt_state_oss.domain.sql.wording import nesting
from dbt_state_oss.domain.submission import Code

MOST_DIFFERENCES = 8
_SHORT = 80
"""Characters. An expression of at most this length is shown whole, so that it can be understood alone."""
_CONTAINERS = (exp.Query, exp.CTE, exp.With, exp.Subquery, exp.Create)


class StoreSql(Enum):
    """How much of the SQL is kept for explanations."""

    NONE = "none"
    """Only digests."""
    CANONICAL = "canonical"
    """The SQL, parsed and rendered again, without comments and with masked literals."""
    FULL = "full"
    """The same with its literals, and the values of the configuration."""


@dataclass(frozen=True, slots=True)
class SqlText:
    """The text of one query: parsed, and rendered again in its dialect, on one line."""

    logic: str
    """The `logic_name` that the text belongs to."""
    dialect: str
    query: str
    views: Mapping[Relation, str] = field(default_factory=dict)
    extras: Mapping[str, str] = field(default_factory=dict)
    """Semantic extras as they were sent. Only with `StoreSql.FULL`."""


def sql_text(code: Code, logic: str, extras: Mapping[str, str], keep: StoreSql) -> SqlText | None:
    """The text to keep. None if nothing is to be kept, or if the query is too long or cannot be parsed. Never raises.

    The literals of a query that cannot be parsed are unknown, so they could not be masked.
    """
    if len(code.sql) + sum(len(view.text) for view in code.views) > LONGEST_PARSED or keep is StoreSql.NONE:
        return None
    query = _rendered(code.sql, code.dialect.sqlglot, keep)
    if query is None:
        return None
    views = {view.relation: _rendered(view.text, code.dialect.sqlglot, keep) for view in code.views}
    understood = {relation: text for relation, text in views.items() if text is not None}
    return SqlText(logic, code.dialect.name, query, understood, dict(extras) if keep is StoreSql.FULL else {})


def differences(then: SqlText, now: SqlText) -> tuple[str, ...]:
    """At most `MOST_DIFFERENCES` lines on what differs, such as `sum(amount) → sum(amount) * 2`.

    Empty if the differences cannot be described. Never raises.
    """
    try:
        found = list(_differences(then, now))
    except Exception:  # noqa: BLE001 - an error in walking or rendering trees costs an explanation at most
        return ()
    if len(found) > MOST_DIFFERENCES:
        rest = len(found) - MOST_DIFFERENCES + 1
        found[MOST_DIFFERENCES - 1 :] = [f"… and {rest} more differences"]
    return tuple(found)


def _differences(then: SqlText, now: SqlText) -> Iterator[str]:
    for key in sorted(then.extras.keys() | now.extras.keys()):
        was, is_now = then.extras.get(key, "(not set)"), now.extras.get(key, "(not set)")
        if was != is_now:
            yield f"{key}: {_cut(was)} → {_cut(is_now)}"
    yield from _text_differences(then.query, now.query, now.dialect)
    for view in sorted(then.views.keys() & now.views.keys()):
        yield from (f"in {view}: {each}" for each in _text_differences(then.views[view], now.views[view], now.dialect))


def _text_differences(then: str, now: str, dialect: str) -> Iterator[str]:
    if then == now:
        return
    trees = [_parsed(sql, dialect_named(dialect).sqlglot) for sql in (then, now)]
    if trees[0] is not None and trees[1] is not None:
        grammar = SqlglotDialect.get_or_raise(dialect_named(dialect).sqlglot)
        yield from _Comparison(grammar).of(trees[0], trees[1])


def _rendered(sql: str, dialect: str | None, keep: StoreSql) -> str | None:
    tree = _parsed(sql, dialect)
    if tree is None:
        return None
    try:
        shown = masked(tree) if keep is StoreSql.CANONICAL else tree
        return shown.sql(dialect=dialect, comments=False, unsupported_level=ErrorLevel.IGNORE)
    except Exception:  # noqa: BLE001 - what cannot be rendered is not kept
        return None


def _parsed(sql: str, dialect: str | None) -> exp.Expr | None:
    if dialect is None:
        return None
    grammar = SqlglotDialect.get_or_raise(dialect)
    try:
        tokens = grammar.tokenize(sql)
        if nesting(tokens) > DEEPEST_NESTING:
            return None
        trees = [
            each for each in grammar.parser(error_level=ErrorLevel.IMMEDIATE).parse(tokens, sql) if each is not None
        ]
    except Exception:  # noqa: BLE001 - as in canonical.read_sql: an error of the parser costs an explanation at most
        return None
    # A statement that sqlglot does not know keeps its text unchanged, with its literals.
    return trees[0] if len(trees) == 1 and trees[0].find(exp.Command) is None else None


class _Comparison:
    """Walks two trees in parallel, down to the nodes where they differ."""

    def __init__(self, grammar: SqlglotDialect) -> None:
        self._grammar = grammar

    def of(self, then: exp.Expr, now: exp.Expr) -> Iterator[str]:
        if then == now:
            return
        texts = self._sql(then), self._sql(now)
        whole = not isinstance(then, _CONTAINERS) and max(map(len, texts)) <= _SHORT
        if whole or type(then) is not type(now):
            yield f"{_cut(texts[0])} → {_cut(texts[1])}"
        elif isinstance(then, exp.And):
            yield from self._lists(list(then.flatten()), list(now.flatten()), "")
        else:
            for argument in dict.fromkeys((*then.args, *now.args)):
                yield from self._arguments(then, now, argument)

    def _arguments(self, then: exp.Expr, now: exp.Expr, argument: str) -> Iterator[str]:
        was, is_now = then.args.get(argument), now.args.get(argument)
        if isinstance(was, list) or isinstance(is_now, list):
            column = "column " if argument == "expressions" and isinstance(now, exp.Select) else ""
            yield from self._lists(_expressions(was), _expressions(is_now), column)
        elif isinstance(was, exp.Expr) and isinstance(is_now, exp.Expr):
            yield from self.of(was, is_now)
        elif isinstance(was, exp.Expr) or isinstance(is_now, exp.Expr):
            yield from self._lists(_expressions([was]), _expressions([is_now]), "")
        elif (was or None) != (is_now or None):
            yield f"{_cut(self._sql(then))} → {_cut(self._sql(now))}"

    def _lists(self, then: list[exp.Expr], now: list[exp.Expr], kind: str) -> Iterator[str]:
        """Compares elements with equal names, and in a replaced run of equal length those in the same position."""
        ours, theirs = ([self._name(each) for each in side] for side in (then, now))
        matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
        for _, from_then, to_then, from_now, to_now in matcher.get_opcodes():
            was, is_now = then[from_then:to_then], now[from_now:to_now]
            if len(was) == len(is_now):
                for one, other in zip(was, is_now, strict=True):
                    yield from self.of(one, other)
            else:
                yield from (f"removed {kind}{_cut(self._sql(each))}" for each in was)
                yield from (f"added {kind}{_cut(self._sql(each))}" for each in is_now)

    def _name(self, node: exp.Expr) -> str:
        return node.alias_or_name or self._sql(node)

    def _sql(self, node: exp.Expr) -> str:
        text: str = node.sql(dialect=self._grammar, comments=False, unsupported_level=ErrorLevel.IGNORE)
        return text


def _expressions(value: object) -> list[exp.Expr]:
    return [each for each in value if isinstance(each, exp.Expr)] if isinstance(value, list) else []


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 2 * _SHORT else flat[: 2 * _SHORT - 1] + "…"
