"""A parent `s.p` that is built, edited and built again, and what its child reads of it, for the tests of rule F9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.domain.building import CASE
from tests.domain.coding import code

from dbt_state_oss.domain.case import draft_execution
from dbt_state_oss.domain.data_identity import columns_identity_at
from dbt_state_oss.domain.fingerprinting import fingerprint
from dbt_state_oss.domain.history import Execution, History

EPOCH = 7
"""When the parent stands as it was built."""


def parent(sql: str, dialect: str = "postgres", *, views: Mapping[str, str] | None = None, **changes: Any) -> Execution:
    """A confirmed build of `s.p` from `sql`, on tables that were all written at 1."""
    query = code(sql, dialect, target="db.s.p", views=views)
    made = fingerprint(query)
    leaves = {leaf: 1 for slot in made.slots for leaf in slot.leaves}
    case = replace(CASE, submission=replace(CASE.submission, code=query, inputs=leaves), fingerprint=made)
    return replace(draft_execution(case, execution_id="ns.p.x1", decided_at=1), **{"epoch": EPOCH, **changes})


def content_read(
    build: Execution, child: str, dialect: str = "postgres", *, views: Mapping[str, str] | None = None
) -> str | None:
    """The name of what `child` reads of the parent as `build` left it."""
    query = code(child, dialect, views=views)
    relation = query.dialect.relation("s.p", default_catalog="db")
    return columns_identity_at(History((build,)), relation, EPOCH, query.dialect.clock, fingerprint(query).reads)


def is_unchanged(
    before: str, after: str, child: str, dialect: str = "postgres", *, views: Mapping[str, str] | None = None
) -> bool:
    """Whether `child` may stay as it is when the parent's query becomes `after`."""
    then, now = (content_read(parent(sql, dialect), child, dialect, views=views) for sql in (before, after))
    return then is not None and then == now
