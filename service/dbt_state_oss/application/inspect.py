"""What the owner of the state may look at and undo (`dbt-state-oss state`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fnmatch import fnmatchcase

from dbt_state_oss.application.ledger import Ledger, TargetAccount
from dbt_state_oss.domain.submission import ExecutionType


async def targets(ledger: Ledger, organization: str, pattern: str = "*") -> AsyncIterator[TargetAccount]:
    """The targets that a shell-style pattern matches.

    A pattern is held against the name as stored (`"db"."schema"."name"`), the same without quotes, a relation's last part
    alone, and the id of the node that was built last; letter case counts.
    """
    async for account in ledger.accounts(organization):
        if any(fnmatchcase(name, pattern) for name in _names(account)):
            yield account


def _names(account: TargetAccount) -> set[str]:
    plain = account.target.name.replace('"', "")
    names = {account.target.name, plain}
    latest = account.history.latest
    if latest is None or latest.logic.execution_type is not ExecutionType.DBT_DATA_TEST:
        names.add(plain.rsplit(".", 1)[-1])
    return names | {latest.node_id} if latest is not None and latest.node_id else names
