"""Makes a short digest of each clause of a query. An explanation can then name the changed clause, although no text is kept.

Literals are masked first, since the digest of a short clause could be guessed, and a literal may hold personal data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import ErrorLevel

from dbt_state_oss.domain.sql.item_order import ORDER_PARTS

MASK = "…"
LONGEST_SHOWN_NUMBER = 4
"""Digits. A number of at most this length counts as part of the logic (`* 2`, a year) and not as personal data."""

_DIGEST_BYTES = 4
_TEXT_LITERALS = (
    exp.BitString,
    exp.ByteString,
    exp.Heredoc,
    exp.HexString,
    exp.National,
    exp.RawString,
    exp.UnicodeString,
)
_CLAUSE_NAMES: Mapping[str, str] = {
    "expressions": "columns",
    "distinct": "DISTINCT",
    "from_": "FROM",
    "joins": "FROM",
    "laterals": "FROM",
    "pivots": "FROM",
    "where": "WHERE",
    "group": "GROUP BY",
    "having": "HAVING",
    "qualify": "QUALIFY",
    "windows": "WINDOW",
    "order": "ORDER BY",
    "limit": "LIMIT",
    "offset": "LIMIT",
}
"""The name of each clause, by sqlglot's argument of the query."""


def masked(tree: exp.Expr) -> exp.Expr:
    """A copy with `MASK` in place of all literals except short numbers and sizes of types. Names stay, also of JSON fields."""
    copy = tree.copy()
    for literal in list(copy.find_all(exp.Literal, *_TEXT_LITERALS)):
        if not _is_logic(literal):
            literal.replace(exp.Literal.string(MASK))
    return copy


def _is_logic(literal: exp.Expr) -> bool:
    """Whether the literal is a short number or the size of a type, and so not personal data."""
    if not isinstance(literal, exp.Literal) or literal.is_string:
        return False
    return len(literal.this) <= LONGEST_SHOWN_NUMBER or isinstance(literal.parent, exp.DataTypeParam)


def clause_digests(query: exp.Expr, grammar: SqlglotDialect) -> tuple[str, ...]:
    """A digest for each clause and each common table of the query, as `12ab34cd WHERE`. Equal clauses have equal digests.

    Never raises: if a clause cannot be masked or rendered alone, the query has no digests. Its fingerprint does not change.
    """
    texts: defaultdict[str, list[str]] = defaultdict(list)
    try:
        for name, node in _clauses(masked(query)):
            texts[name].append(
                node.sql(
                    dialect=grammar, identify=True, comments=False, copy=False, unsupported_level=ErrorLevel.IGNORE
                )
            )
    except Exception:  # noqa: BLE001
        return ()
    return tuple(f"{_digest(texts[name])} {name}" for name in texts)


def differing(one: Iterable[str], other: Iterable[str]) -> list[str]:
    """Names of the clauses that differ between two queries: those of `one` in their order, then those only in `other`."""
    ours, theirs = tuple(one), tuple(other)
    changed = [each for each in (*ours, *theirs) if (each in ours) != (each in theirs)]
    names = dict.fromkeys(each.partition(" ")[2] for each in changed)
    return [name for name in names if name not in ORDER_PARTS]


def _clauses(query: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    for argument, value in query.args.items():
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, exp.With):
                yield from ((f"WITH {common.alias}", common) for common in node.expressions)
            elif isinstance(node, exp.Expr):
                yield _CLAUSE_NAMES.get(argument, query.key.upper()), node


def _digest(texts: Iterable[str]) -> str:
    return blake2b("\n".join(texts).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
