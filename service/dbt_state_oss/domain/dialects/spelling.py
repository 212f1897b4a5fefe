"""Parses a relation name as dbt or a warehouse spells it. The tokenizer is written by hand, since every request uses it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_UNQUOTED = re.compile(r"""[^\s."'`]+""")
_SPACE = re.compile(r"\s*")
_PLAIN = re.compile(r"[A-Za-z_]\w*")


class NamePart(NamedTuple):
    """One part of a dotted name. `quote` is the character that quotes it, or empty if it is unquoted."""

    text: str
    quote: str = ""


def parts_of_name(text: str, *, quotes: str, skipped_part: str | None) -> list[NamePart] | None:
    """The parts of the dotted name `text`. None if it is not a dotted name.

    Parts may be quoted with any of `quotes` (doubled inside), or with double quotes, as in canonical spellings.
    An empty middle part (Snowflake's `db..table`) means `skipped_part`.
    """
    parts: list[NamePart] = []
    position = 0
    while True:
        position = _end_of_space(text, position)
        following = text[position : position + 1]
        if following and (following == '"' or following in quotes):
            end = _end_of_quoted(text, position)
            if end is None:
                return None
            parts.append(NamePart(text[position + 1 : end - 1].replace(following * 2, following), following))
            position = end
        elif (unquoted := _UNQUOTED.match(text, position)) is not None:
            parts.append(NamePart(unquoted[0]))
            position = unquoted.end()
        elif following == "." and len(parts) == 1 and skipped_part is not None:
            parts.append(default_part(skipped_part))
        else:
            return None
        position = _end_of_space(text, position)
        if position == len(text):
            return parts
        if text[position] != ".":
            return None
        position += 1


def default_part(text: str) -> NamePart:
    """A default catalog or schema as a part. Clients quote it only if it is not a plain word."""
    return NamePart(text, "" if _PLAIN.fullmatch(text) else '"')


def split_dots(parts: Iterable[NamePart]) -> Iterator[NamePart]:
    """Split back-ticked paths at their dots. A double-quoted part is already canonical."""
    for part in parts:
        if part.quote == "`" and "." in part.text and all(part.text.split(".")):
            yield from (NamePart(piece, part.quote) for piece in part.text.split("."))
        else:
            yield part


def _end_of_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return position if space is None else space.end()


def _end_of_quoted(text: str, start: int) -> int | None:
    """The position after the quoted part that starts at `start`. None if it is never closed."""
    quote = text[start]
    position = start + 1
    while (position := text.find(quote, position)) >= 0:
        if text[position + 1 : position + 2] != quote:
            return position + 1
        position += 2
    return None
