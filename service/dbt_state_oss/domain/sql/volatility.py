"""Determines whether SQL may return other rows when it is run again on the same data (rule L9), by the words in it.

A user's own function counts as stable, since the SQL does not show what it does. So does a LIMIT without an ORDER BY. The name
of a warehouse's volatile function counts wherever it is called, qualified or not. Session variables count as volatile too. So
do system columns: they describe how a row is stored, not what it contains, and a rebuilt table has other values in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

from sqlglot import Token, TokenType, exp

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.sql.fingerprint import Volatility

_WORD = re.compile(r"\w+")
_WORD_WITH_DOLLARS = re.compile(r"[\w$]+")
_VARIABLE_SIGN = re.compile(r"(?<![\w$@])(\$|@@)[^\W\d]")
_MOVING_PAST = re.compile(r"\b(?:at|before)\s*\(\s*(?:offset|stream)\b")
_DATE_ELSEWHERE = re.compile(r"\bcurrent_date\s*\(\s*[^\s)]")
"""`current_date` of a time zone."""
_SEQUENCE_VALUES = frozenset({"currval", "nextval"})
_SAMPLES = frozenset({"sample", "tablesample"})
_TIME = re.compile(r"""(?<=['"])\s*t?\d{1,2}:\d{1,2}""")
"""A literal that begins with a time of day."""
_TIME_ALONE = re.compile(r"\s*t?\d{1,2}:\d{1,2}")
_LITERAL_WORD = re.compile(r"[^\W\d]+")
_BRACKETS = ("[", "(", "{")
"""A range or an array begins with one of them."""
_ELEMENTS = re.compile(r"""[\[\](){},"]|:(?!\d)""")
_WORDS_OF_MOMENTS = frozenset(
    """
    ad allballs am at bc dst epoch infinity on pm t z zulu
    mon monday tue tues tuesday wed wednes wednesday thu thur thurs thursday fri friday sat saturday sun sunday
    jan january feb february mar march apr april may jun june jul july aug august sep sept september oct october nov november
    dec december
    bst cdt cest cet cst edt eest eet est gmt hst ist jst mdt msk mst pdt pst sgt utc wet west
    """.split()
)
"""Words that may stand beside the word for a day in a literal of PostgreSQL that means a moment, without being its subject."""
_TEXTS = frozenset(
    {
        TokenType.BYTE_STRING,
        TokenType.HEREDOC_STRING,
        TokenType.NATIONAL_STRING,
        TokenType.RAW_STRING,
        TokenType.STRING,
        TokenType.UNICODE_STRING,
    }
)
_ORDER = (Volatility.STABLE, Volatility.DAILY, Volatility.VOLATILE)


def most_volatile(found: Iterable[Volatility]) -> Volatility:
    """The least stable value. STABLE if there are no values."""
    return max(found, key=_ORDER.index, default=Volatility.STABLE)


def volatility_of_statement(tree: exp.Expr, tokens: list[Token], dialect: Dialect) -> Volatility:
    """The volatility of a parsed statement. Samples and time travel are found in the tree, functions in the tokens."""
    if any(sample.args.get("seed") is None for sample in tree.find_all(exp.TableSample)):
        return Volatility.VOLATILE
    if any(past.args.get("kind") in ("OFFSET", "STREAM") for past in tree.find_all(exp.HistoricalData)):
        return Volatility.VOLATILE
    return most_volatile(_volatility_at(tokens, index, dialect) for index in range(len(tokens)))


def volatility_of_text(text: str, dialect: Dialect) -> Volatility:
    """A cautious guess for SQL that could not be parsed. Every word counts, also in literals and comments."""
    folded = text.lower()
    words = _words_in(folded)
    listed = (
        dialect.volatile_words
        | dialect.volatile_functions
        | dialect.volatile_literals
        | dialect.volatile_types
        | dialect.volatile_schemas
    )
    if not words.isdisjoint(listed | _SAMPLES) or any(map(dialect.has_volatile_prefix, words)):
        return Volatility.VOLATILE
    if any(map(dialect.is_system_column, words)):
        return Volatility.VOLATILE
    if _names_variable(folded, dialect) or _MOVING_PAST.search(folded) or _DATE_ELSEWHERE.search(folded):
        return Volatility.VOLATILE
    means_today = dialect.times_mean_today and _TIME.search(folded) is not None
    if means_today or not words.isdisjoint(dialect.date_functions | dialect.date_literals):
        return Volatility.DAILY
    return Volatility.STABLE


def statement_asks_session(tokens: list[Token], dialect: Dialect) -> bool:
    """Whether a parsed statement calls a function that depends on the session, or reads a session variable."""
    return any(
        (token.text.lower() in dialect.session_functions or token.token_type is TokenType.PARAMETER)
        and _volatility_at(tokens, index, dialect) is not Volatility.STABLE
        for index, token in enumerate(tokens)
    )


def text_asks_session(text: str, dialect: Dialect) -> bool:
    """The same for SQL that could not be parsed. Every word counts."""
    folded = text.lower()
    return not dialect.session_functions.isdisjoint(_WORD.findall(folded)) or _names_variable(folded, dialect)


def statement_reads_storage(tree: exp.Expr, tokens: list[Token], dialect: Dialect) -> bool:
    """Whether a parsed statement reads system columns or samples rows. Its result depends on how the rows are stored."""
    if tree.find(exp.TableSample) is not None:
        return True
    words = {token.text.lower() for token in tokens}
    named = {word for word in words if dialect.is_system_column(word)}
    named |= words & (dialect.storage_functions | dialect.volatile_types)
    if not named:
        return False
    return any(
        _is_system_column(tokens, index, dialect) or _tells_storage(tokens, index, dialect)
        for index in range(len(tokens))
    )


def text_reads_storage(text: str, dialect: Dialect) -> bool:
    """The same for SQL that could not be parsed. Every word counts."""
    words = _words_in(text.lower())
    listed = _SAMPLES | dialect.storage_functions | dialect.volatile_types
    return not words.isdisjoint(listed) or any(map(dialect.is_system_column, words))


def _words_in(folded: str) -> set[str]:
    """The words of a text in lower case. A word with `$` counts as a whole and in its parts."""
    words = set(_WORD_WITH_DOLLARS.findall(folded))
    return words.union(*(word.split("$") for word in words if "$" in word))


def _volatility_at(tokens: list[Token], index: int, dialect: Dialect) -> Volatility:
    token = tokens[index]
    name = token.text.lower()
    if token.token_type in _TEXTS:
        if dialect.times_mean_today and _TIME_ALONE.match(name):
            return Volatility.DAILY
        if token.token_type is TokenType.UNICODE_STRING and "\\" in name and dialect.volatile_literals:
            return Volatility.VOLATILE
        return _volatility_of_literal(name + _continued(tokens, index), dialect)
    if name in dialect.volatile_words and not _is_qualified_or_quoted(tokens, index):
        return Volatility.VOLATILE
    if token.token_type is TokenType.PARAMETER:
        return Volatility.VOLATILE if _begins_variable(tokens, index, dialect) else Volatility.STABLE
    called = index + 1 < len(tokens) and tokens[index + 1].token_type is TokenType.L_PAREN
    if called and (dialect.has_volatile_prefix(name) or _schema(tokens, index) in dialect.volatile_schemas):
        return Volatility.VOLATILE
    if name in dialect.volatile_types:
        return Volatility.VOLATILE
    if dialect.is_system_column(name) and _is_system_column(tokens, index, dialect):
        return Volatility.VOLATILE
    if not (name in dialect.volatile_functions or name in dialect.date_functions):
        return Volatility.STABLE
    if not called and not (name in dialect.bare_functions and _is_bare_call(tokens, index, dialect)):
        return Volatility.STABLE
    if called and name == "current_date" and tokens[index + 2].text.upper() not in (")", "UTC"):
        return Volatility.VOLATILE  # in another time zone the day begins at another hour
    return _volatility_by_lists(name, volatile=dialect.volatile_functions, daily=dialect.date_functions)


def _is_system_column(tokens: list[Token], index: int, dialect: Dialect) -> bool:
    token = tokens[index]
    if token.token_type in _TEXTS or not dialect.is_system_column(token.text.lower()):
        return False
    if index > 0 and tokens[index - 1].token_type is TokenType.ALIAS:
        return False
    following = [each.token_type for each in tokens[index + 1 : index + 4]]
    called = following[:1] == [TokenType.L_PAREN]
    # PostgreSQL reads `xmin(o)` as `o.xmin`.
    is_of_row = dialect.relations_are_types and following[2:] == [TokenType.R_PAREN]
    return not called or is_of_row


def _tells_storage(tokens: list[Token], index: int, dialect: Dialect) -> bool:
    name = tokens[index].text.lower()
    if tokens[index].token_type in _TEXTS:
        return False
    called = index + 1 < len(tokens) and tokens[index + 1].token_type is TokenType.L_PAREN
    return name in dialect.volatile_types or (called and name in dialect.storage_functions)


def _names_variable(text: str, dialect: Dialect) -> bool:
    return any(sign[1] == dialect.variable_sign for sign in _VARIABLE_SIGN.finditer(text))


def _begins_variable(tokens: list[Token], index: int, dialect: Dialect) -> bool:
    """Whether the token ends the sign of a session variable, and a name follows. A number would be the position of a column."""
    sign = dialect.variable_sign
    written = "".join(token.text for token in tokens[max(0, index + 1 - len(sign)) : index + 1])
    return bool(sign) and written == sign and tokens[index + 1].token_type is not TokenType.NUMBER


def _schema(tokens: list[Token], index: int) -> str:
    """The name that directly qualifies the token, in lower case. Empty if the token is not qualified."""
    qualified = index >= 2 and tokens[index - 1].token_type is TokenType.DOT
    return tokens[index - 2].text.lower() if qualified else ""


def _is_qualified_or_quoted(tokens: list[Token], index: int) -> bool:
    is_quoted = tokens[index].token_type is TokenType.IDENTIFIER
    return is_quoted or (index > 0 and tokens[index - 1].token_type is TokenType.DOT)


def _volatility_of_literal(text: str, dialect: Dialect) -> Volatility:
    """The volatility of a literal.

    A literal that means a moment is one word, perhaps with a time of day and a zone (`'today 10:00 UTC'`), or several such words
    in a range or an array (`'[today,tomorrow)'`). A sentence that contains such a word is not a moment.
    """
    if text.lstrip().startswith(_BRACKETS):
        return most_volatile(_volatility_of_moment(each, dialect) for each in _ELEMENTS.split(text))
    return _volatility_of_moment(text, dialect)


def _continued(tokens: list[Token], index: int) -> str:
    """The literals that directly follow: a literal may be continued on the next line."""
    following = takewhile(lambda token: token.token_type in _TEXTS, tokens[index + 1 :])
    return "".join(token.text.lower() for token in following)


def _volatility_of_moment(text: str, dialect: Dialect) -> Volatility:
    listed = dialect.volatile_literals | dialect.date_literals
    pieces = [found for found in map(_LITERAL_WORD.findall, text.split()) if not _WORDS_OF_MOMENTS.issuperset(found)]
    others = [found for found in pieces if listed.isdisjoint(found)]
    begins_otherwise = pieces[:1] == others[:1] and not any(each.isdigit() for each in text)
    if len(others) > 2 or (begins_otherwise and len(text.split()) > 2):
        return Volatility.STABLE
    return most_volatile(
        _volatility_by_lists(word, volatile=dialect.volatile_literals, daily=dialect.date_literals)
        for found in pieces
        for word in found
    )


def _is_bare_call(tokens: list[Token], index: int, dialect: Dialect) -> bool:
    """Whether a word without parentheses is a call: not an alias, and not a column of a table.

    A sequence's `.nextval` is a call, although a dot precedes it. In most dialects a quoted word is a name and never a call.
    """
    if tokens[index].token_type is TokenType.IDENTIFIER and not dialect.quoted_functions:
        return False
    before = tokens[index - 1].token_type if index else None
    if tokens[index].text.lower() in _SEQUENCE_VALUES:
        return before is TokenType.DOT
    return before not in (TokenType.DOT, TokenType.ALIAS)


def _volatility_by_lists(name: str, *, volatile: frozenset[str], daily: frozenset[str]) -> Volatility:
    if name in volatile:
        return Volatility.VOLATILE
    return Volatility.DAILY if name in daily else Volatility.STABLE
