"""How a warehouse copies a table, as data (rule C6). Each warehouse's module takes it from that warehouse's documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copying:
    """How a warehouse makes a copy of a table. The copy replaces an existing table of its name."""

    statements: tuple[str, ...]
    """Templates of SQL. The client runs each one separately inside its transaction, so none begins or ends a transaction.
    `{source}` and `{target}` are quoted names, `{source_text}` and `{target_text}` are the same names as literals.
    `{table_type}` is the type in DDL, `{options}` a clause of table options or empty, `{tag}` a dollar quote that no name
    contains."""
    verified: tuple[str, ...] | None = None
    """Like `statements`, but they fail unless the source is at `{epoch}`. None if SQL cannot check it: then only the client
    does."""
    verified_load: tuple[str, ...] | None = None
    """Like `verified`, but they also fail unless the transaction that wrote the source's rows created its table. None if SQL
    cannot check it."""
    past: tuple[str, ...] | None = None
    """Templates that copy what the source held at `{epoch}`. None if the warehouse gives no such access to the past."""
    table_types: frozenset[str] = frozenset({"TABLE"})
    """The types of tables that can be copied, as the client names them."""
    across_databases: bool = True
    left_behind: frozenset[str] = frozenset()
    """Semantic extras that every dbt run applies to its table and that no copy has. A copied table lacks them until it is
    built."""
