"""Finds all targets downstream of some targets, by the inputs of latest executions. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.domain.submission import TargetKey


@dataclass(frozen=True, slots=True)
class Reached:
    """A target, and the path by which it was reached."""

    account: TargetAccount
    reads: TargetAccount | None = None
    """The target that it was built from; None for a root."""
    depth: int = 0


def with_downstream(
    roots: Sequence[TargetAccount],
    everyone: Iterable[TargetAccount],
    *,
    follow: Callable[[TargetAccount], bool] = lambda _: True,
) -> list[Reached]:
    """Return the roots, each followed by all targets that were built from it, directly or through others. Each appears once.

    The readers of a target are followed only if `follow` returns true for that target. A target that is reached on several
    paths appears on the shortest one, or on the first of several shortest ones.
    """
    readers: defaultdict[TargetKey, list[TargetAccount]] = defaultdict(list)
    for account in sorted(everyone, key=lambda one: (one.target.name, one.target.namespace)):
        for relation in account.inputs:
            readers[TargetKey(account.target.namespace, relation)].append(account)
    reached = {account.target: Reached(account) for account in roots}
    children: defaultdict[TargetKey | None, list[Reached]] = defaultdict(list, {None: list(reached.values())})
    level = list(reached.values())
    while level:
        following = []
        for one in filter(lambda each: follow(each.account), level):
            for reader in readers[one.account.target]:
                if reader.target not in reached:
                    found = reached[reader.target] = Reached(reader, one.account, one.depth + 1)
                    children[one.account.target].append(found)
                    following.append(found)
        level = following
    return _in_order(children)


def _in_order(children: dict[TargetKey | None, list[Reached]]) -> list[Reached]:
    """Convert the tree to a list in which each target precedes its children. Not recursive, because the tree may be deep."""
    ordered, waiting = [], list(reversed(children[None]))
    while waiting:
        one = waiting.pop()
        ordered.append(one)
        waiting += reversed(children.get(one.account.target, []))
    return ordered
