"""How a warehouse copies a table, as data (rule C6); each warehouse's file says it from that warehouse's documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copying:
    """A warehouse's way to make one table the copy of another, which replaces whatever table has its name."""

    statements: tuple[str, ...]
    """Templates, each run on its own inside the client's transaction, so none begins or ends one. `{source}` and `{target}` are
    quoted names, `{source_text}` and `{target_text}` these names as literals, `{table_type}` the words of DDL for the type,
    `{options}` a clause of table options or nothing, `{tag}` a dollar quote that no name contains."""
    verified: tuple[str, ...] | None = None
    """The same, but failing unless the source stands at `{epoch}`; None where SQL can't tell, so that the client alone looks."""
    verified_load: tuple[str, ...] | None = None
    """`verified`, but also failing unless the transaction that wrote the source's rows made its table; None where SQL can't
    tell."""
    past: tuple[str, ...] | None = None
    """Templates of a copy of what the source held at `{epoch}`; None where the warehouse gives no such access to the past."""
    table_types: frozenset[str] = frozenset({"TABLE"})
    """The types of tables that can be copied, as the client names them."""
    across_databases: bool = True
    left_behind: frozenset[str] = frozenset()
    """Semantic extras that every run of dbt applies to its table and that no copy has: a copied table lacks them until it is
    built."""
