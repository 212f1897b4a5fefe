"""Builders of submissions, executions and cases: a table model `mart` over `orders` and `customers`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.draft import draft_execution
from dbt_state_oss.domain.history import Execution, History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Slot
from dbt_state_oss.domain.submission import Code, ExecutionType, Node, NodeHashes, Submission, TargetKey

MART = Relation('"shop"."prod"."mart"')
ORDERS = Relation('"shop"."raw"."orders"')
CUSTOMERS = Relation('"shop"."raw"."customers"')
PRODUCTS = Relation('"shop"."raw"."products"')

MINUTE = 60_000
HOUR = 60 * MINUTE
T0 = 1_795_352_200_000
"""When the inputs were last written; the mart was built an hour later."""
BUILT = T0 + HOUR
NOW = BUILT + 2 * HOUR
HASHES = NodeHashes(body="b1", configs="c1", macros="m1", persisted_descriptions="d1", contract="k1")

FINGERPRINT = Fingerprint(FingerprintKind.PARSED, "f1", slots=(Slot(ORDERS, (ORDERS,)), Slot(CUSTOMERS, (CUSTOMERS,))))
SUBMISSION = Submission(
    key=TargetKey("ns", MART),
    relation=MART,
    execution_type=ExecutionType.FULL,
    code=Code(dialect_named("postgres"), "select 1", "shop", "public", MART),
    extras={},
    own_epoch=BUILT,
    inputs={ORDERS: T0, CUSTOMERS: T0},
    node=Node("model.shop.mart", "mart", "model", "shop", "4711", "shop", "prod", HASHES, tracked=True),
)
CASE = Case(SUBMISSION, History(), FINGERPRINT, raw_digest="r1", extras={"grants": "g1", "unique_key": "u1"}, now=NOW)


def execution(case: Case = CASE, **changes: Any) -> Execution:
    """A confirmed build of `case`, then changed."""
    built = draft_execution(case, execution_id="ns.t.x1", decided_at=BUILT - MINUTE)
    outcome = {"epoch": case.submission.own_epoch, "found_epoch": None, "built_at": BUILT, "confirmed_at": BUILT}
    return replace(built, **{**outcome, **changes})


def built_before(case: Case = CASE, *older: Execution, **changes: Any) -> Case:
    """The case with a history: its own build as the latest execution (then changed), and `older` ones."""
    return replace(case, history=History().merged([execution(case, **changes), *older]))


def asked(case: Case, **changes: Any) -> Case:
    """The case with another submission: `changes` are fields of it, `node` may give only the hashes' changes."""
    return replace(case, submission=replace(case.submission, **changes))


def hashed(case: Case, **changes: Any) -> Case:
    """The case with other hashes of the node's source."""
    node = case.submission.node
    return asked(case, node=replace(node, hashes=replace(node.hashes, **changes)))
