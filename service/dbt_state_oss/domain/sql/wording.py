"""Reads SQL word for word, as it was written, to check what a parser makes of it.

A parser treats too much as equal: it drops arguments that it does not model, and maps different types to one. So two texts
count as equal only if their trees *and* their words are equal. This module is the only place that lists which words may
differ (rule L2): comments, optimizer hints, white space, the letter case of unquoted words, an `AS` before a plain name,
`CAST(x AS t)` and `x::t`, `!=` and `<>`, synonyms of the warehouse (`text` and `varchar` on Snowflake, `nvl` and `coalesce`),
a comma before FROM, semicolons at the end. Such texts are equal only if their trees are equal too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import Token, TokenType

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.sql.grammar_words import AWAIT_AN_EXPRESSION, GRAMMAR_WORDS, LONGEST_ABBREVIATION

_WORD = re.compile(r"[^\W\d]\w*(?:[ \t\r\n\f\v]+\w+)*")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")
_COMMENT = re.compile(r"(?:--|//|#)[^\r\n]*|/\*.*?\*/", re.DOTALL)
"""A comment, in a place where only comments and white space can occur. A comment that contains another one ends too early,
which is on the side of caution."""
_SPACES = " \t\r\n\f\v"
_ODD_SPACE = re.compile(r"[^!-~ \t\r\n\f\v]")
_CARRIED_OVER = re.compile(r"--[^\r\n]*\\\n")
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_TEXTS_AND_NUMBERS = frozenset({TokenType.STRING, TokenType.NUMBER})
_BEGIN_A_VALUE = "_\"'`$(["
"""Characters that begin a name, a literal, a parameter or a value in brackets."""
_PREFIX_WORDS = frozenset({"connect_by_root", "interval", "not", "operator", "prior"})
"""Words that begin an operand which is not a single value. The parser reads a sum of intervals as one interval:
`interval '1' + '1'::t`."""
_PREFIXES = frozenset({TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE})


@dataclass(frozen=True, slots=True)
class Span:
    """The positions of the first and last character of a relation's name, and the word that replaces the name (rule L3)."""

    start: int
    end: int
    word: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A text with its tokens, its dialect and the parser's keywords (upper case)."""

    sql: str
    tokens: list[Token]
    dialect: Dialect
    keywords: Mapping[str, TokenType]
    _in_object_types: frozenset[int] = field(init=False)
    """Indexes of the tokens in the parentheses of a structured type (`OBJECT(City VARCHAR)`), whose keys keep their case."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_in_object_types", frozenset(self._positions_in_object_types()))

    def words(self, spans: Mapping[int, Span]) -> Iterator[str]:
        """The words in order, each marked with its kind. `spans` are by the position of their first character."""
        signs, brackets = self._positions_of_casts()
        covered = -1
        for index, token in enumerate(self.tokens):
            if token.start <= covered:
                continue
            if (span := spans.get(token.start)) is not None:
                covered = span.end
                yield f"relation {span.word}"
            elif index in signs:
                yield "literal ::"
            elif not (index in brackets or self._adds_nothing(index) or self._is_trailing(index)):
                yield self._word(index)

    def exact(self, spans: Mapping[int, Span]) -> Iterator[str]:
        """The text between the names of relations, as it was written, without comments."""
        end = 0
        for span in sorted(spans.values(), key=lambda span: span.start):
            yield f"text {self.sql[end : span.start]}"
            end = span.end + 1
        yield f"text {self.sql[end:].rstrip()}"

    def _positions_of_casts(self) -> tuple[set[int], set[int]]:
        """Indexes of the tokens of casts that are written as calls: first of `AS`, which means `::`, then of `CAST`, `(`, `)`."""
        signs: set[int] = set()
        brackets: set[int] = set()
        opened: list[tuple[int, list[int]]] = []
        for index, token in enumerate(self.tokens):
            if token.token_type is TokenType.L_PAREN:
                opened.append((index, []))
            elif token.token_type is TokenType.ALIAS and opened:
                opened[-1][1].append(index)
            elif token.token_type is TokenType.R_PAREN and opened:
                start, aliases = opened.pop()
                if self._is_builtin_call(start - 1, "CAST") and len(aliases) == 1:
                    signs.update(aliases)
                    if not (self._is_prefix(start + 1) or self._may_continue_a_type(index + 1)):
                        brackets |= {start - 1, start, index}
        return signs, brackets

    def _is_prefix(self, index: int) -> bool:
        """Whether the token may be a prefix operator. `::` binds more tightly: `+a::t` is `+(a::t)`."""
        first = self.sql[self.tokens[index].start]
        return not (first.isalnum() or first in _BEGIN_A_VALUE) or self.tokens[index].text.lower() in _PREFIX_WORDS

    def _may_continue_a_type(self, index: int) -> bool:
        """Whether the token, which follows the brackets of a cast, would be read as part of the type without the brackets."""
        if self._type(index) in (TokenType.VAR, TokenType.IDENTIFIER):
            return self._may_be_keyword(self.tokens[index].text)
        return self._type(index) in (*_OPENING, TokenType.DOT)

    def _is_builtin_call(self, index: int, name: str) -> bool:
        """Whether the token is the unquoted and unqualified `name` before a parenthesis."""
        if index < 0 or self.tokens[index].token_type is TokenType.IDENTIFIER:
            return False
        qualified = index > 0 and self.tokens[index - 1].token_type is TokenType.DOT
        return self.tokens[index].text.upper() == name and not qualified and self._type(index + 1) is TokenType.L_PAREN

    def _adds_nothing(self, index: int) -> bool:
        """Whether the token adds nothing: it is a hint, or an AS that can be left out without changing the meaning."""
        return self._type(index) is TokenType.HINT or (
            self._type(index) is TokenType.ALIAS and self._as_is_optional(index)
        )

    def _as_is_optional(self, index: int) -> bool:
        """Whether the word after the AS can only be an alias. It must not be able to continue what precedes it, as a unit or
        the second word of a type."""
        if index == 0 or index + 1 >= len(self.tokens):
            return False
        before, name = self.tokens[index - 1], self.tokens[index + 1]
        if name.token_type not in (TokenType.VAR, TokenType.IDENTIFIER):
            return False
        if before.text.lower() in AWAIT_AN_EXPRESSION and before.token_type is not TokenType.IDENTIFIER:
            return False
        after_literal = before.token_type in _TEXTS_AND_NUMBERS
        return not (after_literal and len(name.text) <= LONGEST_ABBREVIATION) and not self._may_be_keyword(name.text)

    def _may_be_keyword(self, name: str) -> bool:
        """Whether the word may be more than a name: a keyword of a warehouse or of the parser, a unit, or a function that is
        called without parentheses."""
        return (
            name.lower() in GRAMMAR_WORDS
            or name.upper() in self.keywords
            or name.lower() in self.dialect.bare_functions
        )

    def _is_trailing(self, index: int) -> bool:
        token = self.tokens[index].token_type
        if token is TokenType.SEMICOLON:
            return all(rest.token_type is TokenType.SEMICOLON for rest in self.tokens[index:])
        return token is TokenType.COMMA and self._type(index + 1) in (TokenType.FROM, None)

    def _word(self, index: int) -> str:
        token = self.tokens[index]
        written = self.sql[token.start : token.end + 1]
        if token.token_type is TokenType.IDENTIFIER:
            return self._quoted_word(index, written)
        if token.token_type is TokenType.NEQ:
            return "symbol <>" if written == "!=" else f"symbol {written}"
        if not _WORD.fullmatch(written):
            return f"literal {written}"
        if self.dialect.nvl_is_coalesce and self._is_builtin_call(index, "NVL"):
            written = "coalesce"
        elif written.lower() in self.dialect.names_of_varchar and self._type(index + 1) is not TokenType.L_PAREN:
            written = "varchar"
        kind = "tail" if self._ends_a_number(index) else "word"
        return f"{kind} {self._folded(index, ' '.join(written.split()))}"

    def _ends_a_number(self, index: int) -> bool:
        """Whether a number directly precedes the word. If the warehouse knows `1_000` or `0o17`, the word is part of the number
        and not an alias."""
        before = self.tokens[index - 1] if index else None
        return (
            before is not None and before.token_type is TokenType.NUMBER and before.end + 1 == self.tokens[index].start
        )

    def _quoted_word(self, index: int, written: str) -> str:
        """The word for a quoted name. It equals the unquoted name that folds to it, unless quotes may turn a keyword into a name:
        `user` is a function and `"user"` a column, `minute` is a unit and `"minute"` an alias."""
        start = self.tokens[index].start
        if self.sql[max(0, start - 2) : start].lower() == "u&":
            return f"escaped {written}"
        name = written[1:-1]
        special = self._may_be_keyword(name) or self._type(index + 1) is TokenType.L_PAREN
        may_fold = self._keeps_case(index) and name != self.dialect.folded(name, self.dialect.word_case)
        is_plain = _PLAIN_NAME.fullmatch(name) is not None and not (special or may_fold)
        return f"word {name}" if is_plain else f"quoted {written}"

    def _folded(self, index: int, word: str) -> str:
        """The word in the letter case that counts. Words beyond ASCII keep their case: upper case merges some (ß and SS)."""
        if not word.isascii() or self._keeps_case(index):
            return word
        return self.dialect.folded(word, self.dialect.word_case)

    def _keeps_case(self, index: int) -> bool:
        """Whether the letter case of an unquoted word may count.

        It may count after a dot, on a warehouse where the word may be a routine, a field or the key of a map: no text shows
        whether the name before the dot is a table or a column. After an element, a call or a colon the word may be part of a path
        into JSON (`v[0].Key`), whose keys keep their case on every warehouse. The keys of a structured type do too.
        """
        if index in self._in_object_types:
            return True
        first = self._start_of_path(index)
        if first < index and (self.dialect.case_counts_after_dots or self._type(first) in _CLOSING):
            return True
        return first > 0 and self._type(first - 1) is TokenType.COLON

    def _positions_in_object_types(self) -> Iterator[int]:
        depth = 0
        for index, token in enumerate(self.tokens):
            if token.token_type is TokenType.L_PAREN and (depth or self._is_builtin_call(index - 1, "OBJECT")):
                depth += 1
            elif token.token_type is TokenType.R_PAREN and depth:
                depth -= 1
            elif depth:
                yield index

    def _start_of_path(self, index: int) -> int:
        """The index of the first part of the dotted path up to the token. The token's own index if no dot precedes it."""
        while index >= 2 and self.tokens[index - 1].token_type is TokenType.DOT:
            index -= 2
        return index

    def _type(self, index: int) -> TokenType | None:
        return self.tokens[index].token_type if index < len(self.tokens) else None


def without_comments(sql: str, tokens: list[Token]) -> str:
    """The text with every comment replaced by blanks, since a comment may separate the words of a keyword (`GROUP BY`)."""
    pieces: list[str] = []
    written = 0
    for token in tokens:
        gap = sql[written : token.start]
        pieces += (
            gap if gap.isspace() else "".join(each if each in _SPACES else " " for each in gap),
            sql[token.start : token.end + 1],
        )
        written = token.end + 1
    return "".join(pieces)


def carries_a_comment_over(sql: str, tokens: list[Token]) -> bool:
    """Whether the line of a comment ends with a backslash. The next line then belongs to it on Spark, but not for the parser."""
    starts = [0, *(token.end + 1 for token in tokens)]
    ends = [*(token.start for token in tokens), len(sql)]
    return any(_CARRIED_OVER.search(sql[start:end]) for start, end in zip(starts, ends, strict=True))


def nesting(tokens: list[Token]) -> int:
    """The deepest nesting of the tokens, counting brackets, CASE and sequences of prefix operators. Takes linear time."""
    depth = deepest = prefixes = 0
    for token in tokens:
        kind = token.token_type
        prefixes = prefixes + 1 if kind in _PREFIXES else 0
        if kind in _OPENING or kind is TokenType.CASE:
            depth += 1
        elif (kind in _CLOSING or kind is TokenType.END) and depth:
            depth -= 1
        deepest = max(deepest, depth + prefixes)
    return deepest


def has_odd_space(sql: str, tokens: list[Token]) -> bool:
    """Whether a character that is not SQL's own white space is between two tokens, outside of comments.

    It separates words for the parser. On Postgres and Redshift it is a letter: alone it is a name, and can be an alias.
    """
    starts = [0, *(token.end + 1 for token in tokens)]
    ends = [*(token.start for token in tokens), len(sql)]
    gaps = (sql[start:end] for start, end in zip(starts, ends, strict=True))
    return any(_ODD_SPACE.search(_COMMENT.sub(" ", gap)) for gap in gaps if gap.strip(" \n"))
