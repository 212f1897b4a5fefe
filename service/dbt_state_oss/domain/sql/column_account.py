"""What decides the rows of a query's result, and what decides each of its columns (rule F9).

Word for word, as it is written: nothing is taken for equal here that is not the same to the letter, comments and white space
aside. Of the text, only the items of a select list are told apart, of the last SELECT and of the common table expressions that
it reads; all else decides the rows. Whatever bears a name depends on everything that bears it in reach: an item on the columns
and the other items that its words name, the rows on those that the words of the other clauses name. So a new name that is said
somewhere shows in the digest of who says it, whichever of its meanings the warehouse takes.
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
_TOLD_APART = frozenset({"expressions", "from_", "joins", "where", "group", "having", "windows", "qualify", "order"})
"""Clauses of a SELECT that leave every column to itself: DISTINCT is none of them."""

Tokens = list[Token]


@dataclass(frozen=True, slots=True)
class Told:
    """What decides a part of a result, as a digest, and the words through which it may depend on columns of a view."""

    digest: str
    said: frozenset[str]


@dataclass(frozen=True, slots=True)
class TextAccount:
    """The account of one text by itself: what the views in it say is still to be told (`fingerprinting`)."""

    rows: Told
    columns: Mapping[str, Told] = field(default_factory=dict)
    """By their folded names. None of them: the text is compared as a whole."""
    star: Relation | None = None
    """A relation whose columns it hands on beside these, by a `*`."""


def account_of(
    nodes: list[exp.Expr], tokens: Tokens, sql: str, relations: Mapping[int, Relation]
) -> TextAccount | None:
    """The account of a plain query (`is_plain`); None where its columns can't be told apart. `relations` by the `id` of its
    tables."""
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
    """One SELECT: its tokens, and the accounts of the common tables that it may read, by their folded names.

    An account without columns is that of a block which is compared as a whole.
    """

    def __init__(
        self, sql: str, tokens: Tokens, known: Mapping[str, TextAccount], relations: Mapping[int, Relation]
    ) -> None:
        self._sql = sql
        self._relations = relations
        self._tokens = tokens
        self._known = {name: known[name] for name in sorted(words_of(tokens) & known.keys())} if known else {}

    def account(self, query: exp.Expr, *, is_last: bool = False) -> TextAccount:
        """What decides its rows and its columns."""
        items, rest = _split_select(self._tokens)
        if not isinstance(query, exp.Select) or len(items) != len(query.expressions):
            return self._whole()
        clauses = {name for name, value in query.args.items() if value}
        if not clauses - ({"with_"} if is_last else set()) <= _TOLD_APART:
            return self._whole()
        own = self._own_columns(query, items)
        stars = [item for item in query.expressions if item.is_star]
        handed_on = self._handed_on(query) if stars else _NOTHING
        places = _places(rest)
        if (
            own is None
            or handed_on is None
            or len(stars) > 1
            or (stars and places)
            or own.keys() & handed_on.columns.keys()
        ):
            return self._whole()
        if handed_on.star is not None and not is_last:
            return replace(self._whole(), star=None if own else handed_on.star)
        columns = {name: _told("handed on", [told]) for name, told in handed_on.columns.items()} | own
        text = self._text(rest)
        ordered = list(columns.values())
        rows = _told(
            "aggregated rows" if _aggregates(query) else "rows",
            [
                text,
                *self._read(None if any(token.token_type is TokenType.STAR for token in rest) else text.said),
                *(columns[name] for name in sorted(text.said & columns.keys())),
                *(ordered[place - 1] for place in places if 0 < place <= len(ordered)),
            ],
        )
        return TextAccount(rows, columns, handed_on.star)

    def _whole(self) -> TextAccount:
        return TextAccount(_told("whole", [self._text(self._tokens), *self._read(None)]))

    def _own_columns(self, query: exp.Select, items: list[Tokens]) -> dict[str, Told] | None:
        """Digests of the columns that it names, in order; None where one has no name of its own."""
        own: dict[str, Told] = {}
        said: dict[str, frozenset[str]] = {}
        for item, tokens in zip(query.expressions, items, strict=True):
            name = folded(item.alias_or_name)
            if item.is_star:
                continue
            if not (_is_named_value(item) and _is_surely_named(item, tokens)) or name in own:
                return None
            text = self._text(tokens)
            said[name] = text.said
            own[name] = _told("column", [text, *self._read(text.said)])
        return {name: _told(name, [own[each] for each in _reach(name, said)]) for name in own}

    def _handed_on(self, query: exp.Select) -> TextAccount | None:
        """What a `*` stands for, if it is over one table alone: a common table's columns, or a relation's."""
        table = query.args["from_"].this
        if not isinstance(table, exp.Table) or query.args.get("joins") or table.args.get("joins"):
            return None
        if id(table) in self._relations:
            return replace(_NOTHING, star=self._relations[id(table)])
        known = self._known.get(folded(table.name))
        return known if known is not None and (known.columns or known.star) else None

    def _read(self, words: frozenset[str] | None) -> Iterator[Told]:
        """What is read of the common tables by these words; by None, all of it."""
        for account in self._known.values():
            yield account.rows
            yield from (account.columns[name] for name in sorted(account.columns) if words is None or name in words)

    def _text(self, tokens: Tokens) -> Told:
        texts = (self._sql[token.start : token.end + 1] for token in tokens)
        return Told(digest_of(*texts), frozenset(words_of(tokens)))


_NOTHING = TextAccount(Told("", frozenset()))


def _told(what: str, parts: Iterable[Told]) -> Told:
    parts = list(parts)
    return Told(digest_of(what, *(part.digest for part in parts)), frozenset().union(*(part.said for part in parts)))


def _split_with(tokens: Tokens) -> tuple[list[tuple[str, Tokens]], Tokens]:
    """The common tables in front of a query, each by its folded name with the tokens of its body, and the query's own."""
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
    """Where the parenthesis that opens at `start` closes; None where there is none."""
    if tokens[start].token_type is not TokenType.L_PAREN:
        return None
    return next((place for place, depth in _depths(tokens, start) if depth == 0), None)


def _depths(tokens: Tokens, start: int = 0) -> Iterator[tuple[int, int]]:
    """Each place from `start` on with the brackets that are open behind its token."""
    depth = 0
    for place in range(start, len(tokens)):
        if tokens[place].token_type in _OPENING:
            depth += 1
        elif tokens[place].token_type in _CLOSING:
            depth -= 1
        yield place, depth


def _split_select(tokens: Tokens) -> tuple[list[Tokens], Tokens]:
    """The items of the select list and what follows it, from the first FROM on; no item where there is none."""
    if not tokens or tokens[0].token_type is not TokenType.SELECT:
        return [], tokens
    items: list[Tokens] = [[]]
    for place, depth in _depths(tokens):
        kind = tokens[place].token_type
        if depth == 0 and kind is TokenType.FROM and tokens[place - 1].token_type is not TokenType.DISTINCT:
            return [item for item in items if item], tokens[place:]
        if depth == 0 and kind is TokenType.COMMA:
            items.append([])
        elif place:
            items[-1].append(tokens[place])
    return [], tokens


def _places(rest: Tokens) -> list[int]:
    """Numbers that may stand for items of the select list, as in GROUP BY 1."""
    kinds = [token.token_type for token in rest]
    starts = [kinds.index(kind) for kind in (TokenType.GROUP_BY, TokenType.ORDER_BY) if kind in kinds]
    numbers = rest[min(starts, default=len(rest)) :]
    return [int(token.text) for token in numbers if token.token_type is TokenType.NUMBER and token.text.isdecimal()]


def _is_named_value(item: exp.Expr) -> bool:
    """A column by its own name or an expression under an alias, without a query in it."""
    return isinstance(item, (exp.Alias, exp.Column)) and bool(item.alias_or_name) and item.find(exp.Query) is None


def _is_surely_named(item: exp.Expr, tokens: Tokens) -> bool:
    """Whether the last word is the name for the warehouse too, and not a unit or the second word of a type."""
    if not isinstance(item, exp.Alias) or (len(tokens) > 1 and tokens[-2].token_type is TokenType.ALIAS):
        return True
    name = tokens[-1].text
    return name.lower() not in GRAMMAR_WORDS and len(name) > LONGEST_ABBREVIATION


def _aggregates(query: exp.Select) -> bool:
    """Its select list alone makes one row of many, as `select sum(amount) from orders` does."""
    if query.args.get("group") is not None:
        return False
    return any(not _is_over_window(call) for item in query.expressions for call in item.find_all(exp.AggFunc))


def _is_over_window(call: exp.Expr) -> bool:
    holder = call.parent.parent if isinstance(call.parent, exp.Filter) else call.parent
    return isinstance(holder, exp.Window) and call.arg_key == "this"


def _reach(name: str, said: Mapping[str, frozenset[str]]) -> list[str]:
    """`name`, and then the items that its words name, directly or through each other: an item may stand on another's alias."""
    reached, waiting = {name}, [name]
    while waiting:
        found = (said[waiting.pop()] & said.keys()) - reached
        reached |= found
        waiting += found
    return [name, *sorted(reached - {name})]


def _may_read_a_row(nodes: list[exp.Expr], known: Mapping[str, TextAccount]) -> bool:
    """A name behind that of a common table is none of its columns: a function of its whole row, perhaps (Postgres)."""
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
