"""What the rules need to know of one warehouse. The files beside this one hold one warehouse each, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.spelling import NamePart, default_part, parts_of_name, split_dots
from dbt_state_oss.domain.relation import Epoch, Relation

_LONGEST_REMEMBERED_NAME = 1024
_REMEMBERED_NAMES = 16_384
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_TO_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)


class CaseRule(Enum):
    """What a warehouse does to the letter case of an identifier."""

    LOWER = "lower"
    UPPER = "upper"
    PRESERVE = "preserve"


class EpochClock(Enum):
    """How a confirmed epoch relates to what the warehouse reports afterwards (rule T4)."""

    EXACT = "exact"
    """Read back from the table: any difference, lower too, is a change (Postgres, BigQuery, Databricks, unknown)."""

    STAMPED = "stamped"
    """Stamped from a run clock, a little later than the truth: lower or equal is unchanged (Snowflake, Redshift)."""

    def is_unchanged(self, recorded: Epoch | None, reported: Epoch | None, stamped_from: Epoch | None = None) -> bool:
        """Whether a table reported at `reported` is the one recorded at `recorded` (rule T4). Unknown is never equal (F3).

        `stamped_from` is known where a client stamped this one epoch on an exact clock: the table's own is not below it
        (rule T4a).
        """
        if recorded is None or reported is None:
            return False
        if self is EpochClock.STAMPED:
            return reported <= recorded
        return reported == recorded or (stamped_from is not None and stamped_from <= reported <= recorded)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One warehouse's traits.

    `name` is the wire's first word ("postgres"), `sqlglot` the dialect expression for sqlglot or None where sqlglot
    knows none (then SQL is compared as text, rule L8); the two determine the rest. The case rules are those of
    relation names. Function names are lower case.
    """

    name: str
    sqlglot: str | None
    unquoted_case: CaseRule
    quoted_case: CaseRule
    clock: EpochClock
    default_schema: str | None
    identifier_quotes: str = '"'
    dotted_quoted_names: bool = False
    """A quoted identifier may hold a whole dotted path (BigQuery's back-ticked names)."""
    backslash_escapes_names: bool = False
    """A quote inside a quoted identifier stands behind a backslash, where others double it."""
    word_case: CaseRule = CaseRule.PRESERVE
    """What happens to unquoted words of SQL that are no relation names; PRESERVE where that is not known for sure."""
    shows_written_case: bool = False
    """Columns and fields are named in the letter case in which the query writes it, though any case finds them: JSON made of
    them shows it."""
    case_counts_after_dots: bool = False
    """A name after a dot may be the key of a map, a field of a JSON value or a routine, whose letter case counts."""
    nvl_is_coalesce: bool = False
    """The built-in `nvl` is another name of `coalesce`."""
    names_of_varchar: frozenset[str] = frozenset()
    """Lower-case names of types that are other names of `varchar` where no length follows."""
    names_columns_by_text: bool = False
    """An output column without an alias is named by the text of its expression."""
    quoted_functions: bool = False
    """A quoted name that is not a column may be a function that is called without parentheses."""
    carries_comments_over: bool = False
    """A backslash at the end of a line comment's line takes the next line into the comment."""
    ascii_case_only: bool = True
    """Only A to Z have a case; other letters are kept."""
    materialized_views_are_refreshed: bool = True
    """Running a materialized view again refreshes it, and the wire does not tell one from a view (rule T5). Not so where
    the warehouse keeps it fresh, or where dbt's adapter makes none of this kind."""
    stamped_by_dbt_v2: bool = False
    """The client of dbt v2 stamps the epochs that it confirms, though the clock is an exact one (rule T4a)."""
    reuses_stored_failures: bool = True
    """The client can take a skip of a data test that stores its failures (rule T7)."""
    empty_looks_missing: bool = False
    """A table without rows has no epoch, like one that is not there."""
    seeds_replace_tables: bool = False
    """dbt loads a seed into a new table. Elsewhere it empties the table that is there, and keeps its columns."""
    copying: Copying | None = field(default=None, compare=False)
    """How a table is copied (rule C6); None where no way is known."""
    row_functions: frozenset[str] = field(default=frozenset({"json_table", "unnest", "xmltable"}), compare=False)
    """Built-in functions that make rows of their arguments alone in a FROM (rule F3)."""
    reading_functions: tuple[str, ...] = field(default=(), compare=False)
    """What the names of functions begin with that read a relation or a file which a text names, wherever they are called."""
    views_name_all_schemas: bool = field(default=False, compare=False)
    """A view's definition is what the warehouse makes of its parsed form: a name without a schema is in the default one."""
    times_mean_today: bool = field(default=False, compare=False)
    """A literal of a time alone, cast to a moment, is a time of today."""
    date_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Functions whose value changes once a day (rule L9)."""
    volatile_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Functions whose value may change at each call (rule L9)."""
    session_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Those of the volatile ones that tell of who asks from where: one answer in a session, another in another target."""
    bare_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Those of the two sets above that are called without parentheses too."""
    volatile_words: frozenset[str] = field(default=frozenset(), compare=False)
    """Words that make a query volatile wherever they stand as clauses or names of arguments (rule L9)."""
    date_literals: frozenset[str] = field(default=frozenset(), compare=False)
    """Texts of literals that a cast turns into a moment relative to today, in lower case (Postgres's 'yesterday')."""
    volatile_literals: frozenset[str] = field(default=frozenset(), compare=False)
    """Texts of literals that a cast turns into the current moment, in lower case (Postgres's 'now')."""
    volatile_prefixes: tuple[str, ...] = field(default=(), compare=False)
    """What the names of families of volatile functions begin with (Snowflake's `system$`)."""
    stable_functions: frozenset[str] = field(default=frozenset(), compare=False)
    """Exceptions to `volatile_prefixes`."""
    volatile_types: frozenset[str] = field(default=frozenset(), compare=False)
    """Types whose values name objects of the database by numbers that change when the object is rebuilt."""
    volatile_schemas: frozenset[str] = field(default=frozenset(), compare=False)
    """Schemas of which every function is volatile."""
    system_columns: frozenset[str] = field(default=frozenset(), compare=False)
    """Columns that every table has and that tell how a row is stored."""
    variable_sign: str = field(default="", compare=False)
    """What stands before the name of a session variable; empty where nothing does."""

    def relation(self, text: str, *, default_catalog: str | None = None, default_schema: str | None = None) -> Relation:
        """The relation that `text` names, in canonical spelling (rule L11); missing leading parts are filled in.

        Takes unquoted and quoted spellings alike. A text that is no dotted name is kept whole as one quoted part:
        it never raises and never matches a name that was understood. Canonical spellings are left as they are.
        """
        if len(text) > _LONGEST_REMEMBERED_NAME:
            return self._relation(text, default_catalog, default_schema)
        return _remembered(self, text, default_catalog, default_schema)

    def relation_of(
        self, parts: Iterable[NamePart], *, default_catalog: str | None = None, default_schema: str | None = None
    ) -> Relation:
        """The relation with these parts, outermost first; missing leading parts are filled in as in `relation`."""
        named = list(split_dots(parts) if self.dotted_quoted_names else parts)
        if len(named) == 1 and default_schema:
            named.insert(0, default_part(default_schema))
        if len(named) == 2 and default_catalog:
            named.insert(0, default_part(default_catalog))
        return Relation(".".join('"' + self._spelled(part).replace('"', '""') + '"' for part in named))

    def has_volatile_prefix(self, name: str) -> bool:
        """Whether a function's name, in lower case, is of a family of volatile ones."""
        return name.startswith(self.volatile_prefixes) and name not in self.stable_functions

    def reads_by_text(self, name: str) -> bool:
        """Whether a function of this name, in lower case, reads a relation or a file that a text names (rule F3)."""
        return name.startswith(self.reading_functions)

    def folded(self, name: str, rule: CaseRule) -> str:
        """`name` in the letter case that `rule` gives it."""
        match rule:
            case CaseRule.LOWER:
                return name.translate(_TO_LOWER) if self.ascii_case_only else name.lower()
            case CaseRule.UPPER:
                return name.translate(_TO_UPPER) if self.ascii_case_only else name.upper()
            case CaseRule.PRESERVE:
                return name

    def _relation(self, text: str, default_catalog: str | None, default_schema: str | None) -> Relation:
        parts = parts_of_name(text, quotes=self.identifier_quotes, skipped_part=self.default_schema)
        if parts is None:
            return Relation('"' + self.folded(text, self.quoted_case).replace('"', '""') + '"')
        return self.relation_of(parts, default_catalog=default_catalog, default_schema=default_schema)

    def _spelled(self, part: NamePart) -> str:
        return self.folded(part.text, self.quoted_case if part.quote else self.unquoted_case)


def function_names(listing: str) -> frozenset[str]:
    """The names in a listing that white space separates."""
    return frozenset(listing.split())


@lru_cache(maxsize=_REMEMBERED_NAMES)
def _remembered(dialect: Dialect, text: str, default_catalog: str | None, default_schema: str | None) -> Relation:
    return dialect._relation(text, default_catalog, default_schema)
