"""What stands in a FROM of SQL that could not be parsed, told by its words (rules F3, L8).

A query that is compared as text has no slots: what it reads is known from the request, which tells of relations alone. So
whatever may be a function, a stage, a file or a table that a value names counts as a source of which no request tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbt_state_oss.domain.sources import ROWS_OF_ARGUMENTS

_BEFORE_A_SOURCE = frozenset({"apply", "from", "join", "lateral", "using"})
_BESIDE_A_SOURCE = frozenset({"only", "outer", "rows", "view"})
"""Words between those and a source, which may be names too."""
_NO_SOURCE = frozenset({"select", "values", "with"})
_AFTER_THE_SOURCES = frozenset({"group", "having", "order", "select", "union", "where"})
"""Words that end a list of sources; every warehouse reserves them, so that they are no one's alias."""
_JOINTS = (".", "-")
"""What joins the parts of a name, a dash within a BigQuery project's."""


@dataclass(slots=True)
class _Level:
    """Where the words of one pair of parentheses have got to."""

    among_sources: bool
    """A comma would part two sources."""
    awaited: bool
    """The next word begins a source."""
    named: str | None = None
    """A source's name, if that is what has just been read."""
    of_table: bool = False
    """The parentheses are those of `TABLE(…)`: a plain name in them is an object of any kind."""


class SourceWords:
    """Takes the pieces of a text in order, comments and white space left out, and keeps in `unseen` what no request tells."""

    def __init__(self) -> None:
        self.unseen: dict[str, None] = {}
        """Names in order of first appearance, as they were written."""
        self._levels = [_Level(among_sources=False, awaited=False)]
        self._before = ""

    def take(self, piece: str) -> None:
        """Go on with the next word, literal or symbol."""
        level = self._levels[-1]
        match piece:
            case "(":
                self._open(level)
            case ")":
                self._close(level)
            case ",":
                level.named, level.awaited = None, level.among_sources
            case _:
                self._read(level, piece)
        self._before = piece.lower()

    def _read(self, level: _Level, piece: str) -> None:
        word = piece.lower()
        if word in _BEFORE_A_SOURCE and self._before != "distinct":  # IS DISTINCT FROM compares
            level.among_sources, level.awaited, level.named = True, True, None
        elif word in _AFTER_THE_SOURCES:
            level.among_sources, level.awaited, level.named = False, False, None
        elif level.named is not None and (level.named.endswith(_JOINTS) or piece.startswith(_JOINTS)):
            level.named += piece
            self._tell_of_path(level.named)
        elif not level.awaited:
            level.named = None
        elif word not in _BESIDE_A_SOURCE:
            level.awaited = False
            level.named = None if word in _NO_SOURCE else piece
            if not (piece[0].isalnum() or piece[0] in '_"`'):
                self.unseen[piece] = None
            self._tell_of_path(piece)

    def _tell_of_path(self, name: str) -> None:
        if "/" in name:
            self.unseen[name] = None

    def _open(self, level: _Level) -> None:
        name, level.named = level.named, None
        if name is None:
            self._levels.append(_Level(level.among_sources and level.awaited, level.awaited))
            level.awaited = False
        elif name.lower() == "table":
            self._levels.append(_Level(among_sources=False, awaited=True, of_table=True))
        else:
            if name.lower() not in ROWS_OF_ARGUMENTS:
                self.unseen[name] = None
            self._levels.append(_Level(among_sources=False, awaited=False))

    def _close(self, level: _Level) -> None:
        if level.of_table and level.named is not None:
            self.unseen[level.named] = None
        if len(self._levels) > 1:
            self._levels.pop()
        self._levels[-1].named = None
