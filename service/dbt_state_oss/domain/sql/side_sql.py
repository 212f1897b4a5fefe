"""Analyses SQL that a build runs outside of its query, and that the client sends as semantic extras (rule L16).

The text is compared like every other extra. But the tables that it reads are not among the inputs, and the functions that it
calls are not in the query. The text is not parsed. Its words decide, on the side of caution.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.sql.fingerprint import Volatility
from dbt_state_oss.domain.sql.volatility import most_volatile, text_asks_session, volatility_of_text

_HEADER = "sql_header"
_CONDITIONS = ("incremental_predicates", "predicates", "immutable_where")
_COLUMNS = ("unique_key", "partition_by", "cluster_by")
"""Extras that usually name columns. A column may have the name of a function, so their words do not show volatility."""
_LONGEST_SCANNED = 128 * 1024
"""Characters. The words of a longer extra are not searched: it may read anything."""

_WORD = re.compile(r"\w+")
_READING_WORDS = frozenset(
    """
    archive call copy dataset_id dataset_project_id delete do exec execute external file from imports insert into jar join
    library load merge perform refresh remote select table truncate update use
    """.split()
)
"""A statement of a header must contain one of these words to read or write a table, to define a function by a file, or to
change what the query's names refer to, unless it begins in another way than the harmless statements."""
_HARMLESS_STATEMENT = re.compile(
    r"\s*(?:$|(?:re)?set\b|declare\b|(?:begin|end)\s*$|alter\s+(?:session|warehouse)\b"
    r"|create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+)?(?:secure\s+|aggregate\s+)?(?:function|macro)\b)"
)
"""Matches at the beginning of a statement that only defines a function or a setting, if it has none of those words."""
_CALL = re.compile(r"""(\w+)["`\]]?\s*\(""")
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_LITERAL_OR_COMMENT = re.compile(
    r"""\"{3}.*?\"{3}|'{3}.*?'{3}|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`"""
    r"""|/\*.*?\*/|--[^\n]*|^\s*(?:\#|//)[^\n]*""",
    re.DOTALL | re.MULTILINE,
)
"""In a header, which may hold the code of a function. A semicolon inside ends no statement."""
_TABLE_AFTER_IN = re.compile(r"""\bin\s+["`\w]""")
_SUBQUERY = re.compile(r"\bselect\b|\(\s*(?:from|table|with)\b")


def reads_beside_its_query(extras: Mapping[str, str], dialect: Dialect) -> str | None:
    """The key of the first extra whose SQL may read a table. None if there is none."""
    for key in (_HEADER, *_CONDITIONS, *_COLUMNS):
        if extras.get(key) and any(_may_read(text, key, dialect) for text in _texts(extras[key])):
            return key
    return None


def volatility_beside_its_query(extras: Mapping[str, str], dialect: Dialect) -> Volatility:
    """The volatility of the functions that the SQL of the extras calls (rule L9)."""
    return most_volatile(volatility_of_text(text, dialect) for text in _sql_texts(extras))


def asks_session_beside_its_query(extras: Mapping[str, str], dialect: Dialect) -> bool:
    """Whether the SQL of an extra may depend on the session (rule C1)."""
    return any(text_asks_session(text, dialect) for text in _sql_texts(extras))


def _sql_texts(extras: Mapping[str, str]) -> Iterator[str]:
    for key in (_HEADER, *_CONDITIONS):
        if extras.get(key):
            yield from _texts(extras[key])


def _may_read(text: str, key: str, dialect: Dialect) -> bool:
    if len(text) > _LONGEST_SCANNED:
        return True
    folded = text.lower()
    if any(map(dialect.reads_by_text, _CALL.findall(folded))):
        return True
    if key == _HEADER:
        statements = _LITERAL_OR_COMMENT.sub(" ", folded).split(";")
        if not all(map(_HARMLESS_STATEMENT.match, statements)):
            return True
        return not _READING_WORDS.isdisjoint(_WORD.findall(folded))
    texts = (folded, _COMMENT.sub(" ", folded))
    if not dialect.is_known and any(map(_TABLE_AFTER_IN.search, texts)):
        return True
    return any(map(_SUBQUERY.search, texts))


def _texts(value: str) -> Iterable[str]:
    """All texts in an extra's JSON. A value that is not JSON, or is too long to parse, is one text."""
    if len(value) > _LONGEST_SCANNED:
        return (value,)
    try:
        pending = [json.loads(value)]
    except (ValueError, RecursionError):
        return (value,)
    found: list[str] = []
    while pending:
        match pending.pop():
            case str(text):
                found.append(text)
            case list(items):
                pending += items
            case dict(members):
                pending += members.values()
    return found
