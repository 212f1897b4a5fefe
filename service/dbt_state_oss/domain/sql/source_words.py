"""Finds the sources in the FROM of SQL that could not be parsed, by its words (rules F3, L8).

The relations that the words name become the slots of the query. The request reports relations only. So everything else that
may be a function, a stage, a file or a table that a value names counts as a source that no request reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dbt_state_oss.domain.dialects import Dialect

_BEFORE_A_SOURCE = frozenset({"apply", "from", "join", "lateral", "using"})
_BESIDE_A_SOURCE = frozenset({"only", "outer", "rows", "view"})
"""Words that may come between those words and a source. They may also be names."""
_WRITING_WORDS = frozenset({"delete", "insert", "merge", "update"})
_STARTS_OF_A_QUERY = frozenset({"select", "values", "with"})
_ENDS_OF_WITH = frozenset({"from", "select", "table", "values"} | _WRITING_WORDS)
_SET_OPERATORS = frozenset({"except", "intersect", "minus", "union"})
_BEFORE_TABLE = frozenset({"", "(", ")", "all", "distinct"} | _SET_OPERATORS)
"""What comes before the query `TABLE name`."""
_AFTER_THE_SOURCES = frozenset({"group", "having", "order", "select", "union", "where", "|>"})
"""What ends a list of sources. Every warehouse reserves the words, so they cannot be aliases."""
_BEFORE_A_DEFINITION = frozenset({"as", "materialized", "not"})
"""Words between the name of a common table expression and its parentheses."""
_JOINING_SIGNS = (".", "-")
"""Signs that join the parts of a name. A dash may be part of the name of a BigQuery project."""
_BEFORE_AN_EXPRESSION = frozenset(
    """
    all and any array as asc between by case collate desc distinct else end except exists for from having ilike in intersect
    into is join lateral like limit natural not offset on only operator or order overlaps placing select similar some
    symmetric table then to union using when where window with
    """.split()
)
"""Words of PostgreSQL that are no names of columns, so that a dotted name after them is no type."""
_BUILT_IN_SCHEMA = "pg_catalog."
_LONGEST_TYPE = 1_000
_QUOTED = re.compile(r'"[^"]*"|`[^`]*`')


def named_without_schema(name: str) -> str:
    """The description of a relation whose schema depends on the session, as a source that no request reports."""
    return f"{name} (named without its schema)"


@dataclass(slots=True)
class _Level:
    """The state of reading inside one pair of parentheses."""

    among_sources: bool
    """A comma would separate two sources."""
    awaited: bool
    """The next word begins a source."""
    named: str | None = None
    """The name of a source, if it has just been read."""
    of_table: bool = False
    """The parentheses belong to `TABLE(…)`. A plain name in them may be an object of any kind."""
    of_relations: bool = False
    """The awaited or named source is a relation, if it is a name. Not so after the `FROM` of `extract(day from d)`."""
    after_relation: bool = False
    """The list of sources began after FROM or JOIN. A comma is followed by a relation again, whatever came before it."""
    in_query: bool = False
    """The level contains a SELECT, begins with FROM or TABLE, or is the outermost one."""
    is_empty: bool = True
    """Nothing has been read yet."""
    has_with: bool = False
    """The level begins with WITH."""
    in_with: bool = False
    """The definitions of a WITH are being read."""
    common_names: set[str] = field(default_factory=set)
    """The common table expressions that this level has defined so far."""
    is_recursive: bool = False
    defines: str | None = None
    """The name that a WITH gives to the query in the parentheses."""
    after: str = ""
    """The word before the parentheses: `c` in `WITH c (a) AS (…)`."""


class SourceWords:
    """Takes the pieces of a text in order, without comments and white space.

    Collects in `named` the relations that the text names, and in `unseen` the sources that no request reports.
    """

    def __init__(self, dialect: Dialect, *, names_all_schemas: bool) -> None:
        self.unseen: dict[str, None] = {}
        """Names, as they were written, in order of first appearance."""
        self.named: dict[str, None] = {}
        """Names of relations, in the same way. A name without its schema is included only if its schema is the default one."""
        self._dialect = dialect
        self._names_all_schemas = names_all_schemas
        self._levels = [_Level(among_sources=False, awaited=False, in_query=True)]
        self._before = ""
        self._type = ""
        """The part of a possible type name that has been read so far."""
        self._types: dict[str, None] = {}
        """Types that are named without a schema."""
        self._is_type = False
        """It follows AS or `::`."""
        self._follows_a_name = False
        """It follows a name, as the type of a column does, and a relation's name may be a type."""
        self._last_word = ""
        """The last word, which a WITH may define if `AS (` follows."""

    def take(self, piece: str) -> None:
        """Process the next word, literal or symbol."""
        level = self._levels[-1]
        self._follow_type(piece)
        if self._dialect.stage_sign and piece.startswith(self._dialect.stage_sign):
            self.unseen[f"the stage {piece}"] = None
        match piece:
            case "(":
                self._open(level)
            case ")":
                self._close(level)
            case ",":
                self._end_name(level)
                level.awaited, level.of_relations = level.among_sources, level.after_relation
            case _:
                self._read(level, piece)
        self._before = piece.lower()

    def end(self) -> None:
        """Process the end of the text."""
        self._follow_type("")
        for level in self._levels:
            self._end_name(level)
        read = {_plain(name.rpartition(".")[2]) for name in self.named}
        self.unseen |= {f"the type {name}": None for name in self._types if name in read}

    def _read(self, level: _Level, piece: str) -> None:
        word = piece.lower()
        begins_a_query = not level.of_table and (
            (word == "from" and (level.is_empty or level.has_with))
            or (word == "table" and self._before in _BEFORE_TABLE)
        )
        level.has_with = level.has_with or (level.is_empty and word == "with")
        after_with = level.in_with and self._before not in ("with", "recursive", ",")
        level.in_with = word not in _ENDS_OF_WITH and (
            level.in_with or (word == "with" and (level.is_empty or self._before == "as"))
        )
        if word in _WRITING_WORDS and (self._before == "(" or after_with):
            self.unseen[f"the result of {word.upper()}"] = None
        if self._before == "in" and not self._dialect.is_known and _is_name(piece):
            self.unseen[piece] = None
        level.in_query, level.is_empty = level.in_query or begins_a_query or word in _SET_OPERATORS, False
        if word == "view" and self._before == "lateral":
            level.after_relation = False  # commas separate the columns of LATERAL VIEW
        if word == "call" and self._before == "|>":
            level.awaited = True  # a table function
        elif begins_a_query or (word in _BEFORE_A_SOURCE and self._before != "distinct"):  # IS DISTINCT FROM compares
            self._end_name(level)
            level.among_sources, level.awaited = True, True
            level.of_relations = begins_a_query or word == "join" or (word == "from" and level.in_query)
            level.after_relation = level.after_relation or level.of_relations
        elif word in _AFTER_THE_SOURCES:
            self._end_name(level)
            level.among_sources, level.awaited, level.after_relation = False, False, False
            level.in_query = level.in_query or word == "select"
        elif level.named is not None and (level.named.endswith(_JOINING_SIGNS) or piece.startswith(_JOINING_SIGNS)):
            level.named += piece
            self._add_path(level.named)
        elif not level.awaited:
            self._end_name(level)
        elif word not in _BESIDE_A_SOURCE:
            level.awaited = False
            level.named = None if word in _STARTS_OF_A_QUERY else piece
            if not _is_name(piece) and not piece[0].isdigit():
                self.unseen[piece] = None
            self._add_path(piece)
        level.is_recursive = level.is_recursive or (word == "recursive" and self._before == "with")
        if word not in _BEFORE_A_DEFINITION:
            self._last_word = _plain(piece)

    def _follow_type(self, piece: str) -> None:
        if self._type and (self._type.endswith(".") or piece.startswith(".")):
            self._type = (self._type + piece)[:_LONGEST_TYPE]
        else:
            is_of_literal = self._dialect.relations_are_types and piece.endswith(("'", "$"))
            if self._follows_a_name or is_of_literal or self._is_type:
                self._end_type()
            self._type = piece
            self._is_type = self._before == "as" or self._before.endswith("::")
            self._follows_a_name = self._dialect.relations_are_types and (
                self._before == "returning" or (_is_name(self._before) and self._before not in _BEFORE_AN_EXPRESSION)
            )

    def _end_type(self) -> None:
        """Add a type that is named with its schema to `unseen`: it may be the type of a relation's rows."""
        name = self._type
        if _is_name(name) and _has_parts(name) and not name.lower().startswith(_BUILT_IN_SCHEMA):
            self.unseen[f"the type {name}"] = None
        elif self._is_type:
            self._types[_plain(name)] = None

    def _end_name(self, level: _Level) -> None:
        """Process the end of a source's name. If it has no schema, the session decides which relation it means."""
        name, level.named = level.named, None
        if name is None or not level.of_relations or not _is_name(name):
            return
        is_dotted = _has_parts(name) or (self._dialect.dotted_quoted_names and "." in name)
        if not is_dotted and any(_plain(name) in each.common_names for each in self._levels):
            return
        if is_dotted or self._names_all_schemas:
            self.named[name] = None
        else:
            self.unseen[named_without_schema(_plain(name))] = None

    def _add_path(self, name: str) -> None:
        if "/" in name:
            self.unseen[name] = None

    def _open(self, level: _Level) -> None:
        called = self._before.rpartition(".")[2].strip('"')
        if self._dialect.reads_by_text(called):
            self.unseen[called] = None
        name, level.named = level.named, None
        if name is None:
            inner = _Level(
                level.among_sources and level.awaited,
                level.awaited,
                of_relations=level.of_relations,
                after_relation=level.of_relations,
            )
            if level.in_with and self._before in _BEFORE_A_DEFINITION:
                inner.defines = self._last_word
            level.awaited = False
        elif name.lower() == "table":
            inner = _Level(among_sources=False, awaited=True, of_table=True)
        else:
            if name.lower() not in self._dialect.row_functions:
                self.unseen[name] = None
            inner = _Level(among_sources=False, awaited=False)
        if inner.defines is not None and level.is_recursive:
            level.common_names.add(inner.defines)
        inner.after, level.is_empty = self._last_word, False
        self._levels.append(inner)

    def _close(self, level: _Level) -> None:
        if level.of_table and level.named is not None:
            self.unseen[level.named] = None
        self._end_name(level)
        self._last_word = level.after
        if len(self._levels) > 1:
            self._levels.pop()
        if level.defines is not None:
            self._levels[-1].common_names.add(level.defines)
        self._levels[-1].named = None


def _is_name(piece: str) -> bool:
    return piece[:1].isalpha() or piece[:1] in tuple('_"`')


def _has_parts(name: str) -> bool:
    """Whether the name contains a dot outside of quotes."""
    return "." in _QUOTED.sub("", name)


def _plain(name: str) -> str:
    return name.strip('"`').lower()
