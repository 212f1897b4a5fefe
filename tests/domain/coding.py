"""Short ways to a `Code` and its fingerprint, for the tests of fingerprints."""

from __future__ import annotations

from collections.abc import Mapping

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.sql.fingerprint import Fingerprint
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import Code, ViewDefinition


def code(
    sql: str, dialect: str = "postgres", *, target: str | None = None, views: Mapping[str, str] | None = None
) -> Code:
    """A query with the default catalog `db` and the default schema `public`, and the views that it may read by name."""
    warehouse = dialect_named(dialect)
    return Code(
        dialect=warehouse,
        sql=sql,
        default_catalog="db",
        default_schema="public",
        target=None if target is None else warehouse.relation(target),
        views=tuple(
            ViewDefinition(warehouse.relation(name), text, "db", "public") for name, text in (views or {}).items()
        ),
    )


def made(
    sql: str, dialect: str = "postgres", *, target: str | None = None, views: Mapping[str, str] | None = None
) -> Fingerprint:
    """The fingerprint of such a query."""
    return fingerprint(code(sql, dialect, target=target, views=views))


def leaves(
    sql: str, dialect: str = "postgres", *, target: str | None = None, views: Mapping[str, str] | None = None
) -> list[str]:
    """Names of the tables at the end of the query's slots, without their quotes."""
    found = made(sql, dialect, target=target, views=views)
    return [leaf.replace('"', "") for slot in found.slots for leaf in slot.leaves]
