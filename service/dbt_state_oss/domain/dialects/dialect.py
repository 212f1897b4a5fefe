"""The properties of a warehouse that the rules use. The other modules of this package hold one warehouse each, as data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.spelling import NamePart, default_part, parts_of_name, split_dots
from dbt_state_oss.domain.relation import Epoch, Relation

_EXECUTABLE_COMMENT = re.compile(r"/\*(?:[MT]?!|\+(?:(?!\*/).)*set_(?:var|user_variable))", re.DOTALL | re.IGNORECASE)
_ESCAPED_NAME = re.compile(r'\bU&"[^"]*\\', re.IGNORECASE)
_LONGEST_CACHED_NAME = 1024
_CACHED_NAMES = 16_384
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_TO_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)


class CaseRule(Enum):
    """How a warehouse changes the letter case of an identifier."""

    LOWER = "lower"
    UPPER = "upper"
    PRESERVE = "preserve"


class EpochClock(Enum):
    """How a confirmed epoch relates to the epoch that the warehouse reports afterwards (rule T4)."""

    EXACT = "exact"
    """Read back from the table. Any difference is a change, also a lower epoch (Postgres, BigQuery, Databricks, unknown)."""

    STAMPED = "stamped"
    """Stamped by a run clock, a little later than the true time. A lower or equal epoch is unchanged (Snowflake, Redshift)."""

    def is_unchanged(self, recorded: Epoch | None, reported: Epoch | None, stamped_from: Epoch | None = None) -> bool:
        """Whether a table that is reported at one epoch is unchanged since the recorded epoch (rule T4).

        An unknown epoch (None) is never unchanged (rule F3). `stamped_from` is given if a client stamped the recorded epoch
        on an exact clock: the table's own epoch is not below it (rule T4a).
        """
        if recorded is None or reported is None:
            return False
        if self is EpochClock.STAMPED:
            return reported <= recorded
        return reported == recorded or (stamped_from is not None and stamped_from <= reported <= recorded)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The properties of one warehouse.

    `name` is the first word of the wire's name ("postgres"). `sqlglot` is the dialect expression for sqlglot, or None if
    sqlglot has no such dialect; SQL is then compared as text (rule L8). These two fields determine all others.
    `unquoted_case` and `quoted_case` apply to relation names. Function names are lower case.
    """

    name: str
    sqlglot: str | None
    unquoted_case: CaseRule
    quoted_case: CaseRule
    clock: EpochClock
    default_schema: str | None
    identifier_quotes: str = '"'
    dotted_quoted_names: bool = False
    """A quoted identifier may contain a whole dotted path (BigQuery's back-ticked names)."""
    backslash_escapes_names: bool = False
    """A quote inside a quoted identifier is escaped with a backslash. Other warehouses double it."""
    word_case: CaseRule = CaseRule.PRESERVE
    """The case rule of unquoted words that are not relation names. PRESERVE if it is not known for certain."""
    shows_written_case: bool = False
    """Columns and fields take the letter case in which the query writes them, although any case finds them. JSON that is made
    of them shows the case."""
    case_counts_after_dots: bool = False
    """A name after a dot may be the key of a map, a field of a JSON value or a routine. Its letter case counts."""
    nvl_is_coalesce: bool = False
    """The built-in `nvl` is a synonym of `coalesce`."""
    names_of_varchar: frozenset[str] = frozenset()
    """Types, in lower case, that are synonyms of `varchar` if no length follows."""
    names_columns_by_text: bool = False
    """An output column without an alias is named by the text of its expression."""
    quoted_functions: bool = False
    """A quoted name that is not a column may be a function that is called without parentheses."""
    carries_comments_over: bool = False
    """A backslash at the end of a line comment continues the comment on the next line."""
    ascii_case_only: bool = True
    """Only A to Z have a case; other letters are kept."""
    materialized_views_are_refreshed: bool = True
    """Running a materialized view again refreshes it, and the protocol does not distinguish it from a view (rule T5). False if
    the warehouse keeps it fresh, or if dbt's adapter makes no materialized views of this kind."""
    stamped_by_dbt_v2: bool = False
    """The client of dbt v2 stamps the epochs that it confirms, although the clock is exact (rule T4a)."""
    reuses_stored_failures: bool = True
    """The client accepts a skip of a data test that stores its failures (rule T7)."""
    empty_looks_missing: bool = False
    """A table without rows has no epoch, like a table that does not exist."""
    seeds_replace_tables: bool = False
    """dbt loads a seed into a new table. Elsewhere it empties the existing table and keeps its columns."""
    copying: Copying | None = field(default=None, compare=False)
    """How a table is copied (rule C6). None if no way is known."""
    row_functions: frozenset[str] = field(default=frozenset({"json_table", "unnest", "xmltable"}), compare=False)
    """Built-in functions that, in a FROM, make rows from their arguments alone (rule F3)."""
    reading_function_prefixes: tuple[str, ...] = field(default=(), compare=False)
    """Prefixes of the names of functions that read a relation or a file which a text names, wherever they are called."""
    views_name_all_schemas: bool = field(default=False, compare=False)
    """The warehouse makes a view's definition from its parsed form. A name without a schema in it is in the default schema."""
    times_mean_today: bool = field(default=False, compare=False)
    """A literal that is only a time of day, if it is cast to a moment, is that time of today."""
    date_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Functions whose value changes once a day (rule L9)."""
    volatile_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Functions whose value may change at each call (rule L9)."""
    session_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Volatile functions and types whose value depends on who asks and from where. It is the same within a session, and may
    differ for another target."""
    bare_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Date functions and volatile functions that are also called without parentheses."""
    volatile_words: frozenset[str] = field(default=frozenset(), compare=False)
    """Words that make a query volatile if they occur anywhere as a clause or the name of an argument (rule L9)."""
    date_literals: frozenset[str] = field(default=frozenset(), compare=False)
    """Texts of literals, in lower case, that a cast turns into a moment relative to today (Postgres's 'yesterday')."""
    volatile_literals: frozenset[str] = field(default=frozenset(), compare=False)
    """Texts of literals, in lower case, that a cast turns into the current moment (Postgres's 'now')."""
    volatile_prefixes: tuple[str, ...] = field(default=(), compare=False)
    """Prefixes that the names of volatile functions share (Snowflake's `system$`)."""
    stable_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Exceptions to `volatile_prefixes`."""
    volatile_types: frozenset[str] = field(default=frozenset(), compare=False)
    """Types whose values identify database objects by numbers. The number changes when the object is rebuilt."""
    volatile_schemas: frozenset[str] = field(default=frozenset(), compare=False)
    """Schemas whose functions are all volatile."""
    system_columns: frozenset[str] = field(default=frozenset(), compare=False)
    """Columns that every table has and that describe how a row is stored."""
    stage_sign: str = field(default="", compare=False)
    """The sign before the name of a stage of files. Empty if the warehouse has none."""
    storage_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Functions that, like system columns, tell how a row is stored."""
    system_column_prefixes: tuple[str, ...] = field(default=(), compare=False)
    """Prefixes that the names of such columns share."""
    relations_are_types: bool = field(default=False, compare=False)
    """A relation's name is also the name of the type of its rows."""
    is_known: bool = field(default=True, compare=False)
    """The warehouse is one of those that this server knows."""
    variable_sign: str = field(default="", compare=False)
    """The sign before the name of a session variable. Empty if the warehouse has none."""

    def relation(self, text: str, *, default_catalog: str | None = None, default_schema: str | None = None) -> Relation:
        """The relation that `text` names, in canonical spelling (rule L11). The defaults fill in missing leading parts.

        Accepts unquoted and quoted spellings. Never raises: a text that is not a dotted name is kept whole as one quoted
        part, and never equals a name that was understood. Canonical spellings are returned unchanged.
        """
        if len(text) > _LONGEST_CACHED_NAME:
            return self._parsed_relation(text, default_catalog, default_schema)
        return _cached_relation(self, text, default_catalog, default_schema)

    def relation_of(
        self, parts: Iterable[NamePart], *, default_catalog: str | None = None, default_schema: str | None = None
    ) -> Relation:
        """The relation with these parts, outermost first. Missing leading parts are filled in as in `relation`."""
        named = list(split_dots(parts) if self.dotted_quoted_names else parts)
        if len(named) == 1 and default_schema:
            named.insert(0, default_part(default_schema))
        if len(named) == 2 and default_catalog:
            named.insert(0, default_part(default_catalog))
        return Relation(".".join('"' + self._folded_part(part).replace('"', '""') + '"' for part in named))

    def has_volatile_prefix(self, name: str) -> bool:
        """Whether a function's name (lower case) has the prefix of volatile functions and is not an exception."""
        return name.startswith(self.volatile_prefixes) and name not in self.stable_functions

    def is_system_column(self, name: str) -> bool:
        """Whether every table may have a system column of this name (lower case)."""
        return name in self.system_columns or name.startswith(self.system_column_prefixes)

    def is_unreadable(self, sql: str) -> bool:
        """Whether the text has a name with Unicode escapes, or a comment that the warehouse may run: `/*! … */` and the hint
        SET_VAR of MySQL and its relatives.
        """
        if _ESCAPED_NAME.search(sql) is not None:
            return True
        return not self.is_known and _EXECUTABLE_COMMENT.search(sql) is not None

    def reads_by_text(self, name: str) -> bool:
        """Whether a function of this name (lower case) reads a relation or a file that a text names (rule F3)."""
        return name.startswith(self.reading_function_prefixes)

    def folded(self, name: str, rule: CaseRule) -> str:
        """`name` in the letter case of `rule`."""
        match rule:
            case CaseRule.LOWER:
                return name.translate(_TO_LOWER) if self.ascii_case_only else name.lower()
            case CaseRule.UPPER:
                return name.translate(_TO_UPPER) if self.ascii_case_only else name.upper()
            case CaseRule.PRESERVE:
                return name

    def _parsed_relation(self, text: str, default_catalog: str | None, default_schema: str | None) -> Relation:
        parts = parts_of_name(text, quotes=self.identifier_quotes, skipped_part=self.default_schema)
        if parts is None:
            return Relation('"' + self.folded(text, self.quoted_case).replace('"', '""') + '"')
        return self.relation_of(parts, default_catalog=default_catalog, default_schema=default_schema)

    def _folded_part(self, part: NamePart) -> str:
        return self.folded(part.text, self.quoted_case if part.quote else self.unquoted_case)


def function_names(listing: str) -> frozenset[str]:
    """The names in a listing, which white space separates."""
    return frozenset(listing.split())


@lru_cache(maxsize=_CACHED_NAMES)
def _cached_relation(dialect: Dialect, text: str, default_catalog: str | None, default_schema: str | None) -> Relation:
    return dialect._parsed_relation(text, default_catalog, default_schema)
