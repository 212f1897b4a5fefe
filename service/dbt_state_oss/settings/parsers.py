"""Parsers of settings: each converts a text to a value.

Each raises ValueError with what the value must be, such as "must be an integer".
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from dbt_state_oss.application.caller import ClientLine
from dbt_state_oss.domain.cloning import CloneTargets
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.protocol.client_versions import ClientVersions
from dbt_state_oss.telemetry.logs import LogFormat

_LONGEST_PREFIX = 256
_PREFIX = re.compile(
    rf"(?=.{{1,{_LONGEST_PREFIX}}}$)(?!\.{{1,2}}(?:/|$))[A-Za-z0-9._=-]+(?:/(?!\.{{1,2}}(?:/|$))[A-Za-z0-9._=-]+)*"
)
_UNCLOSED = re.compile(r"\[(?!(?:!.|[^!])[^\]]*\])")
CLIENT_VERSIONS = "dbt-state>=2.17; dbt>=2.0.0.dev0"
_LINES = {line.value: line for line in ClientLine}
_CLIENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_NO_CLIENT_VERSIONS = f'must be a list of client versions, such as "{CLIENT_VERSIONS}"'
_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def integer(low: int, high: int, factor: int = 1) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return int(text) * factor

    return parse


def number(low: float, high: float, factor: float = 1) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return number * factor

    return parse


def hours(text: str) -> int:
    return int(number(0.1, 24 * 30, 3_600_000)(text))


def path(text: str) -> Path:
    return Path(text).expanduser()


def optional_path(text: str) -> Path | None:
    return path(text) if text else None


def client_versions(text: str) -> ClientVersions:
    """Return the supported versions of both client lines.

    A client line that is not named keeps its default. A specifier without a name applies to `dbt-state`.
    """
    return ClientVersions({**_specifiers_by_line(CLIENT_VERSIONS), **_specifiers_by_line(text)})


def _specifiers_by_line(text: str) -> dict[ClientLine, SpecifierSet]:
    found: dict[ClientLine, SpecifierSet] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name = _CLIENT_NAME.match(part)
        line = ClientLine.PYTHON if name is None else _LINES.get(name[0])
        if line is None or line in found:
            raise ValueError(_NO_CLIENT_VERSIONS)
        try:
            found[line] = SpecifierSet(part if name is None else part[name.end() :])
        except InvalidSpecifier as error:
            raise ValueError(_NO_CLIENT_VERSIONS) from error
    return found


def log_format(text: str) -> LogFormat:
    if text == "auto":
        return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    return LogFormat(one_of("auto", *LogFormat)(text))


def build_on(text: str) -> BuildOn:
    return BuildOn(one_of(*(choice.value for choice in BuildOn))(text))


def missing_evidence(text: str) -> MissingEvidence:
    return MissingEvidence(one_of(*(choice.value for choice in MissingEvidence))(text))


def store_sql(text: str) -> StoreSql:
    return StoreSql(one_of(*(choice.value for choice in StoreSql))(text))


def clone_targets(text: str) -> CloneTargets:
    return CloneTargets(one_of(*(choice.value for choice in CloneTargets))(text))


def node_patterns(text: str) -> NodePatterns:
    """Parse shell-style patterns, separated by commas. An empty text means no pattern."""
    patterns = tuple(pattern.strip() for pattern in text.split(",")) if text.strip() else ()
    for pattern in patterns:
        if not pattern:
            raise ValueError("must not contain an empty pattern")
        if any(character.isspace() for character in pattern):
            raise ValueError(f'must not contain spaces in the pattern "{pattern}"; separate patterns by commas')
        if _UNCLOSED.search(pattern):
            raise ValueError(f'must close the "[" in the pattern "{pattern}"')
    return NodePatterns(patterns)


def workers(text: str) -> int:
    return min(4, os.cpu_count() or 1) if text == "auto" else integer(1, 64)(text)


def needed(text: str) -> str:
    if not text:
        raise ValueError("must be set for this store")
    if any(character.isspace() or character == "/" for character in text):
        raise ValueError("must not contain spaces or slashes")
    return text


def prefix(text: str) -> str:
    """Return a path without slashes at its ends, so that it can be joined with keys. Empty means no prefix."""
    path = text.strip("/")
    if path and not _PREFIX.fullmatch(path):
        raise ValueError(f"must be a path of at most {_LONGEST_PREFIX} characters of A-Z a-z 0-9 . _ = -")
    return path


def url(text: str) -> str:
    if text and not _URL.fullmatch(text):
        raise ValueError("must be an http:// or https:// address without user, password and query")
    return text.rstrip("/")


def text(text: str) -> str:
    return text


def yes_or_no(text: str) -> bool:
    return one_of("yes", "no")(text) == "yes"


def host(text: str) -> str:
    if not text or any(character.isspace() or character in "[]/" for character in text):
        raise ValueError("must be a host name or an IP address")
    return text
