"""Validates store keys. Every backend uses it first, so that all refuse the same keys and none needs escaping."""

from __future__ import annotations

import re

from dbt_state_oss.errors import InvalidRequest

KEY_LENGTH = 512
"""Maximum length of a key, in characters."""
SEGMENT_LENGTH = 200
"""Maximum length of a key's segment, because many stores use segments as file names."""

_SEGMENT = rf"(?!\.{{1,2}}(?:/|$))[A-Za-z0-9._=-]{{1,{SEGMENT_LENGTH}}}"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(r"[A-Za-z0-9._=/-]*")


def is_key(name: str) -> bool:
    """Return whether this is a valid key of a document."""
    return len(name) <= KEY_LENGTH and _KEY.fullmatch(name) is not None


def check_key(key: str) -> None:
    """Raise `InvalidRequest` unless `key` is a path that the port allows: no empty segment, no `.` and no `..`."""
    if is_key(key):
        return
    if len(key) > KEY_LENGTH:
        raise InvalidRequest(f"a store key has {len(key)} characters; at most {KEY_LENGTH} are allowed: {key[:40]}…")
    raise InvalidRequest(
        f"not a store key: {key!r}; allowed are segments of at most {SEGMENT_LENGTH} A-Z a-z 0-9 . _ = - joined by /"
    )


def check_prefix(prefix: str) -> None:
    """Raise `InvalidRequest` unless a key could start with `prefix`. The empty prefix matches every key."""
    if len(prefix) > KEY_LENGTH or not _PREFIX.fullmatch(prefix):
        raise InvalidRequest(f"not the beginning of a store key: {prefix[:80]!r}")
