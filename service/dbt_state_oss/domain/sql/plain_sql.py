"""Recognizes the SQL whose columns can be separated (rule F9): it refers to columns only by their names or by a `*`.

The lists contain what is understood, not what is dangerous. If a construct is on no list, the whole statement is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot import Token, TokenType, exp

from dbt_state_oss.domain.sql.columns import LONGEST_NAME, folded

_ARGUMENTS: dict[type[exp.Expr], frozenset[str]] = {
    kind: frozenset(arguments.split())
    for kind, arguments in (
        (exp.Select, "with_ expressions from_ joins where group having windows qualify order limit offset distinct"),
        (exp.Union, "with_ this expression distinct order limit offset"),
        (exp.Intersect, "with_ this expression distinct order limit offset"),
        (exp.Except, "with_ this expression distinct order limit offset"),
        (exp.With, "expressions"),
        (exp.CTE, "this alias materialized"),
        (exp.Subquery, "this alias joins"),
        (exp.Table, "this db catalog alias joins"),
        (exp.TableAlias, "this"),
        (exp.Join, "this on using side kind"),
        (exp.Group, "expressions"),
        (exp.Column, "this table db catalog"),
        (exp.Star, ""),
        (exp.Distinct, "expressions on"),
    )
}
"""The arguments that the nodes of a statement's structure may have. This excludes NATURAL joins, `* EXCEPT`, `GROUP BY ALL`,
`SELECT AS STRUCT`, pivots, samples, time travel, recursion, and columns that are renamed by position."""


def _kinds(names: str) -> frozenset[type[exp.Expr]]:
    return frozenset(getattr(exp, name) for name in names.split())


_CLAUSES = _kinds(
    "From Where Having Order Ordered Alias Identifier Literal Null Boolean Paren Tuple Var Interval Exists In"
)
_OPERATORS = _kinds(
    "And Or Xor Not EQ NEQ GT GTE LT LTE Is NullSafeEQ NullSafeNEQ Between Like ILike Escape Add Sub Mul Div IntDiv Mod Neg"
    " DPipe Case If Cast TryCast DataType DataTypeParam Window WindowSpec Filter JSONExtract JSONExtractScalar JSONPath"
    " JSONPathRoot JSONPathKey JSONPathSubscript"
)
_FUNCTIONS = _kinds(
    "Coalesce Nullif Greatest Least Abs Round Floor Ceil Sign Pow Sqrt Ln Exp Log Upper Lower Trim Concat ConcatWs Length"
    " Substring Left Right Replace SplitPart StrPosition Initcap Pad Reverse MD5 SHA SHA2 DateTrunc TimestampTrunc Extract"
    " DateDiff DateAdd DateSub TimestampDiff TimestampAdd TsOrDsToDate Year Quarter Month Week Day DayOfWeek DayOfYear Date"
    " Timestamp ToChar StrToDate StrToTime TimeToStr LastDay"
)
_AGGREGATES = _kinds(
    "Count CountIf Sum Avg Min Max Stddev StddevPop StddevSamp Variance VariancePop LogicalOr LogicalAnd Rank DenseRank"
)
_REPEATABLE = frozenset(_ARGUMENTS) | _CLAUSES | _OPERATORS | _FUNCTIONS | _AGGREGATES
_PLAN_DEPENDENT = _kinds(
    "Limit Offset Fetch Qualify RowNumber Lag Lead FirstValue LastValue NthValue Ntile PercentRank CumeDist ArrayAgg"
    " GroupConcat AnyValue ApproxDistinct Median PercentileCont WithinGroup IgnoreNulls RespectNulls"
)
"""If rows tie, the choice of these depends on the plan of the query. A new column may change the plan."""

_WORD = re.compile(r"[\w$]+")

_HIDDEN_COLUMNS = frozenset(
    {"cmax", "cmin", "ctid", "deletexid", "insertxid", "oid", "tableoid", "xmax", "xmin"}
    | {"_file_name", "_metadata", "_partitiondate", "_partitiontime", "_table_suffix"}
)
"""Columns that a table has although its definition does not name them. A rebuild changes their values."""


def is_plain(nodes: list[exp.Expr]) -> bool:
    """Whether a statement contains only what is understood. It then depends only on the columns that it names and on its stars.

    `nodes` are all nodes of its tree, the root first. Identifiers must be normalized.
    """
    return (
        isinstance(nodes[0], exp.Query)
        and all(_is_known(node) for node in nodes)
        and not _names_rows(nodes)
        and all(_is_known_star(star) for star in nodes if isinstance(star, exp.Star))
    )


def is_repeatable(nodes: list[exp.Expr]) -> bool:
    """Whether a plain statement gives the same rows on the same data under every plan, apart from rounding in sums of floats."""
    return not any(type(node) in _PLAN_DEPENDENT or _chooses_between_ties(node) for node in nodes)


def _chooses_between_ties(node: exp.Expr) -> bool:
    """Whether the node chooses among rows that tie in the order: the first of them, or all up to some row."""
    if isinstance(node, exp.WindowSpec):
        return str(node.args.get("kind")).upper() == "ROWS"
    return isinstance(node, exp.Distinct) and bool(node.args.get("on"))


def words_of(tokens: Iterable[Token]) -> set[str]:
    """All words, folded. A name that is not among them does not occur in the text: unquoted, quoted or truncated."""
    words: set[str] = set()
    for token in tokens:
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            continue
        text = folded(token.text)
        if token.token_type is TokenType.IDENTIFIER or text.isidentifier():
            words.add(text)
        if not text.isidentifier():
            words.update(_WORD.findall(text))
    long = [word.encode() for word in words if len(word) > LONGEST_NAME or not word.isascii()]
    return words.union(word[:LONGEST_NAME].decode(errors="ignore") for word in long)


def reads_hidden_columns(words: set[str]) -> bool:
    """Whether the words name a hidden column of a warehouse."""
    return not words.isdisjoint(_HIDDEN_COLUMNS) or any(word.startswith("metadata$") for word in words)


def stars_of(select: exp.Select) -> list[exp.Expr]:
    """The items of a SELECT that are a `*`, qualified or not."""
    return [item for item in select.expressions if item.is_star]


def _is_known(node: exp.Expr) -> bool:
    arguments = _ARGUMENTS.get(type(node))
    if isinstance(node, exp.Subquery) and isinstance(node.this, (exp.Table, exp.Subquery)) and node.alias:
        return False  # a join in parentheses with an alias
    if arguments is None:
        return type(node) in _REPEATABLE or type(node) in _PLAN_DEPENDENT
    return all(argument in arguments for argument, value in node.args.items() if value)


def _names_rows(nodes: list[exp.Expr]) -> bool:
    """Whether a table's name is used as a column, so that its whole row is read (`select to_json(orders) from orders`)."""
    rows = {folded(node.alias_or_name) for node in nodes if isinstance(node, (exp.Table, exp.Subquery, exp.CTE))}
    rows |= {folded(node.name) for node in nodes if isinstance(node, exp.Table)}
    return any(isinstance(node, exp.Column) and not node.table and folded(node.name) in rows for node in nodes)


def _is_known_star(star: exp.Star) -> bool:
    """Whether the star is an item of a SELECT, or the argument of `count(*)`, which reads no column."""
    parent = star.parent
    if isinstance(parent, exp.Count):
        return star.arg_key == "this"
    item = parent if isinstance(parent, exp.Column) else star
    return isinstance(item.parent, exp.Select) and item.arg_key == "expressions"
