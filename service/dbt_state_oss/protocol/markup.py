"""Escapes texts for the client, which prints them as rich markup and would drop brackets that look like tags (rule X5)."""

from __future__ import annotations

import re

MAX_TEXT_LENGTH = 8_192
"""The longest text in characters. Longer texts are cut, so that answers stay far below the client's 4 MiB (rule X5)."""

_BRACKET = re.compile(r"(\\*)\[(?=([a-z#/@][^\[]*?\])?)")
"""An opening bracket, the backslashes before it, and the rest of the tag if it starts one."""


def escaped(text: str) -> str:
    r"""Return `text` escaped so that rich markup shows it unchanged, alone or before a tag. A space follows a final `\`."""
    if len(text) > MAX_TEXT_LENGTH:
        text = text[: MAX_TEXT_LENGTH - 1] + "…"
    if "[" in text:
        text = _BRACKET.sub(_escaped_bracket, text)
    return text + " " if text.endswith("\\") else text


def _escaped_bracket(match: re.Match[str]) -> str:
    backslashes, tag = match.groups()
    return (backslashes if tag is None else 2 * backslashes) + r"\["
