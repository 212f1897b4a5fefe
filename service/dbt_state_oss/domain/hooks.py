"""Whether a node provably has no hooks.

No request carries the text of a hook. dbt's hash of the configuration covers hooks, so a hash that equals the hash of a
configuration without hooks proves that there are none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import md5
from itertools import combinations
from typing import Any

from dbt_state_oss.domain.submission import ExecutionType, Submission

_STRATEGIES: Mapping[ExecutionType, tuple[str, ...]] = {
    ExecutionType.APPEND: ("append", "merge"),
    ExecutionType.MERGE: ("merge",),
    ExecutionType.DELETE_INSERT: ("delete+insert",),
    ExecutionType.INSERT_OVERWRITE: ("insert_overwrite",),
    ExecutionType.FULL: ("append", "merge", "delete+insert", "insert_overwrite"),
}
"""Values of `incremental_strategy` by the execution type that they are sent as. A full refresh is sent as FULL."""

_DEFAULTS: Mapping[str, Any] = {"on_schema_change": "ignore", "lookback": 1, "delimiter": ","}
"""Values that dbt fills in: they may stand in the configuration or be absent from it."""

_PERSISTED_DOCS = ({"relation": True}, {"columns": True}, {"relation": True, "columns": True})
_MOST_OPTIONAL_KEYS = 6
"""More of them would cost too many digests, so such a node counts as one that may have hooks."""


def provably_has_no_hooks(submission: Submission) -> bool:
    """Whether the configuration hash is that of a configuration that holds no hook.

    The hash is the MD5 of the unrendered configuration as JSON with sorted keys (dbt-state 2.30 to 2.62). The candidates
    consist of the materialization, the strategy, the semantic extras and `persist_docs`. A key that is in no extra, such as
    `meta`, makes the proof fail. Costs some hundred short digests at most.
    """
    node = submission.node
    if not node.tracked:
        return False
    if node.hashes.configs is None:
        # A client that tells the defer target (2.62) leaves the hash out only where the configuration is empty.
        return submission.clone_terms.into_defer_target is not None
    return any(_hash(candidate) == node.hashes.configs for candidate in _candidates(submission))


def _candidates(submission: Submission) -> Iterator[dict[str, Any]]:
    given = {key: value for key, text in submission.extras.items() if (value := _configured(key, text)) is not None}
    optional = [key for key, value in given.items() if value is False or _DEFAULTS.get(key) == value]
    if len(optional) > _MOST_OPTIONAL_KEYS:
        return
    for basis in _bases(submission):
        for count in range(len(optional) + 1):
            for left_out in combinations(optional, count):
                yield basis | {key: value for key, value in given.items() if key not in left_out}


def _bases(submission: Submission) -> Iterator[dict[str, Any]]:
    """Everything but the extras, in each spelling that leads to this request."""
    documented = "__persisted_docs_hash" in submission.extras
    for basis in _materializations(submission):
        yield basis
        if documented:
            yield from (basis | {"persist_docs": docs} for docs in _PERSISTED_DOCS)


def _materializations(submission: Submission) -> Iterator[dict[str, Any]]:
    execution_type, resource_type = submission.execution_type, submission.node.resource_type
    if resource_type in ("seed", "snapshot"):
        yield {}
        yield {"materialized": resource_type}
        return
    if execution_type is ExecutionType.FULL:
        yield {"materialized": "table"}
    if execution_type in _STRATEGIES:
        yield {"materialized": "incremental"}
        for strategy in _STRATEGIES[execution_type]:
            yield {"materialized": "incremental", "incremental_strategy": strategy}


def _configured(key: str, text: str) -> Any:
    """The value that an extra has in the configuration; None where it says nothing or is computed by the client."""
    if key.startswith("__"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if key == "contract" and isinstance(value, dict):
        return {"enforced": True} if value.get("enforced") else None
    return None if value == {} else value


def _hash(configuration: dict[str, Any]) -> str:
    return md5(json.dumps(configuration, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()
