"""Changes of one token. A text is taken apart by a scanner of its own, so that no fault of the parser's hides here."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

_PIECE = re.compile(
    r"""(?P<blank>(?:\s|--[^\n]*|/\*.*?\*/)+)
    |(?P<literal>(?:[eEnNbBxX]|[uU]&)?'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<number>\d[\w.]*|\.\d\w*)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<symbol>::|<>|!=|->>|->|\#>>|\#>|<=|>=|\|\||.)""",
    re.DOTALL | re.VERBOSE,
)
_WORDS = (
    "as",
    "hour",
    "minute",
    "varying",
    "precision",
    "zone",
    "all",
    "distinct",
    "not",
    "only",
    "outer",
    "inner",
    "asc",
    "desc",
    "x",
    "nulls",
    "last",
    "is",
    "symmetric",
    "lateral",
    "recursive",
    "materialized",
    "array",
    "from",
    "interval",
    "date",
    "using",
    "with",
    "ties",
    "only",
    "to",
    "over",
    "filter",
)
_SYNONYMS = (
    (
        "text",
        "varchar",
        "string",
        "clob",
        "str",
        "longvarchar",
        "nvarchar",
        "bpchar",
        "character varying",
        "char varying",
        '"text"',
    ),
    ("int", "integer", "int4", '"int"', "bigint", "int8"),
    ("float", "real", "float4", "float8", "double precision"),
    ("numeric", "decimal", "dec", "number"),
    ("coalesce", "nvl", "ifnull", '"coalesce"', "my.nvl"),
    ("length", "len", "char_length"),
    ("substr", "substring"),
    ("trim", "btrim", '"trim"'),
    ("upper", '"Upper"', "UPPER"),
    ("<>", "!="),
    ("hour", "hours", '"hour"'),
    ("minute", "minutes", '"minute"'),
    ("day", "days"),
    ("timestamp", "datetime"),
    ("true", "'t'"),
    ("union", "union all", "union distinct"),
    ("join", "inner join"),
    ("left join", "left outer join"),
)
_GAPS = (
    "",
    " ",
    "\n",
    "\t",
    "\r",
    "\f",
    "/**/",
    " /* as */ ",
    " /* a /* b */ c */ ",
    " -- as\n",
    " -- as\r",
    " /*+ hint */ ",
    "\u00a0",
    "\u2028",
    " \u00a0 ",
    " \u2003 ",
    " \u3000\n",
    " \x85 ",
    " /* \u00a0 */ ",
)
_PREFIXES = ("+", "-", "@", "~", "|/", "not")
"""Operators that stand before a value, with a blank or without."""

Pieces = list[str]
Mutation = Callable[[Pieces, Random], Pieces]


def pieces_of(sql: str) -> Pieces:
    """The tokens and the blanks between them, in order; together they are the text."""
    return [match[0] for match in _PIECE.finditer(sql)]


def mutated(sql: str, random: Random) -> tuple[str, str]:
    """The text after one change, and the change's name."""
    mutation = random.choice(MUTATIONS)
    return "".join(mutation(pieces_of(sql), random)), mutation.__name__


def _is_word(piece: str) -> bool:
    return piece[0].isalpha() or piece[0] == "_"


def _is_blank(piece: str) -> bool:
    return piece[0].isspace() or piece.startswith(("--", "/*"))


def _any(pieces: Pieces, random: Random, wanted: Callable[[str], bool]) -> int | None:
    found = [place for place, piece in enumerate(pieces) if wanted(piece)]
    return random.choice(found) if found else None


def _replaced(pieces: Pieces, place: int | None, *new: str) -> Pieces:
    return pieces if place is None else [*pieces[:place], *new, *pieces[place + 1 :]]


def toggle_as(pieces: Pieces, random: Random) -> Pieces:
    """Drop an AS, or put one before a word."""
    place = _any(pieces, random, lambda piece: piece.lower() == "as")
    if place is not None and random.random() < 0.5:
        return [*pieces[:place], *pieces[place + 2 :]]
    place = _any(pieces, random, lambda piece: _is_word(piece) or piece[0] == '"')
    return pieces if place is None else [*pieces[:place], "as ", *pieces[place:]]


def toggle_quotes(pieces: Pieces, random: Random) -> Pieces:
    """Quote a word, or take the quotes off."""
    place = _any(pieces, random, lambda piece: _is_word(piece) or piece[0] == '"')
    if place is None:
        return pieces
    word = pieces[place]
    return _replaced(pieces, place, word[1:-1] or "x" if word[0] == '"' else f'"{random.choice((word, word.lower()))}"')


def change_case(pieces: Pieces, random: Random) -> Pieces:
    """Write a word in other letters."""
    place = _any(pieces, random, lambda piece: _is_word(piece) or piece[0] in "\"'")
    change = random.choice((str.upper, str.lower, str.swapcase, str.title))
    return pieces if place is None else _replaced(pieces, place, change(pieces[place]))


def change_gap(pieces: Pieces, random: Random) -> Pieces:
    """Widen, comment or close the gap between two tokens."""
    place, gap = random.randrange(len(pieces)), random.choice(_GAPS)
    return _replaced(pieces, place, gap) if _is_blank(pieces[place]) else [*pieces[:place], gap, *pieces[place:]]


def swap_synonym(pieces: Pieces, random: Random) -> Pieces:
    """Name a type, a function or an operator otherwise."""
    groups = [(place, group) for place, piece in enumerate(pieces) for group in _SYNONYMS if piece.lower() in group]
    if not groups:
        return pieces
    place, group = random.choice(groups)
    return _replaced(pieces, place, random.choice(group))


def turn_cast(pieces: Pieces, random: Random) -> Pieces:
    """Write `x::t` as `cast(x as t)`, for one word on either side; a prefix operator goes along or not."""
    place = _any(pieces, random, lambda piece: piece == "::")
    if place is None or not 0 < place < len(pieces) - 1:
        return pieces
    start, end = place - 1, place + 2
    if random.random() < 0.5:
        while start and (_is_blank(pieces[start - 1]) or pieces[start - 1] in _PREFIXES):
            start -= 1
    if pieces[end : end + 1] == ["("] and ")" in pieces[end:]:
        end = pieces.index(")", end) + 1
    return [*pieces[:start], " cast(", *pieces[start:place], " as ", *pieces[place + 1 : end], ")", *pieces[end:]]


def turn_cast_back(pieces: Pieces, random: Random) -> Pieces:
    """Write `cast(x as t)` as `x::t`, whatever x is."""
    place = _any(pieces, random, lambda piece: piece.lower() == "cast")
    if place is None or pieces[place + 1 : place + 2] != ["("]:
        return pieces
    depth, named = 1, None
    for end in range(place + 2, len(pieces)):
        depth += {"(": 1, ")": -1}.get(pieces[end], 0)
        if depth == 1 and pieces[end].lower() == "as":
            named = end
        if depth == 0 and named is not None:
            value, kind = "".join(pieces[place + 2 : named]), "".join(pieces[named + 1 : end])
            return [*pieces[:place], value.rstrip(), "::", kind.lstrip(), *pieces[end + 1 :]]
    return pieces


def insert_prefix(pieces: Pieces, random: Random) -> Pieces:
    """Put a prefix operator before a word or a number."""
    place = _any(pieces, random, lambda piece: piece[0].isalnum() or piece[0] in '_"')
    if place is None:
        return pieces
    return [*pieces[:place], f"{random.choice(_PREFIXES)}{random.choice(('', ' '))}", *pieces[place:]]


def drop_token(pieces: Pieces, random: Random) -> Pieces:
    """Leave a token out."""
    return _replaced(pieces, _any(pieces, random, lambda piece: not _is_blank(piece)))


def double_token(pieces: Pieces, random: Random) -> Pieces:
    """Say a token twice."""
    place = random.randrange(len(pieces))
    return _replaced(pieces, place, pieces[place], " ", pieces[place])


def swap_tokens(pieces: Pieces, random: Random) -> Pieces:
    """Exchange two neighbours."""
    if len(pieces) < 3:
        return pieces
    place = random.randrange(len(pieces) - 2)
    return [*pieces[:place], pieces[place + 2], pieces[place + 1], pieces[place], *pieces[place + 3 :]]


def insert_word(pieces: Pieces, random: Random) -> Pieces:
    """Put in a word of the grammar."""
    place = random.randrange(len(pieces) + 1)
    return [*pieces[:place], f" {random.choice(_WORDS)} ", *pieces[place:]]


def replace_word(pieces: Pieces, random: Random) -> Pieces:
    """Put a word of the grammar in the place of another."""
    return _replaced(pieces, _any(pieces, random, _is_word), random.choice(_WORDS))


def insert_symbol(pieces: Pieces, random: Random) -> Pieces:
    """Put in a comma, a semicolon or brackets."""
    place = random.randrange(len(pieces) + 1)
    return [*pieces[:place], random.choice((",", ";", "(", ")", "()", ".", "-", "!")), *pieces[place:]]


MUTATIONS: tuple[Mutation, ...] = (
    toggle_as,
    toggle_as,
    toggle_as,
    toggle_quotes,
    toggle_quotes,
    change_case,
    change_case,
    change_gap,
    change_gap,
    swap_synonym,
    swap_synonym,
    turn_cast,
    turn_cast,
    turn_cast_back,
    turn_cast_back,
    insert_prefix,
    drop_token,
    double_token,
    swap_tokens,
    insert_word,
    replace_word,
    insert_symbol,
)
"""Repeated ones are drawn more often."""
