"""Semantic extras in comparable form: digests of their canonical values (rule L6)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from dbt_state_oss.domain.sql.fingerprint import digest_of

_DIGEST_BYTES = 16
_REMEMBERED = 4096
_LONGEST_REMEMBERED = 1024
LONGEST_CANONICAL = 128 * 1024
"""Total characters of all values up to which they are read as JSON, at about a microsecond each (rule L6)."""
MOST_KEYS = 1_000
"""Number of extras that are compared one by one; if there are more, all count as one."""
_ALL = "(all)"


class _Number(NamedTuple):
    """A JSON number as it was written: exact, and 1 is not 1.0."""

    text: str


def canonical_extras(extras: Mapping[str, str], *, keep_defaults: bool = False) -> dict[str, str]:
    """Each key with a digest (32 hex digits) of its canonical value. Default values are left out (`without_defaults`), unless
    they are kept as evidence of what was reported.

    A JSON value counts as parsed, so white space and the order of keys do not matter. Any other value counts as its exact text,
    and so do all values if their total length exceeds `LONGEST_CANONICAL`. Never raises.
    """
    if len(extras) > MOST_KEYS:
        return {_ALL: digest_of(*(piece for key in sorted(extras) for piece in (key, extras[key])))}
    if sum(map(len, extras.values())) > LONGEST_CANONICAL:
        return {key: _text_digest(value) for key, value in extras.items()}
    digests = {
        key: _remembered_digest(value) if len(value) <= _LONGEST_REMEMBERED else _digest(value)
        for key, value in extras.items()
    }
    return digests if keep_defaults else without_defaults(digests)


def without_defaults(digests: Mapping[str, str]) -> dict[str, str]:
    """The digests of `canonical_extras` without dbt's defaults: one client sends them, another does not."""
    return {key: digest for key, digest in digests.items() if digest not in _DEFAULT_DIGESTS.get(key, ())}


@lru_cache(_REMEMBERED)
def _remembered_digest(value: str) -> str:
    """The nodes of a project repeat a few short values many times."""
    return _digest(value)


def same_extras(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two sets of digests request the same. A record of an older server may still contain defaults."""
    return one == other or without_defaults(one) == without_defaults(other)


def _digest(value: str) -> str:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    try:
        parsed = json.loads(value, parse_int=_Number, parse_float=_Number, parse_constant=_not_json)
    except (ValueError, RecursionError):
        pieces: Iterator[str] = iter(("text ", value))
    else:
        pieces = _canonical(parsed)
    for piece in pieces:
        digest.update(piece.encode(errors="surrogatepass"))
    return digest.hexdigest()


def _text_digest(value: str) -> str:
    return blake2b(f"text {value}".encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def _not_json(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _canonical(value: object) -> Iterator[str]:
    """The pieces of the value in an unambiguous order, without recursion, since values may be nested deeply."""
    yield "json "
    waiting: list[object] = [value]
    while waiting:
        match waiting.pop():
            case _Piece(text):
                yield text
            case _Number(text):
                yield f"{text} "
            case str(text):
                yield json.dumps(text)
            case dict(members):
                waiting.append(_Piece("}"))
                for key in sorted(members, reverse=True):
                    waiting += (members[key], _Piece(json.dumps(key) + ":"))
                waiting.append(_Piece("{"))
            case list(items):
                waiting.append(_Piece("]"))
                waiting += reversed(items)
                waiting.append(_Piece("["))
            case constant:
                yield f"{json.dumps(constant)} "


class _Piece(NamedTuple):
    """Text that is ready to be yielded."""

    text: str


_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "on_schema_change": ('"ignore"',),
    "unique_key": ("", "null"),
    "grants": ("", "null", "{}"),
    "contract": (
        '{"enforced": false}',
        '{"enforced": false, "alias_types": true}',
        '{"enforced": false, "alias_types": false}',
    ),
    "event_time": ("", "null"),
    "lookback": ("1",),
    "column_types": ("", "null", "{}"),
    "delimiter": ('","',),
    "quote_columns": ("", "null"),
    "severity": ('"ERROR"', '"error"'),
    "warn_if": ('"!= 0"',),
    "error_if": ('"!= 0"',),
    "fail_calc": ('"count(*)"',),
    "where": ("", "null"),
    "limit": ("", "null"),
    "store_failures": ("", "null"),
    "store_failures_as": ("", "null"),
}
"""The fields of dbt's own configuration if nobody sets them (dbt-core 1.8 to 1.12). Not those of warehouses: there, an explicit
null may differ from an absent key (`transient`)."""

_DEFAULT_DIGESTS = {key: frozenset(map(_digest, values)) for key, values in _DEFAULTS.items()}
