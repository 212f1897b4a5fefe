"""Variations of the plain case: other warehouses, kinds of nodes, upstream histories, overlapping builds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.domain.building import (
    BUILT,
    CASE,
    CUSTOMERS,
    FINGERPRINT,
    HOUR,
    MART,
    MINUTE,
    ORDERS,
    T0,
    asked,
    built_before,
    execution,
)

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import DataTestResults, Execution, History, Input
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, Slot
from dbt_state_oss.domain.submission import Code, ExecutionType, TargetKey

SAME = built_before()
PASSED = DataTestResults(0, should_warn=False, should_error=False)
SWAPPED = replace(FINGERPRINT, slots=FINGERPRINT.slots[::-1])
CHANGED = replace(FINGERPRINT, digest="f2")
DAY = 24 * HOUR
ALL_FRESH = {ORDERS: BUILT + HOUR, CUSTOMERS: BUILT + HOUR}
ORDERS_FRESH = {ORDERS: BUILT + HOUR, CUSTOMERS: T0}


def on(dialect: str, case: Case) -> Case:
    """The same case on another warehouse, its history included."""
    code = Code(dialect_named(dialect), "select 1", "shop", "public", MART)
    return built_before(asked(replace(case, history=History()), code=code))


def typed(execution_type: ExecutionType, case: Case = CASE) -> Case:
    return asked(case, execution_type=execution_type)


def resource(kind: str, case: Case) -> Case:
    return asked(case, node=replace(case.submission.node, resource_type=kind))


def as_test(results: DataTestResults | None = PASSED) -> Case:
    key = TargetKey("ns", "test:test.shop.not_null")
    test = resource(
        "test", asked(CASE, key=key, relation=None, own_epoch=None, execution_type=ExecutionType.DBT_DATA_TEST)
    )
    return built_before(test, results=results)


def as_view(*, lineage: str | None, star: bool = True, recorded: str | None = "l1") -> Case:
    """A view on orders whose upstream execution has `lineage` now and had `recorded` at the view's last build."""
    stars = (ORDERS,) if star else ()
    view = replace(
        CASE, fingerprint=Fingerprint(FingerprintKind.PARSED, "v1", (Slot(ORDERS, (ORDERS,)),), star_relations=stars)
    )
    view = asked(view, execution_type=ExecutionType.VIEW, inputs={})
    inputs = {ORDERS: Input(BUILT, recorded, last_build_at=BUILT)} if star else {}
    upstream = History() if lineage is None else History((execution(lineage=lineage),))
    return replace(built_before(view, inputs=inputs), upstream={ORDERS: upstream})


def with_upstream(case: Case, *, recorded: str | None, now: str | None) -> Case:
    """orders is ours: the mart's record saw the lineage `recorded`, its own latest execution has `now`."""
    latest = case.history.executions[0]
    inputs = {**latest.inputs, ORDERS: Input(T0, recorded)}
    upstream = History() if now is None else History((_rebuilt(lineage=now), *_first(recorded)))
    return replace(case, history=History((replace(latest, inputs=inputs),)), upstream={ORDERS: upstream})


def overlapping(epoch: int, case: Case = SAME, **changes: Any) -> Case:
    """The case with one more build in its history, of other logic unless changed, begun before the latest was confirmed."""
    different = replace(case, fingerprint=CHANGED).logic
    began, confirmed = BUILT - 2 * MINUTE, BUILT - 1
    fields = {"logic": different, "decided_at": began, "confirmed_at": confirmed, **changes}
    other = execution(case, id="ns.t.x0", epoch=epoch, **fields)
    return replace(case, history=case.history.merged([other]))


def _rebuilt(**changes: Any) -> Execution:
    """orders, built again after the mart, which had read what this build found there."""
    times = {"epoch": BUILT + HOUR, "decided_at": BUILT + MINUTE, "confirmed_at": BUILT + HOUR, "found_epoch": T0}
    return execution(**{**times, **changes})


def _first(lineage: str | None, data_identity: str | None = None) -> tuple[Execution, ...]:
    """The build of orders that the mart had read, if it is ours."""
    if lineage is None:
        return ()
    times: dict[str, Any] = {"epoch": T0, "decided_at": T0 - 1, "confirmed_at": T0}
    return (execution(**{**times, "id": "ns.t.first", "lineage": lineage, "data_identity": data_identity}),)


def with_content(
    case: Case, *, recorded: str | None, now: str | None, read: Relation = ORDERS, rival: bool = False
) -> Case:
    """orders was of the content `recorded` at the last build; `read`, which is ours, is of the content `now`."""
    latest = case.history.executions[0]
    inputs = {**latest.inputs, ORDERS: Input(T0, "l1", recorded)}
    written = _rebuilt(lineage="l1", data_identity=now)
    other = replace(written, id="ns.t.x0", logic=replace(CASE, fingerprint=CHANGED).logic)
    upstream = History((written, *([other] if rival else []), *_first("l1", recorded)))
    seen_later = History((_rebuilt(), *_first("l1", recorded)))
    return replace(
        case, history=History((replace(latest, inputs=inputs),)), upstream={ORDERS: seen_later, read: upstream}
    )
