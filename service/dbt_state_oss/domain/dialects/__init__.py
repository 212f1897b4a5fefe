"""The dialects of all warehouses, by the name that a request sends. `dialect_named` returns one."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.dialects.dialect import NormalizationStrategy

from dbt_state_oss.domain.dialects.bigquery import BIGQUERY
from dbt_state_oss.domain.dialects.databricks import DATABRICKS
from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock, function_names
from dbt_state_oss.domain.dialects.postgres import POSTGRES
from dbt_state_oss.domain.dialects.redshift import REDSHIFT
from dbt_state_oss.domain.dialects.snowflake import SNOWFLAKE

__all__ = ["KNOWN_WAREHOUSES", "CaseRule", "Dialect", "EpochClock", "dialect_named"]

_WAREHOUSES = {warehouse.name: warehouse for warehouse in (BIGQUERY, DATABRICKS, POSTGRES, REDSHIFT, SNOWFLAKE)}
KNOWN_WAREHOUSES = tuple(_WAREHOUSES)
"""The names of the warehouses that have a dialect of their own."""
_LONGEST_NAME = 256

_CASE_RULES = {
    NormalizationStrategy.LOWERCASE: (CaseRule.LOWER, CaseRule.PRESERVE),
    NormalizationStrategy.UPPERCASE: (CaseRule.UPPER, CaseRule.PRESERVE),
    NormalizationStrategy.CASE_SENSITIVE: (CaseRule.PRESERVE, CaseRule.PRESERVE),
    NormalizationStrategy.CASE_INSENSITIVE: (CaseRule.LOWER, CaseRule.LOWER),
    NormalizationStrategy.CASE_INSENSITIVE_UPPERCASE: (CaseRule.UPPER, CaseRule.UPPER),
}
"""For each of sqlglot's strategies, the case rules of unquoted and of quoted names."""


def dialect_named(wire_name: str) -> Dialect:
    """The dialect that a request names: `postgres`, or `redshift, normalization_strategy = lowercase`.

    Letter case does not matter. Never raises: an unknown name gets a conservative dialect. Names keep their case in it,
    and epochs must match exactly.
    """
    return _dialect(wire_name[:_LONGEST_NAME].strip().lower())


@lru_cache(maxsize=256)
def _dialect(wire_name: str) -> Dialect:
    name, _, settings = (piece.strip() for piece in wire_name.partition(","))
    grammar = _sqlglot_dialect(wire_name)
    warehouse = _WAREHOUSES.get(name)
    if warehouse is None or grammar is None:
        return _unknown_dialect(name, None if grammar is None else wire_name)
    strategy = grammar.normalization_strategy
    if not settings or strategy is SqlglotDialect.get_or_raise(name).normalization_strategy:
        return replace(warehouse, sqlglot=wire_name)
    unquoted, quoted = _CASE_RULES[strategy]
    return replace(warehouse, sqlglot=wire_name, unquoted_case=unquoted, quoted_case=quoted, word_case=unquoted)


def _sqlglot_dialect(wire_name: str) -> SqlglotDialect | None:
    if not wire_name:
        return None
    try:
        return SqlglotDialect.get_or_raise(wire_name)
    except ValueError:
        return None


_SYSTEM_COLUMNS_ELSEWHERE = function_names("""
    $bucket $file_modified_time $file_size $partition $path
    _block_number _block_offset _part _part_index _part_offset _part_uuid _partition_id
    block__offset__inside__file input__file__name
    _rowid_ ora_rowscn rowid
    """)
"""System columns of Trino and Athena, ClickHouse, Hive, Oracle, DuckDB and SQLite."""


def _unknown_dialect(name: str, sqlglot: str | None) -> Dialect:
    return Dialect(
        name=name,
        sqlglot=sqlglot,
        unquoted_case=CaseRule.PRESERVE,
        quoted_case=CaseRule.PRESERVE,
        clock=EpochClock.EXACT,
        default_schema=None,
        identifier_quotes='"`',
        names_columns_by_text=True,
        quoted_functions=True,
        date_functions=_union_of_warehouses("date_functions"),
        volatile_functions=_union_of_warehouses("volatile_functions"),
        bare_functions=_union_of_warehouses("bare_functions"),
        volatile_words=_union_of_warehouses("volatile_words"),
        session_functions=_union_of_warehouses("session_functions"),
        date_literals=_union_of_warehouses("date_literals"),
        volatile_literals=_union_of_warehouses("volatile_literals"),
        times_mean_today=True,
        reading_function_prefixes=tuple(_union_of_warehouses("reading_function_prefixes")),
        volatile_prefixes=tuple(_union_of_warehouses("volatile_prefixes")),
        stable_functions=_union_of_warehouses("stable_functions"),
        volatile_types=_union_of_warehouses("volatile_types"),
        volatile_schemas=_union_of_warehouses("volatile_schemas"),
        system_columns=_union_of_warehouses("system_columns") | _SYSTEM_COLUMNS_ELSEWHERE,
        storage_functions=_union_of_warehouses("storage_functions"),
        carries_comments_over=True,
        system_column_prefixes=tuple(_union_of_warehouses("system_column_prefixes")),
        relations_are_types=True,
        is_known=False,
        variable_sign="@@",
    )


def _union_of_warehouses(names: str) -> frozenset[str]:
    return frozenset(name for warehouse in _WAREHOUSES.values() for name in getattr(warehouse, names))
