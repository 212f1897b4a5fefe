"""What a build has read, held against what has been recorded of it since the build was decided (rules F1a, I1)."""

from __future__ import annotations

from dataclasses import replace

from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.recording import history_of, may_be_told_nothing
from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Execution, History, Input
from dbt_state_oss.domain.silent import unread_build_since
from dbt_state_oss.domain.submission import TargetKey


async def read_by(ledger: Ledger, organization: str, target: TargetKey, draft: Execution) -> Execution:
    """The draft, once its target is listed as a reader of the tables of ours that it read. Raises `StoreError`.

    If one of them has been built meanwhile, what the draft read of it is not known, so neither is its content or lineage. If
    that build was silent, or its hooks may still have run, the epoch that was reported does not tell what was read.
    """
    if not draft.inputs:
        return draft
    # One that was on no record when the build was decided may have come on record since.
    clock = dialect_named(draft.logic.dialect).clock
    documents = await ledger.read_by(organization, target, draft.inputs, clock)
    histories = {relation: History() if found is None else history_of(found) for relation, found in documents.items()}
    unseen = {
        relation: replace(known, epoch=None)
        for relation, known in draft.inputs.items()
        if unread_build_since(histories[relation], draft, known)
        or may_be_told_nothing(documents[relation], target.name, known, clock)
    }
    draft = replace(draft, inputs={**draft.inputs, **unseen}) if unseen else draft
    if draft.origin is None and any(
        relation in unseen or _was_built_meanwhile(draft, known, histories[relation])
        for relation, known in draft.inputs.items()
    ):
        return replace(draft, data_identity=None, lineage=UNKNOWN_LINEAGE)
    return draft


def _was_built_meanwhile(draft: Execution, known: Input, history: History) -> bool:
    began = draft.decided_at
    return began is not None and any(
        one.confirmed_at >= began and one.epoch != known.epoch and one.data_identity != known.identity
        for one in history.executions
    )
