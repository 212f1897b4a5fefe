"""Whether a node provably has no hooks: its complete configuration can be reconstructed without them (rule C4).

The client sends no hook. It sends the MD5 of the node's unrendered configuration, as JSON with sorted keys, without `alias`,
`schema`, `database`, `tags` and `group`. If that is the MD5 of a configuration without `pre_hook` and `post_hook`, there are no
hooks. The semantic extras contain the values of most keys; the values of the others are tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import md5
from itertools import chain, combinations, islice, product
from typing import Any

from dbt_state_oss.domain.submission import ExecutionType, StaleUpstreamPolicy, Submission

_MOST_TRIED = 256
"""Configurations that are tried for one node and strategy: a few milliseconds of work, once per hash and process."""

_LONGEST_EXTRAS = 4096
"""Total characters of the extras up to which anything is tried: each try hashes them, perhaps on the event loop."""

_MOST_BESIDE = 2
"""How many keys that are not extras are tried at once."""

_INCREMENTAL = {"materialized": "incremental"}
_MATERIALIZED: dict[ExecutionType, tuple[dict[str, Any], ...]] = {
    ExecutionType.FULL: ({"materialized": "table"},),
    ExecutionType.VALUES: ({},),
    # Without a strategy an incremental is sent as APPEND, as is a merge without a key (dbt-state 2.62).
    ExecutionType.APPEND: (
        _INCREMENTAL,
        {**_INCREMENTAL, "incremental_strategy": "append"},
        {**_INCREMENTAL, "incremental_strategy": "merge"},
    ),
    ExecutionType.MERGE: ({**_INCREMENTAL, "incremental_strategy": "merge"},),
    ExecutionType.DELETE_INSERT: ({**_INCREMENTAL, "incremental_strategy": "delete+insert"},),
}
"""What dbt must know to build a table, a seed or an incremental."""

_DEFAULTS = {"on_schema_change": "ignore", "lookback": 1, "delimiter": ","}

_Key = tuple[str, object]
_BESIDE: tuple[_Key, ...] = (
    ("persist_docs", {"relation": True, "columns": True}),
    ("persist_docs", {"relation": True}),
    ("persist_docs", {"columns": True}),
    ("enabled", True),
    ("full_refresh", False),
    ("full_refresh", True),
    ("access", "public"),
    ("access", "protected"),
    ("access", "private"),
    ("docs", {"show": False}),
    ("docs", {"show": True}),
    ("meta", {}),
)


def has_no_hooks(submission: Submission) -> bool:
    """Whether the configuration provably has neither a pre-hook nor a post-hook. False proves nothing."""
    bases = _MATERIALIZED.get(submission.execution_type, ())
    node = submission.node
    if not bases or node.resource_type == "snapshot" or not node.tracked or node.hashes.body is None:
        return False
    if node.hashes.configs is None:
        # A client that tells the defer target (2.62) leaves out the hash of an empty configuration alone.
        return {} in bases and submission.clone_terms.into_defer_target is not None
    extras = tuple(sorted((key, text) for key, text in submission.extras.items() if not key.startswith("__")))
    if sum(len(key) + len(text) for key, text in extras) > _LONGEST_EXTRAS:
        return False
    return _is_spelled_out(node.hashes.configs, submission.execution_type, extras, tuple(_state_options(submission)))


@lru_cache(4096)
def _is_spelled_out(
    configs: str, execution_type: ExecutionType, extras: tuple[tuple[str, str], ...], state: tuple[str, ...]
) -> bool:
    tried = chain.from_iterable(
        islice(_configurations(base, dict(extras), state), _MOST_TRIED) for base in _MATERIALIZED[execution_type]
    )
    return any(_hash(configuration) == configs for configuration in tried)


def _hash(configuration: Mapping[str, str]) -> str:
    """The hash of a configuration whose values are JSON texts already. Long ones would be encoded again at each try."""
    members = ", ".join(f"{json.dumps(key)}: {text}" for key, text in sorted(configuration.items()))
    return md5(f"{{{members}}}".encode(), usedforsecurity=False).hexdigest()


def _texts(configuration: Mapping[str, Any]) -> dict[str, str]:
    return {key: json.dumps(value, sort_keys=True) for key, value in configuration.items()}


def _configurations(
    base: Mapping[str, Any], extras: Mapping[str, str], state: tuple[str, ...]
) -> Iterator[dict[str, str]]:
    """Configurations without hooks that would give these extras, with values as JSON; the most likely first."""
    beside = (*_BESIDE, *(("state", json.loads(option)) for option in state))
    added = list(chain.from_iterable(combinations(beside, count) for count in range(_MOST_BESIDE + 1)))
    options = [(key, _values(key, text)) for key, text in extras.items()]
    set_keys = [(key, values) for key, values in options if values]
    told = [
        {key: text for (key, _), text in zip(set_keys, chosen, strict=True) if text is not None}
        for chosen in islice(product(*(values for _, values in set_keys)), _MOST_TRIED)
    ]
    made = _texts(base)
    for more in added:
        beside_extras = _texts(dict(more))
        for known in told:
            yield {**made, **known, **beside_extras}


def _values(key: str, text: str) -> list[str | None]:
    """What the configuration may contain, as JSON, if an extra has this value; None for an absent key.

    Empty if the key is almost certainly absent.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if key == "contract":
        if not isinstance(value, dict) or not value.get("enforced"):
            return []
        return ['{"enforced": true}', json.dumps(value, sort_keys=True)]
    if not value or _DEFAULTS.get(key) == value:
        return []
    return [json.dumps(value, sort_keys=True), None]


def _state_options(submission: Submission) -> Iterator[str]:
    """The block `state` of the configuration with one option, as JSON, if the request shows that the option is set."""
    seconds = submission.lag_tolerance_seconds
    for unit, size in (("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)):
        if seconds % size == 0:
            yield json.dumps({"lag_tolerance": f"{seconds // size}{unit}"})
    if submission.stale_upstream_policy is StaleUpstreamPolicy.ALL:
        yield json.dumps({"require_fresh_data_from": "all"})
    for option, is_set in (
        ("evaluate_volatile_sql", not submission.tolerate_nondeterminism),
        ("compare_unrendered_code", submission.compare_unrendered_code),
        ("compare_selected_columns", submission.compare_selected_columns),
        ("ignore_external_modifications", submission.ignore_external_modifications),
    ):
        if is_set:
            yield json.dumps({option: True})
