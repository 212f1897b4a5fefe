"""Compares what a build has read with what was recorded of its inputs since the build was decided (rules F1a, I1)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.recording import history_of, may_be_told_nothing
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, History, Input
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.silent import unread_build_since
from dbt_state_oss.domain.submission import TargetKey

_VIEW_REPLACED = "a view that it read was replaced while it was built"


async def read_by(
    ledger: Ledger, organization: str, target: TargetKey, draft: Execution, views: Collection[Relation] = ()
) -> Execution:
    """The draft, after its target is listed as a reader of the recorded tables that it read. Raises `StoreError`.

    If one of them was built in the meantime, it is unknown what the draft read of it: neither the reported epoch shows that,
    nor has the draft a data identity or a lineage. The draft proves nothing if one of `views`, which it read, got other logic
    in the meantime.
    """
    # One that was on no record when the build was decided may have come on record since.
    clock = dialect_named(draft.logic.dialect).clock
    documents, of_views = await asyncio.gather(
        ledger.read_by(organization, target, draft.inputs, clock),
        ledger.histories(organization, target.namespace, views),
    )
    began = draft.decided_at
    if began is not None and any(history.got_other_logic_after(began) for history in of_views.values()):
        draft = replace(draft, unproven=_VIEW_REPLACED, data_identity=None, lineage=UNKNOWN_LINEAGE)
    histories = {relation: History() if found is None else history_of(found) for relation, found in documents.items()}
    unseen = {
        relation: replace(known, epoch=None)
        for relation, known in draft.inputs.items()
        if unread_build_since(histories[relation], draft, known)
        or (draft.origin is None and _was_built_meanwhile(draft, known, histories[relation]))
        or may_be_told_nothing(documents[relation], target.name, known, clock)
    }
    draft = replace(draft, inputs={**draft.inputs, **unseen}) if unseen else draft
    if unseen and draft.origin is None:
        return replace(draft, data_identity=None, lineage=UNKNOWN_LINEAGE)
    return draft


def _was_built_meanwhile(draft: Execution, known: Input, history: History) -> bool:
    began = draft.decided_at
    return began is not None and any(
        one.confirmed_at >= began and one.epoch != known.epoch and one.data_identity != known.identity
        for one in history.executions
    )
