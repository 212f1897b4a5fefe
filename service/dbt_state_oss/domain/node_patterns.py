"""Shell-style patterns that name nodes in settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from dbt_state_oss.domain.relation import Relation


@dataclass(frozen=True, slots=True)
class NodePatterns:
    """Patterns as for `fnmatch`, case-sensitive. An empty set matches nothing."""

    patterns: tuple[str, ...] = ()

    def match(self, unique_id: str, *relations: Relation | None) -> bool:
        """Whether a pattern matches the node's id, its package, or a relation with or without quotes."""
        return bool(self.patterns) and _match(self.patterns, unique_id, relations)


NO_NODES = NodePatterns()


@lru_cache(16_384)
def _match(patterns: tuple[str, ...], unique_id: str, relations: tuple[Relation | None, ...]) -> bool:
    """The nodes of a project are matched many times."""
    _, _, rest = unique_id.partition(".")
    names = [unique_id, rest.partition(".")[0]]
    for relation in relations:
        if relation is not None:
            names += (relation, relation.replace('"', ""))
    matches = _compiled(patterns).match
    return any(matches(name) for name in names if name)


@lru_cache(16)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))
