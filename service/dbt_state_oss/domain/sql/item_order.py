"""Determines whether two queries have the same items in a different order, so that an explanation can name this cause.

A macro that loops over a set renders its items in hash order, which differs between processes. No decision depends on this
module. It works on tokens, since a second rendering of the tree would cost as much as the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlglot import Token, TokenType

from dbt_state_oss.domain.sql.fingerprint import digest_of

IN_ORDER = "all items in their order"
IN_ANY_ORDER = "all items in any order"
ORDER_PARTS = frozenset({IN_ORDER, IN_ANY_ORDER})
"""Names of the two parts (`Fingerprint.parts`) that describe the order of items. They are not clauses."""

_DIGITS = 8
_END_OF_ITEMS = frozenset(
    {"from", "where", "group by", "having", "qualify", "window", "order by", "limit", "fetch", "offset"}
)
_END_OF_BRANCHES = frozenset({"order by", "limit", "fetch", "offset"})
_SET_OPERATIONS = frozenset({"union", "intersect", "except"})
_CASE_SENSITIVE = frozenset({TokenType.STRING, TokenType.IDENTIFIER})

_Words = Sequence[str]


def order_parts(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Two short digests of the words: in their order, and after sorting of columns, branches of unions, common table expressions
    and IN lists.

    They cover literals, like `Fingerprint.digest`. The digest of a whole query is harder to guess than that of a clause.
    """
    words = [
        repr(token.text) if token.token_type in _CASE_SENSITIVE else " ".join(token.text.lower().split())
        for token in tokens
    ]
    in_any_order = _sorted_query(_with_sorted_parentheses(words))
    return f"{digest_of(*words)[:_DIGITS]} {IN_ORDER}", f"{digest_of(in_any_order)[:_DIGITS]} {IN_ANY_ORDER}"


def same_in_another_order(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether the parts show that two queries have the same items in different orders."""
    ours, theirs = (_by_name(parts) for parts in (one, other))
    known = ours.keys() == theirs.keys() == ORDER_PARTS
    return known and ours[IN_ANY_ORDER] == theirs[IN_ANY_ORDER] and ours[IN_ORDER] != theirs[IN_ORDER]


def _by_name(parts: Iterable[str]) -> dict[str, str]:
    split = (part.partition(" ") for part in parts)
    return {name: digest for digest, _, name in split if name in ORDER_PARTS}


def _with_sorted_parentheses(words: _Words) -> list[str]:
    """The words outside of parentheses. Each pair of parentheses becomes one word, with its items sorted."""
    levels: list[list[str]] = [[]]
    for word in words:
        if word == "(":
            levels.append([])
        elif word == ")" and len(levels) > 1:
            inner = levels.pop()
            is_list = levels[-1][-1:] == ["in"]
            levels[-1].append(f"({_joined_sorted(_split(inner, ',')) if is_list else _sorted_query(inner)})")
        else:
            levels[-1].append(word)
    return [word for level in levels for word in level]


def _sorted_query(words: _Words) -> str:
    """The sorted text of a query, or of any other content of one pair of parentheses."""
    if words[:1] == ["with"]:
        start = _first(words, {"select"}.__contains__)
        return f"with {_joined_sorted(_split(words[1:start], ','))} {_sorted_query(words[start:])}"
    end = _first(words, _END_OF_BRANCHES.__contains__)
    operations = [word for word in words[:end] if word in _SET_OPERATIONS]
    if not operations:
        return _sorted_select(words)
    branches = [_sorted_select(branch) for branch in _split(words[:end], operations[0])]
    # The word after the operation (ALL, DISTINCT) is the first word of each branch except the first branch.
    kinds = {branch.partition(" ")[0] if branch.startswith(("all ", "distinct ")) else "" for branch in branches[1:]}
    if len(set(operations)) > 1 or operations[0] == "except" or len(kinds) > 1:
        return " ".join(words)
    kind = kinds.pop()
    bare = [branches[0], *(branch.removeprefix(f"{kind} ") for branch in branches[1:])]
    return " ".join((operations[0], kind, *sorted(bare), *words[end:]))


def _sorted_select(words: _Words) -> str:
    """The text of one SELECT with sorted columns. Anything else is unchanged."""
    start = _first(words, {"select"}.__contains__)
    if start > 1 or start == len(words):
        return " ".join(words)
    end = _first(words, _END_OF_ITEMS.__contains__)
    return " ".join((*words[: start + 1], _joined_sorted(_split(words[start + 1 : end], ",")), *words[end:]))


def _first(words: _Words, wanted: Callable[[str], bool]) -> int:
    """The index of the first wanted word, or the number of words if there is none."""
    return next((index for index, word in enumerate(words) if wanted(word)), len(words))


def _split(words: _Words, separator: str) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for word in words:
        if word == separator:
            pieces.append([])
        else:
            pieces[-1].append(word)
    return pieces


def _joined_sorted(pieces: Iterable[_Words]) -> str:
    return " , ".join(sorted(" ".join(piece) for piece in pieces))
