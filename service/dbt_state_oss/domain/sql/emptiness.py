"""Recognizes queries that provably return no rows (rule L14). They belong to empty models, whose table a hook may fill.

Packages use them to create a table with the right columns: `select cast(null as text) as name where false`. A build of such a
query costs next to nothing, and the client never sends the hook that may fill the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from dbt_state_oss.domain.sql.literal_values import UnknownValue, literal_value

_EMPTY_TEXT = re.compile(
    r"""\b(?:where\s+\(?\s*(?:false|null|0\s*=\s*1|1\s*(?:=|>)\s*[02]|1\s*(?:<>|!=)\s*1)\s*\)?
    |limit\s+0
    |fetch\s+(?:first|next)\s+0\s+rows?\s+only)
    (?:\s+limit\s+\d+)?[\s;]*\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Like, exp.ILike)
_NAMES_AN_AGGREGATE = re.compile(r"agg|^every$", re.IGNORECASE)
_LAST_CHARACTERS = 1_000
_COMMENT = re.compile(r"--[^\r\n]*|/\*.*?\*/", re.DOTALL)

_EmptyByName = Mapping[str, bool]
"""The visible common table expressions, by name in canonical case, and whether each is empty."""


def returns_no_rows(query: exp.Expr) -> bool:
    """Whether the query returns no rows, whatever its inputs contain. Identifiers must be normalized."""
    return _is_empty(query, {})


def text_returns_no_rows(text: str) -> bool:
    """The same for SQL that could not be parsed, judged by its last clause. A wrong answer costs a build."""
    return _EMPTY_TEXT.search(_COMMENT.sub(" ", text[-_LAST_CHARACTERS:])) is not None


def _is_empty(query: exp.Expr | None, names: _EmptyByName) -> bool:
    if not isinstance(query, exp.Query):
        return False
    names = _with_common_tables(query, names)
    if _limit_is_zero(query.args.get("limit")):
        return True
    match query:
        case exp.Subquery():
            return _source_is_empty(query, names)
        case exp.Union():
            return _is_empty(query.left, names) and _is_empty(query.right, names)
        case exp.Intersect():
            return _is_empty(query.left, names) or _is_empty(query.right, names)
        case exp.Except():
            return _is_empty(query.left, names)
        case exp.Select():
            return _select_is_empty(query, names)
    return False


def _with_common_tables(query: exp.Query, names: _EmptyByName) -> _EmptyByName:
    clause = query.args.get("with_")
    if clause is None:
        return names
    known = dict(names)
    for common in clause.expressions:
        # A recursion starts from the rows of its other branches. If they return none, the recursive branch returns none.
        inner = {**known, common.alias: True} if clause.args.get("recursive") else known
        known[common.alias] = _is_empty(common.this, inner)
    return known


def _select_is_empty(select: exp.Select, names: _EmptyByName) -> bool:
    for clause in ("having", "qualify"):
        if _never_holds(select.args.get(clause), names):
            return True
    if _aggregates_all_rows(select):
        return False
    return _never_holds(select.args.get("where"), names) or _from_is_empty(select, names)


def _aggregates_all_rows(select: exp.Select) -> bool:
    """Whether the SELECT aggregates all rows, so that it returns one row if it reads none."""
    group = select.args.get("group")
    if group is not None:
        return group.find(exp.GroupingSets, exp.Rollup, exp.Cube) is not None or exp.Tuple() in group.expressions
    order = select.args.get("order")
    return select.args.get("having") is not None or any(
        call.find_ancestor(exp.Select) is select and _is_aggregate(call)
        for item in (*select.expressions, *(() if order is None else (order,)))
        for call in item.find_all(exp.AggFunc, exp.Anonymous)
    )


def _is_aggregate(call: exp.Expr) -> bool:
    """Whether the call aggregates the rows of its own SELECT and is not a window function. A function that the parser does not
    know is judged by its name."""
    if isinstance(call, exp.Anonymous) and _NAMES_AN_AGGREGATE.search(call.name) is None:
        return False
    holder = call.parent
    while isinstance(holder, (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)):
        holder = holder.parent
    return not isinstance(holder, exp.Window)


def _from_is_empty(select: exp.Select, names: _EmptyByName) -> bool:
    source = select.args.get("from_")
    if source is None:
        return False
    return _join_is_empty(source.this, select.args.get("joins") or (), names)


def _join_is_empty(first: exp.Expr, joins: list[exp.Join] | tuple[()], names: _EmptyByName) -> bool:
    empty = _source_is_empty(first, names)
    for join in joins:
        other = _source_is_empty(join.this, names)
        match join.side:
            case "LEFT":
                pass
            case "RIGHT":
                empty = other
            case "FULL":
                empty = empty and other
            case _:
                empty = empty or (other and join.kind != "ANTI") or _never_holds(join.args.get("on"), names)
    return empty


def _source_is_empty(source: exp.Expr, names: _EmptyByName) -> bool:
    """Whether a source in a FROM has no rows."""
    if isinstance(source, exp.Table):
        is_common = source.args.get("db") is None and names.get(source.name, False)
        return _with_its_joins(source, is_common, names)
    if isinstance(source, exp.Subquery):
        inner = source.this
        is_query = isinstance(inner, exp.Query)
        return _with_its_joins(source, _is_empty(inner, names) if is_query else _source_is_empty(inner, names), names)
    return False


def _with_its_joins(source: exp.Expr, is_empty: bool, names: _EmptyByName) -> bool:
    """Whether a source has no rows together with its joins inside the same parentheses. `is_empty` is the source alone."""
    joins = source.args.get("joins") or ()
    if not joins:
        return is_empty
    alone = source.copy()
    alone.set("joins", None)
    return _join_is_empty(alone, joins, names)


def _limit_is_zero(limit: exp.Expr | None) -> bool:
    """Whether the clause is `LIMIT 0`, `TOP 0` or `FETCH FIRST 0 ROWS`."""
    if isinstance(limit, exp.Fetch):
        count = limit.args.get("count")
    else:
        count = limit.expression if isinstance(limit, exp.Limit) else None
    try:
        value = None if count is None else literal_value(count)
    except UnknownValue:
        return False
    return isinstance(value, int) and value == 0


def _never_holds(clause: exp.Expr | None, names: _EmptyByName) -> bool:
    """Whether no row satisfies the condition: it is false or null for every row."""
    condition = clause.this if isinstance(clause, (exp.Where, exp.Having, exp.Qualify, exp.Paren)) else clause
    match condition:
        case None:
            return False
        case exp.Paren():
            return _never_holds(condition, names) if condition is not clause else _never_holds(condition.this, names)
        case exp.And():
            return _never_holds(condition.left, names) or _never_holds(condition.right, names)
        case exp.Or():
            return _never_holds(condition.left, names) and _never_holds(condition.right, names)
        case exp.NEQ() | exp.LT() | exp.GT() if (
            isinstance(condition.left, exp.Column) and condition.left == condition.right
        ):
            return True
    if isinstance(condition, exp.Exists):
        return _is_empty(condition.this, names)
    if isinstance(condition, exp.In):
        values = condition.expressions
        return _is_empty(condition.args.get("query"), names) or (bool(values) and all(map(_is_null, values)))
    if isinstance(condition, _COMPARISONS) and (_is_null(condition.this) or _is_null(condition.expression)):
        return True
    try:
        value = literal_value(condition)
    except UnknownValue:
        return False
    return value is None or value is False or value == 0


def _is_null(value: exp.Expr) -> bool:
    """Whether the text shows that the value is NULL, so that no comparison with it is true."""
    try:
        return literal_value(value) is None
    except UnknownValue:
        return False
