"""Determines what decides the rows of a query's result, and what decides each of its columns (rule F9).

The text is compared word for word: two texts are equal only if they differ in nothing but comments and white space. Only the
items of select lists are separated: those of the last SELECT, and those of the common table expressions that it reads. All
other text decides the rows.

A word depends on everything in reach that has its name. So an item depends on all columns and all other items that its words
name, and the rows depend on those that the words of the other clauses name. A new column or item of such a name changes the
digest of every part that uses the name, whichever of its meanings the warehouse takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import Token, TokenType, exp

from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.columns import LONGEST_NAME, MOST_COLUMNS, folded
from dbt_state_oss.domain.sql.fingerprint import digest_of
from dbt_state_oss.domain.sql.grammar_words import GRAMMAR_WORDS, LONGEST_ABBREVIATION
from dbt_state_oss.domain.sql.plain_sql import is_repeatable, words_of

_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_SEPARABLE_CLAUSES = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "windows", "qualify", "order"}
)
"""The clauses that a SELECT may have if its columns are to be separated. DISTINCT is not among them."""

Tokens = list[Token]


@dataclass(frozen=True, slots=True)
class PartAccount:
    """What decides one part of a result, its rows or a column.

    That is a digest, and the words through which the part may also depend on columns of a view.
    """

    digest: str
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class TextAccount:
    """The account of one text alone. `column_views` adds what the views that it reads contribute."""

    rows: PartAccount
    columns: Mapping[str, PartAccount] = field(default_factory=dict)
    """By folded name. Empty if the text is compared as a whole."""
    star: Relation | None = None
    """A relation whose columns it also passes on, by a `*`."""


def account_of(
    nodes: list[exp.Expr], tokens: Tokens, sql: str, relations: Mapping[int, Relation]
) -> TextAccount | None:
    """The account of a plain query (`is_plain`). None if its columns cannot be separated.

    `nodes` are all nodes of its tree, the root first. `relations` are its relations by the `id` of the table's node.
    """
    tree = nodes[0]
    if not isinstance(tree, exp.Select) or not is_repeatable(nodes):
        return None
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens = tokens[:-1]
    common, tokens = _split_with(tokens)
    clause = tree.args.get("with_")
    bodies = [] if clause is None else [cte.this for cte in clause.expressions]
    if len(bodies) != len(common) or len(dict(common)) != len(common):
        return None
    known: dict[str, TextAccount] = {}
    for (name, body), query in zip(common, bodies, strict=True):
        known[name] = _Block(sql, body, known, relations).account(query)
    account = _Block(sql, tokens, known, relations).account(tree, is_last=True)
    if not (account.columns or account.star) or len(account.columns) > MOST_COLUMNS or _may_read_a_row(nodes, known):
        return None
    return None if any(len(name.encode()) > LONGEST_NAME for name in account.columns) else account


class _Block:
    """One SELECT: its tokens, and the accounts of the common tables that it may read, by folded name.

    An account without columns means that the block is compared as a whole.
    """

    def __init__(
        self, sql: str, tokens: Tokens, known: Mapping[str, TextAccount], relations: Mapping[int, Relation]
    ) -> None:
        self._sql = sql
        self._relations = relations
        self._tokens = tokens
        self._known = {name: known[name] for name in sorted(words_of(tokens) & known.keys())} if known else {}

    def account(self, query: exp.Expr, *, is_last: bool = False) -> TextAccount:
        """What decides its rows and its columns. `is_last` is set for the SELECT that returns the result."""
        items, rest = _split_select(self._tokens)
        if not isinstance(query, exp.Select) or len(items) != len(query.expressions):
            return self._whole()
        clauses = {name for name, value in query.args.items() if value}
        if not clauses - ({"with_"} if is_last else set()) <= _SEPARABLE_CLAUSES:
            return self._whole()
        own = self._own_columns(query, items)
        stars = [item for item in query.expressions if item.is_star]
        passed_on = self._passed_on(query) if stars else _EMPTY_ACCOUNT
        numbers = _item_numbers(rest)
        if (
            own is None
            or passed_on is None
            or len(stars) > 1
            or (stars and numbers)
            or own.keys() & passed_on.columns.keys()
        ):
            return self._whole()
        if passed_on.star is not None and not is_last:
            return replace(self._whole(), star=None if own else passed_on.star)
        columns = {name: _combined("handed on", [part]) for name, part in passed_on.columns.items()} | own
        text = self._text(rest)
        ordered = list(columns.values())
        rows = _combined(
            "aggregated rows" if _aggregates(query) else "rows",
            [
                text,
                *self._read(None if any(token.token_type is TokenType.STAR for token in rest) else text.words),
                *(columns[name] for name in sorted(text.words & columns.keys())),
                *(ordered[number - 1] for number in numbers if 0 < number <= len(ordered)),
            ],
        )
        return TextAccount(rows, columns, passed_on.star)

    def _whole(self) -> TextAccount:
        return TextAccount(_combined("whole", [self._text(self._tokens), *self._read(None)]))

    def _own_columns(self, query: exp.Select, items: list[Tokens]) -> dict[str, PartAccount] | None:
        """The accounts of the columns that it names, in order. None if one has no name, or two have the same name."""
        own: dict[str, PartAccount] = {}
        words: dict[str, frozenset[str]] = {}
        for item, tokens in zip(query.expressions, items, strict=True):
            name = folded(item.alias_or_name)
            if item.is_star:
                continue
            if not (_is_named_value(item) and _is_surely_named(item, tokens)) or name in own:
                return None
            text = self._text(tokens)
            words[name] = text.words
            own[name] = _combined("column", [text, *self._read(text.words)])
        return {name: _combined(name, [own[each] for each in _reachable_items(name, words)]) for name in own}

    def _passed_on(self, query: exp.Select) -> TextAccount | None:
        """The columns that a `*` stands for, if it is over one table alone: those of a common table or of a relation."""
        table = query.args["from_"].this
        if not isinstance(table, exp.Table) or query.args.get("joins") or table.args.get("joins"):
            return None
        if id(table) in self._relations:
            return replace(_EMPTY_ACCOUNT, star=self._relations[id(table)])
        known = self._known.get(folded(table.name))
        return known if known is not None and (known.columns or known.star) else None

    def _read(self, words: frozenset[str] | None) -> Iterator[PartAccount]:
        """What these words read of the common tables. If `words` is None, all columns are read."""
        for account in self._known.values():
            yield account.rows
            yield from (account.columns[name] for name in sorted(account.columns) if words is None or name in words)

    def _text(self, tokens: Tokens) -> PartAccount:
        texts = (self._sql[token.start : token.end + 1] for token in tokens)
        return PartAccount(digest_of(*texts), frozenset(words_of(tokens)))


_EMPTY_ACCOUNT = TextAccount(PartAccount("", frozenset()))


def _combined(what: str, parts: Iterable[PartAccount]) -> PartAccount:
    parts = list(parts)
    return PartAccount(
        digest_of(what, *(part.digest for part in parts)), frozenset().union(*(part.words for part in parts))
    )


def _split_with(tokens: Tokens) -> tuple[list[tuple[str, Tokens]], Tokens]:
    """Split a query's tokens into its common tables and the rest. A common table is its folded name and its body's tokens."""
    common: list[tuple[str, Tokens]] = []
    start = 1
    if not tokens or tokens[0].token_type is not TokenType.WITH:
        return common, tokens
    while start + 2 < len(tokens) and tokens[start + 1].token_type is TokenType.ALIAS:
        end = _end_of_parentheses(tokens, start + 2)
        if end is None:
            break
        common.append((folded(tokens[start].text), tokens[start + 3 : end]))
        start = end + 2
        if start > len(tokens) or tokens[end + 1].token_type is not TokenType.COMMA:
            return common, tokens[end + 1 :]
    return [], tokens


def _end_of_parentheses(tokens: Tokens, start: int) -> int | None:
    """The index where the parenthesis that opens at `start` closes. None if none opens there, or it never closes."""
    if tokens[start].token_type is not TokenType.L_PAREN:
        return None
    return next((index for index, depth in _depths(tokens, start) if depth == 0), None)


def _depths(tokens: Tokens, start: int = 0) -> Iterator[tuple[int, int]]:
    """Each index from `start` on, with the number of brackets that are open after its token."""
    depth = 0
    for index in range(start, len(tokens)):
        if tokens[index].token_type in _OPENING:
            depth += 1
        elif tokens[index].token_type in _CLOSING:
            depth -= 1
        yield index, depth


def _split_select(tokens: Tokens) -> tuple[list[Tokens], Tokens]:
    """The items of the select list, and the tokens from the first FROM on. No items without a SELECT in front or a FROM."""
    if not tokens or tokens[0].token_type is not TokenType.SELECT:
        return [], tokens
    items: list[Tokens] = [[]]
    for index, depth in _depths(tokens):
        kind = tokens[index].token_type
        if depth == 0 and kind is TokenType.FROM and tokens[index - 1].token_type is not TokenType.DISTINCT:
            return [item for item in items if item], tokens[index:]
        if depth == 0 and kind is TokenType.COMMA:
            items.append([])
        elif index:
            items[-1].append(tokens[index])
    return [], tokens


def _item_numbers(rest: Tokens) -> list[int]:
    """Numbers after GROUP BY or ORDER BY that may refer to items of the select list, as in GROUP BY 1."""
    kinds = [token.token_type for token in rest]
    starts = [kinds.index(kind) for kind in (TokenType.GROUP_BY, TokenType.ORDER_BY) if kind in kinds]
    following = rest[min(starts, default=len(rest)) :]
    return [int(token.text) for token in following if token.token_type is TokenType.NUMBER and token.text.isdecimal()]


def _is_named_value(item: exp.Expr) -> bool:
    """Whether the item is a column by its own name, or an expression with an alias, and contains no query."""
    return isinstance(item, (exp.Alias, exp.Column)) and bool(item.alias_or_name) and item.find(exp.Query) is None


def _is_surely_named(item: exp.Expr, tokens: Tokens) -> bool:
    """Whether the warehouse too takes the last word for the name, and not for a unit or the second word of a type."""
    if not isinstance(item, exp.Alias) or (len(tokens) > 1 and tokens[-2].token_type is TokenType.ALIAS):
        return True
    name = tokens[-1].text
    return name.lower() not in GRAMMAR_WORDS and len(name) > LONGEST_ABBREVIATION


def _aggregates(query: exp.Select) -> bool:
    """Whether the select list alone makes one row of many, as `select sum(amount) from orders` does."""
    if query.args.get("group") is not None:
        return False
    return any(not _is_over_window(call) for item in query.expressions for call in item.find_all(exp.AggFunc))


def _is_over_window(call: exp.Expr) -> bool:
    holder = call.parent.parent if isinstance(call.parent, exp.Filter) else call.parent
    return isinstance(holder, exp.Window) and call.arg_key == "this"


def _reachable_items(name: str, words: Mapping[str, frozenset[str]]) -> list[str]:
    """`name`, then the items that its words name, directly or through other items: an item may use another item's alias."""
    reached, pending = {name}, [name]
    while pending:
        found = (words[pending.pop()] & words.keys()) - reached
        reached |= found
        pending += found
    return [name, *sorted(reached - {name})]


def _may_read_a_row(nodes: list[exp.Expr], known: Mapping[str, TextAccount]) -> bool:
    """Whether a name after that of a common table is not one of its columns. It may be a function of the whole row (Postgres)."""
    named: dict[str, set[str]] = {}
    for table in nodes:
        if isinstance(table, exp.Table):
            named.setdefault(table.alias_or_name, set()).add(folded(table.name))
    return any(
        folded(column.name) not in known[name].columns
        for column in nodes
        if isinstance(column, exp.Column) and not isinstance(column.this, exp.Star)
        for name in named.get(column.table, set()) & known.keys()
        if known[name].columns
    )
