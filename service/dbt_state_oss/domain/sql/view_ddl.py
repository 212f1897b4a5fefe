"""Reduces `CREATE VIEW … AS SELECT …` to its SELECT if the two are provably the same (rule L4)."""

from __future__ import annotations

from sqlglot import Token, TokenType, exp

_HARMLESS_PROPERTIES = (
    exp.CopyGrantsProperty,
    exp.MaterializedProperty,
    exp.SchemaCommentProperty,
    exp.TransientProperty,
)
"""Properties that do not affect the rows of the view. If there is any other, the whole statement is kept."""

_LATE_BINDING = ("WITH", "NO", "SCHEMA", "BINDING")


def defining_query(statement: exp.Expr, tokens: list[Token]) -> tuple[exp.Expr, list[Token]]:
    """The query of a view definition with its tokens. The statement is returned unchanged if more than its query matters.

    Identifiers must be normalized. Parentheses around the whole query and semicolons after it are removed.
    """
    end = len(tokens)
    while end and tokens[end - 1].token_type is TokenType.SEMICOLON:
        end -= 1
    query, body = statement, tokens[:end]
    if isinstance(statement, exp.Create):
        start = _start_of_query(body)
        inner = statement.expression
        if start is None or not isinstance(inner, exp.Query) or not _only_wraps(statement, inner):
            return statement, tokens
        query, body = inner, body[start:]
        if statement.args.get("no_schema_binding"):
            body = _tokens_without_late_binding(body)
    return _query_without_parentheses(query), _tokens_without_parentheses(body)


def _only_wraps(statement: exp.Create, query: exp.Query) -> bool:
    properties = statement.args.get("properties")
    names = _column_names(statement.this)
    return (
        statement.kind in ("VIEW", "TABLE")
        and statement.args.get("with_") is None
        and statement.args.get("clone") is None
        and all(isinstance(each, _HARMLESS_PROPERTIES) for each in (properties.expressions if properties else ()))
        and (names is None or ("*" not in names and names == _output_names(query)))
    )


def _column_names(target: exp.Expr) -> list[str] | None:
    """The declared columns. None if no columns are declared, empty if one has more than a name and a comment."""
    if not isinstance(target, exp.Schema):
        return None
    names = []
    for column in target.expressions:
        constraints = column.args.get("constraints") or ()
        if not isinstance(column, (exp.Identifier, exp.ColumnDef)) or column.args.get("kind") is not None:
            return []
        if not all(isinstance(constraint.args.get("kind"), exp.CommentColumnConstraint) for constraint in constraints):
            return []
        names.append(column.name)
    return names


def _output_names(query: exp.Query) -> list[str]:
    unwrapped = _query_without_parentheses(query)
    return unwrapped.named_selects if isinstance(unwrapped, exp.Query) else []


def _query_without_parentheses(query: exp.Expr) -> exp.Expr:
    while isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
        if any(value for argument, value in query.args.items() if argument != "this"):
            break
        query = query.this
    return query


def _start_of_query(tokens: list[Token]) -> int | None:
    """The index of the token after the first AS outside of parentheses. None if there is no such AS."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.L_PAREN:
            depth += 1
        elif token.token_type is TokenType.R_PAREN:
            depth -= 1
        elif token.token_type is TokenType.ALIAS and depth == 0:
            return index + 1
    return None


def _tokens_without_late_binding(tokens: list[Token]) -> list[Token]:
    tail = tuple(token.text.upper() for token in tokens[-len(_LATE_BINDING) :])
    return tokens[: -len(_LATE_BINDING)] if tail == _LATE_BINDING else tokens


def _tokens_without_parentheses(tokens: list[Token]) -> list[Token]:
    while len(tokens) > 1 and tokens[0].token_type is TokenType.L_PAREN and _closes_last(tokens):
        tokens = tokens[1:-1]
    return tokens


def _closes_last(tokens: list[Token]) -> bool:
    """Whether the last token closes the parenthesis that the first token opens."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.L_PAREN:
            depth += 1
        elif token.token_type is TokenType.R_PAREN:
            depth -= 1
            if depth == 0:
                return index == len(tokens) - 1
    return False
