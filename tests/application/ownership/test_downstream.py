"""Everything that hangs on a target is found, once, under what it was built from."""

from __future__ import annotations

from dbt_state_oss.application.keys import target_key
from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.application.ownership.downstream import with_downstream
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import TargetKey


def account(name: str, *reads: str, namespace: str = "ns") -> TargetAccount:
    """A target that was built from `reads`."""
    key = TargetKey(namespace, name)
    return TargetAccount(target_key("default", key), key, History(), "", tuple(Relation(one) for one in reads))


def told(roots: list[TargetAccount], everyone: list[TargetAccount]) -> list[tuple[str, str | None, int]]:
    return [
        (one.account.target.name, None if one.reads is None else one.reads.target.name, one.depth)
        for one in with_downstream(roots, everyone)
    ]


def test_readers_of_readers_stand_under_what_they_read() -> None:
    a, b, c, d = account("a", "raw"), account("b", "a"), account("c", "b", "raw"), account("d", "raw")
    assert told([a], [d, c, b, a]) == [("a", None, 0), ("b", "a", 1), ("c", "b", 2)]


def test_what_is_reached_in_several_ways_stands_once_under_the_nearest() -> None:
    a, b, c = account("a", "raw"), account("b", "a"), account("c", "a", "b")
    assert told([a], [a, b, c]) == [("a", None, 0), ("b", "a", 1), ("c", "a", 1)]


def test_roots_stay_roots_though_one_reads_the_other() -> None:
    a, b, c = account("a"), account("b", "a"), account("c", "b")
    assert told([a, b], [a, b, c]) == [("a", None, 0), ("b", None, 0), ("c", "b", 1)]


def test_equal_names_in_other_namespaces_are_others() -> None:
    a, b = account("a"), account("b", "a", namespace="elsewhere")
    assert told([a], [a, b]) == [("a", None, 0)]


def test_a_circle_ends_and_a_long_chain_does_too() -> None:
    a, b = account("a", "b"), account("b", "a")
    assert told([a], [a, b]) == [("a", None, 0), ("b", "a", 1)]
    chain = [account("0"), *(account(f"{number}", f"{number - 1}") for number in range(1, 3000))]
    assert len(told(chain[:1], chain)) == 3000
