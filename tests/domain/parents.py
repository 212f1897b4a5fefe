"""A parent `s.p` that is built, edited and built again, and what its child reads of it, for the tests of rule F9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.domain.building import BUILT, CASE, HASHES, SUBMISSION, built_before
from tests.domain.coding import code

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.data_identity import columns_identity_at
from dbt_state_oss.domain.draft import draft_execution
from dbt_state_oss.domain.history import DataTestResults, Execution, History
from dbt_state_oss.domain.relation import Epoch, Relation
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import ExecutionType, NodeHashes

EPOCH = 7
"""When the parent stands as it was built."""


def parent(
    sql: str,
    dialect: str = "postgres",
    *,
    views: Mapping[str, str] | None = None,
    extras: Mapping[str, str] | None = None,
    hashes: NodeHashes = HASHES,
    execution_type: ExecutionType = ExecutionType.FULL,
    inputs_at: Epoch = 1,
    schema: Mapping[str, str] | None = None,
    target_name: str = "prod",
    **changes: Any,
) -> Execution:
    """A confirmed build of `s.p` from `sql`, on tables that were all written at `inputs_at`, then changed.

    `schema` is that of each of these tables as the client sends it.
    """
    query = code(sql, dialect, target="db.s.p", views=views)
    made = fingerprint(query)
    submission = replace(
        SUBMISSION,
        code=query,
        execution_type=execution_type,
        own_epoch=None,
        inputs={leaf: inputs_at for slot in made.slots for leaf in slot.leaves},
        schemas={leaf: schema for slot in made.slots for leaf in slot.leaves if schema is not None},
        node=replace(SUBMISSION.node, hashes=hashes, target_name=target_name),
    )
    case = replace(CASE, submission=submission, fingerprint=made, extras=CASE.extras if extras is None else extras)
    built = draft_execution(case, execution_id="ns.p.x1", decided_at=0)
    return replace(built, **{"epoch": EPOCH, "confirmed_at": 1, **changes})


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


BEFORE = "select id, amount as total from s.orders"
AFTER = "select id, amount as total, amount * 2 as twice from s.orders"
CHILD = "select id, total from s.p"
PARENT = Relation('"db"."s"."p"')


def child_of(
    before: Execution,
    after: Execution,
    *,
    sql: str = CHILD,
    reports: Epoch | None = EPOCH + 1,
    compare_selected_columns: bool = True,
    views: Mapping[str, str] | None = None,
    **changes: Any,
) -> Case:
    """A child that was built on the parent as `before` left it, and asks again when the parent stands at `reports`.

    `changes` are fields of both of its submissions.
    """
    query = code(sql, target="db.s.child", views=views)
    submission = replace(
        SUBMISSION,
        code=query,
        inputs={PARENT: before.epoch},
        compare_selected_columns=compare_selected_columns,
        **changes,
    )
    case = replace(CASE, submission=submission, fingerprint=fingerprint(query), upstream={PARENT: History((before,))})
    return replace(
        built_before(case, results=DataTestResults(0, should_warn=False, should_error=False)),
        submission=replace(submission, inputs={PARENT: reports}),
        upstream={PARENT: History((before,)).merged([after])},
    )


def edited(sql: str = AFTER, **changes: Any) -> Execution:
    """The parent's build after its edit, then changed."""
    return parent(
        sql,
        **{
            "id": "ns.p.x2",
            "epoch": EPOCH + 1,
            "decided_at": BUILT,
            "confirmed_at": BUILT + 1,
            "found_epoch": EPOCH,
            **changes,
        },
    )
