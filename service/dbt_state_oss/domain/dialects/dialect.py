"""What the rules need to know of one warehouse. The files beside this one hold one warehouse each, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


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


@dataclass(frozen=True, slots=True)
class Dialect:
    """One warehouse's traits.

    `name` is the wire's first word ("postgres"), `sqlglot` the dialect expression for sqlglot or None where sqlglot
    knows none (then SQL is compared as text, rule L8). Function names are lower case.
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
    date_functions: frozenset[str] = field(default=frozenset())
    """Functions whose value changes once a day (rule L9)."""
    volatile_functions: frozenset[str] = field(default=frozenset())
    """Functions whose value may change at each call (rule L9)."""
