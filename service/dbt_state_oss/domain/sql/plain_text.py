"""Reads SQL that cannot be parsed as text, without comments and without white space outside literals (rule L8).

The scan takes time linear in the text. It only knows where literals, names and comments begin and end. It gives up if the
dialect leaves that open (a backslash before a quote, a comment inside a comment, an unknown dialect). The caller then compares
the exact text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.sql.source_words import SourceWords

_WORD = r"[\w.@](?:[\w.@]|(?<=[\w$])\$)*+|\$\w++(?!\$)"
"""A word. Dots, `@` and `$` inside belong to it, so that a dotted name is one word. After a dot or an `@`, a `$` begins a
literal."""
_BLOCK_COMMENT = r"/\*(?:[^*/]|\*(?!/)|/(?!\*))*+\*/"
"""A block comment without another comment inside."""
_DOUBLED = r"'(?:[^'\\]|\\(?!')|'')*+'"
"""A string in which quotes are doubled. A backslash before a quote is ambiguous, so such a string does not match."""
_ESCAPED = r"'(?:[^'\\]|\\.|'')*+'"
"""A string in which a backslash escapes the next character, and quotes may also be doubled."""
_NAME = r'"(?:[^"]|"")*+"'
_TICKED = r"`(?:[^`\\]|``)*+`"
_DOLLAR_QUOTED = r"\$(?P<tag>(?:[^\W\d]\w*+)?)\$.*?\$(?P=tag)\$"


def _scanner(*, literal: str, line_comment: str, not_symbol: str = r"['\"`$]") -> re.Pattern[str]:
    """A pattern that matches one piece. It does not match where the dialect leaves open what the text means."""
    comment = f"{line_comment}|{_BLOCK_COMMENT}"
    symbol = rf"[(),;\[\]{{}}]|(?:(?!{line_comment}|/\*|{not_symbol}|[(),;\[\]{{}}])[^\w\s.@])++"
    return re.compile(
        rf"(?P<blank>(?:[ \t\r\n\f\v]|{comment})++)|(?P<literal>{literal})|(?P<word>{_WORD})|(?P<symbol>{symbol})",
        re.DOTALL,
    )


_POSTGRES = _scanner(
    literal=rf"[eE]{_ESCAPED}|(?:[uU]&)?(?:{_DOUBLED}|{_NAME})|{_DOLLAR_QUOTED}", line_comment=r"--[^\r\n]*+"
)
_SCANNERS = {
    "postgres": _POSTGRES,
    "redshift": _POSTGRES,
    "snowflake": _scanner(
        literal=rf"{_ESCAPED}|{_NAME}|\$\$.*?\$\$",
        line_comment=r"(?:--|//)[^\r\n]*+",
    ),
    "bigquery": _scanner(
        literal=r"'''(?:[^'\\]|\\.|'(?!''))*+'''|\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*+\"\"\""
        r"|'(?!'')(?:[^'\\]|\\.)*+'|''(?!')|\"(?!\"\")(?:[^\"\\]|\\.)*+\"|\"\"(?!\")"
        rf"|{_TICKED}",
        line_comment=r"(?:--|\#)[^\r\n]*+",
    ),
    "databricks": _scanner(
        literal=rf"[rR]'(?:[^'\\]|\\(?!'))*+'|[rR]\"(?:[^\"\\]|\\(?!\"))*+\"|{_ESCAPED}|\"(?:[^\"\\]|\\.)*+\"|{_TICKED}",
        line_comment=r"--(?:\\\n|[^\r\n])*+",
    ),
}
_PREFIXES_CHANGE_ESCAPES = frozenset({"databricks"})
"""Dialects in which a word directly before a quote may change the meaning of a backslash in a way that the scanner lacks."""
_UNKNOWN = _scanner(
    literal=r"'(?:[^'\\]|'')*+'(?!\w)|\"(?:[^\"\\]|\"\")*+\"(?!\w)",
    # Some warehouses continue a comment after a backslash at the end of its line.
    line_comment=r"--[ \t](?:[^\r\n\\]|\\(?![\r\n]))*+",
    not_symbol=r"['\"`$\\#\[{]|//|--",
)


@dataclass(frozen=True, slots=True)
class PlainText:
    """The result of scanning a text."""

    digest: str
    """Digest (64 hex digits) of its pieces in order."""
    unseen_sources: tuple[str, ...]
    """The sources that it reads and that no request reports."""
    named: tuple[str, ...]
    """The relations that it names in a FROM, as they were written."""


def read_text(text: str, dialect: Dialect, *, is_view: bool = False) -> PlainText | None:
    """Scan a text. None if the scan is not certain. `is_view` is set for the definition of a view."""
    if dialect.is_unreadable(text):
        return None
    scanner = _SCANNERS.get(dialect.name, _UNKNOWN)
    prefixes_are_open = scanner is _UNKNOWN or dialect.name in _PREFIXES_CHANGE_ESCAPES
    digest = sha256()
    sources = SourceWords(dialect, names_all_schemas=is_view and dialect.views_name_all_schemas)
    blank = ""
    """White space and comments since the last piece, where they may become part of a column's name."""
    position = 0
    after_word = False
    while position < len(text):
        piece = scanner.match(text, position)
        if piece is None or (prefixes_are_open and after_word and piece.lastgroup == "literal"):
            return None
        position = piece.end()
        if piece.lastgroup != "blank":
            data = piece[0].encode(errors="surrogatepass")
            touches = b"~" if after_word and piece.lastgroup == "literal" else b":"
            if blank:
                digest.update(b" %d:%s" % (len(blank), blank.encode(errors="surrogatepass")))
            digest.update(b"%d%s%s" % (len(data), touches, data))
            sources.take(piece[0])
            blank = ""
        elif dialect.names_columns_by_text:
            blank += piece[0]
        after_word = piece.lastgroup == "word" and not piece[0].endswith(".")
    sources.end()
    return PlainText(digest.hexdigest(), tuple(sources.unseen), tuple(sources.named))
