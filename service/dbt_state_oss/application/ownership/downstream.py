"""What was built from what: everything that hangs on some targets, by what their newest executions read. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.domain.submission import TargetKey


@dataclass(frozen=True, slots=True)
class Reached:
    """A target, and by way of what it is there."""

    account: TargetAccount
    reads: TargetAccount | None = None
    """The target that it was built from; None for those that were asked for."""
    depth: int = 0


def with_downstream(
    roots: Sequence[TargetAccount],
    everyone: Iterable[TargetAccount],
    *,
    beyond: Callable[[TargetAccount], bool] = lambda _: True,
) -> list[Reached]:
    """The roots, each followed by all that was built from it, directly or through others; everything once.

    What was built from a target is followed only where `beyond` holds of it.
    What can be reached in several ways stands under the nearest root, or the first of them.
    """
    readers: defaultdict[TargetKey, list[TargetAccount]] = defaultdict(list)
    for account in sorted(everyone, key=lambda one: (one.target.name, one.target.namespace)):
        for relation in account.inputs:
            readers[TargetKey(account.target.namespace, relation)].append(account)
    reached = {account.target: Reached(account) for account in roots}
    under: defaultdict[TargetKey | None, list[Reached]] = defaultdict(list, {None: list(reached.values())})
    wave = list(reached.values())
    while wave:
        following = []
        for one in filter(lambda each: beyond(each.account), wave):
            for reader in readers[one.account.target]:
                if reader.target not in reached:
                    found = reached[reader.target] = Reached(reader, one.account, one.depth + 1)
                    under[one.account.target].append(found)
                    following.append(found)
        wave = following
    return _in_order(under)


def _in_order(under: dict[TargetKey | None, list[Reached]]) -> list[Reached]:
    """From the tree to a list in which each stands before what is under it; without recursion, since it may be deep."""
    ordered, waiting = [], list(reversed(under[None]))
    while waiting:
        one = waiting.pop()
        ordered.append(one)
        waiting += reversed(under.get(one.account.target, []))
    return ordered
