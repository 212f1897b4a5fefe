"""Texts for the client, which prints them as rich markup: a bracket that looks like a tag would vanish (rule X5)."""

from __future__ import annotations

import re

MAX_TEXT_LENGTH = 8_192
"""Characters of one text; longer ones are cut, so that an answer stays far below the client's 4 MiB (rule X5)."""

_BRACKET = re.compile(r"(\\*)\[(?=([a-z#/@][^\[]*?\])?)")
"""An opening bracket, the backslashes before it, and what makes a tag of it."""


def escaped(text: str) -> str:
    r"""`text` such that rich markup shows it as it is, alone and before a tag (then with a space after a last `\`)."""
    if len(text) > MAX_TEXT_LENGTH:
        text = text[: MAX_TEXT_LENGTH - 1] + "…"
    if "[" in text:
        text = _BRACKET.sub(_escaped_bracket, text)
    return text + " " if text.endswith("\\") else text


def _escaped_bracket(match: re.Match[str]) -> str:
    backslashes, tag = match.groups()
    return (backslashes if tag is None else 2 * backslashes) + r"\["
