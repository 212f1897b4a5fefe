"""SQL that a build runs beside its query, which the client sends as extras (rule L16).

The text itself is compared as every extra is. What it reads is among no inputs, and what it calls is not in the query. It is
not parsed: its words tell, with caution.
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
"""Extras that name columns as a rule. Any column may have the name of a function, so that words tell nothing of volatility."""
_LONGEST_SCANNED = 128 * 1024
"""Characters of one extra up to which its words are looked at; a longer one may read anything."""

_WORD = re.compile(r"\w+")
_READS = frozenset(
    "call copy dataset_id dataset_project_id do exec execute from into join load merge perform select table use".split()
)
"""Words without which no statement of a header reads a table, or moves the names in the query to another place."""
_CALLED = re.compile(r"""(\w+)["`\]]?\s*\(""")
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_SUBQUERY = re.compile(r"\bselect\b|\(\s*(?:from|table|with)\b")


def reads_beside_its_query(extras: Mapping[str, str], dialect: Dialect) -> str | None:
    """The key of an extra whose SQL may read a table; None where there is none."""
    for key in (_HEADER, *_CONDITIONS, *_COLUMNS):
        if extras.get(key) and any(_may_read(text, key, dialect) for text in _texts(extras[key])):
            return key
    return None


def volatility_beside_its_query(extras: Mapping[str, str], dialect: Dialect) -> Volatility:
    """The volatility of what an extra's SQL calls (rule L9)."""
    return most_volatile(volatility_of_text(text, dialect) for text in _sql_texts(extras))


def asks_session_beside_its_query(extras: Mapping[str, str], dialect: Dialect) -> bool:
    """Whether an extra's SQL may tell of the session (rule C1)."""
    return any(text_asks_session(text, dialect) for text in _sql_texts(extras))


def _sql_texts(extras: Mapping[str, str]) -> Iterator[str]:
    for key in (_HEADER, *_CONDITIONS):
        if extras.get(key):
            yield from _texts(extras[key])


def _may_read(text: str, key: str, dialect: Dialect) -> bool:
    if len(text) > _LONGEST_SCANNED:
        return True
    folded = text.lower()
    if any(map(dialect.reads_by_text, _CALLED.findall(folded))):
        return True
    if key == _HEADER:
        return not _READS.isdisjoint(_WORD.findall(folded))
    return any(_SUBQUERY.search(each) for each in (folded, _COMMENT.sub(" ", folded)))


def _texts(value: str) -> Iterable[str]:
    """The texts in an extra's JSON; what is no JSON is one text."""
    if len(value) > _LONGEST_SCANNED:
        return (value,)
    try:
        waiting = [json.loads(value)]
    except (ValueError, RecursionError):
        return (value,)
    found: list[str] = []
    while waiting:
        match waiting.pop():
            case str(text):
                found.append(text)
            case list(items):
                waiting += items
            case dict(members):
                waiting += members.values()
    return found
