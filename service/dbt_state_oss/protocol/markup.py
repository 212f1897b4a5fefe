"""Texts for the client, which prints them as rich markup: a bracket that looks like a tag would vanish (rule X5)."""

from __future__ import annotations

import re

MAX_TEXT_LENGTH = 8_192
"""Characters of one text; longer ones are cut, so that an answer stays far below the client's 4 MiB (rule X5)."""

_TAG = re.compile(r"(\\*)(\[[a-z#/@][^\[]*?\])")


def escaped(text: str) -> str:
    """`text` such that rich markup shows it as it is."""
    if len(text) > MAX_TEXT_LENGTH:
        text = text[: MAX_TEXT_LENGTH - 1] + "…"
    if "[" in text:
        text = _TAG.sub(r"\1\1\\\2", text)
    trailing = len(text) - len(text.rstrip("\\"))
    return text + "\\" if trailing % 2 else text
