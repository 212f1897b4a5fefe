"""What stands in a FROM of SQL that could not be parsed, told by its words (rules F3, L8).

A query that is compared as text has no slots: what it reads is known from the request, which tells of relations alone. So
whatever may be a function, a stage, a file or a table that a value names counts as a source of which no request tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbt_state_oss.domain.dialects import Dialect

_BEFORE_A_SOURCE = frozenset({"apply", "from", "join", "lateral", "using"})
_BESIDE_A_SOURCE = frozenset({"only", "outer", "rows", "view"})
"""Words between those and a source, which may be names too."""
_NO_SOURCE = frozenset({"select", "values", "with"})
_AFTER_THE_SOURCES = frozenset({"group", "having", "order", "select", "union", "where"})
"""Words that end a list of sources; every warehouse reserves them, so that they are no one's alias."""
_BEFORE_A_DEFINITION = frozenset({"as", "materialized", "not"})
"""Words between the name of a common table expression and its parentheses."""
_JOINTS = (".", "-")
"""What joins the parts of a name, a dash within a BigQuery project's."""
_BUILT_IN_SCHEMA = "pg_catalog."
_LONGEST_TYPE = 1_000
_QUOTED = re.compile(r'"[^"]*"|`[^`]*`')


def named_without_schema(name: str) -> str:
    """How a relation is told whose schema the session decides."""
    return f"{name} (named without its schema)"


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
    of_relations: bool = False
    """What is awaited or named is a relation, if it is a name: `FROM` has a meaning of its own in `extract(day from d)`."""
    in_query: bool = False
    """The level has a SELECT, or is the outermost."""
    defines: str | None = None
    """The name that a WITH gives to what stands in the parentheses."""
    after: str = ""
    """The word before the parentheses: `c` in `WITH c (a) AS (…)`."""


class SourceWords:
    """Takes the pieces of a text in order, comments and white space left out.

    Keeps in `named` the relations that the text names, and in `unseen` what no request tells.
    """

    def __init__(self, dialect: Dialect, *, names_all_schemas: bool) -> None:
        self.unseen: dict[str, None] = {}
        """Names in order of first appearance, as they were written."""
        self.named: dict[str, None] = {}
        """Likewise, names of relations; one without its schema only if that is the default one."""
        self._dialect = dialect
        self._names_all_schemas = names_all_schemas
        self._levels = [_Level(among_sources=False, awaited=False, in_query=True)]
        self._before = ""
        self._type = ""
        """What may be a type's name, as far as it has been read."""
        self._named_last = ""
        """The last word, which a WITH may define if `AS (` follows."""
        self._defined: set[str] = set()
        self._recursive = False

    def take(self, piece: str) -> None:
        """Go on with the next word, literal or symbol."""
        level = self._levels[-1]
        self._follow_type(piece)
        match piece:
            case "(":
                self._open(level)
            case ")":
                self._close(level)
            case ",":
                self._end_name(level)
                level.awaited = level.among_sources
            case _:
                self._read(level, piece)
        self._before = piece.lower()

    def end(self) -> None:
        """Take the end of the text."""
        self._end_type()
        for level in self._levels:
            self._end_name(level)

    def _read(self, level: _Level, piece: str) -> None:
        word = piece.lower()
        if word in _BEFORE_A_SOURCE and self._before != "distinct":  # IS DISTINCT FROM compares
            self._end_name(level)
            level.among_sources, level.awaited = True, True
            level.of_relations = word == "join" or (word == "from" and level.in_query)
        elif word in _AFTER_THE_SOURCES:
            self._end_name(level)
            level.among_sources, level.awaited = False, False
            level.in_query = level.in_query or word == "select"
        elif level.named is not None and (level.named.endswith(_JOINTS) or piece.startswith(_JOINTS)):
            level.named += piece
            self._tell_of_path(level.named)
        elif not level.awaited:
            self._end_name(level)
        elif word not in _BESIDE_A_SOURCE:
            level.awaited = False
            level.named = None if word in _NO_SOURCE else piece
            if not _is_name(piece) and not piece[0].isdigit():
                self.unseen[piece] = None
            self._tell_of_path(piece)
        self._recursive = self._recursive or word == "recursive"
        if word not in _BEFORE_A_DEFINITION:
            self._named_last = _plain(piece)

    def _follow_type(self, piece: str) -> None:
        if self._type and (self._type.endswith(".") or piece.startswith(".")):
            self._type = (self._type + piece)[:_LONGEST_TYPE]
        else:
            self._end_type()
            self._type = piece if self._before == "as" or self._before.endswith("::") else ""

    def _end_type(self) -> None:
        """Tell a type that is named with its schema: it may be that of a relation's rows."""
        name = self._type
        if _is_name(name) and _has_parts(name) and not name.lower().startswith(_BUILT_IN_SCHEMA):
            self.unseen[f"the type {name}"] = None

    def _end_name(self, level: _Level) -> None:
        """A source's name ends here. Without its schema, the session alone knows which relation it means."""
        name, level.named = level.named, None
        if name is None or not level.of_relations or not _is_name(name):
            return
        is_dotted = _has_parts(name) or (self._dialect.dotted_quoted_names and "." in name)
        if not is_dotted and _plain(name) in self._defined:
            return
        if is_dotted or self._names_all_schemas:
            self.named[name] = None
        else:
            self.unseen[named_without_schema(_plain(name))] = None

    def _tell_of_path(self, name: str) -> None:
        if "/" in name:
            self.unseen[name] = None

    def _open(self, level: _Level) -> None:
        called = self._before.rpartition(".")[2].strip('"')
        if self._dialect.reads_by_text(called):
            self.unseen[called] = None
        name, level.named = level.named, None
        if name is None:
            inner = _Level(level.among_sources and level.awaited, level.awaited, of_relations=level.of_relations)
            if self._before in _BEFORE_A_DEFINITION:
                inner.defines = self._named_last
            level.awaited = False
        elif name.lower() == "table":
            inner = _Level(among_sources=False, awaited=True, of_table=True)
        else:
            if name.lower() not in self._dialect.row_functions:
                self.unseen[name] = None
            inner = _Level(among_sources=False, awaited=False)
        if inner.defines is not None and self._recursive:
            self._defined.add(inner.defines)
        inner.after = self._named_last
        self._levels.append(inner)

    def _close(self, level: _Level) -> None:
        if level.of_table and level.named is not None:
            self.unseen[level.named] = None
        self._end_name(level)
        if level.defines is not None:
            self._defined.add(level.defines)
        self._named_last = level.after
        if len(self._levels) > 1:
            self._levels.pop()
        self._levels[-1].named = None


def _is_name(piece: str) -> bool:
    return piece[:1].isalpha() or piece[:1] in tuple('_"`')


def _has_parts(name: str) -> bool:
    """Whether a dot stands outside of its quotes."""
    return "." in _QUOTED.sub("", name)


def _plain(name: str) -> str:
    return name.strip('"`').lower()
