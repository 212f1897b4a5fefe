"""The hunt's own account: what it claims of a run, told by what became of each node."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.e2e.build import Build, Decision, NodeResult
from tests.e2e.hunt.contents import Content, Contents
from tests.e2e.hunt.evidence import Evidence
from tests.e2e.hunt.following import Account, Claim, follow
from tests.e2e.hunt.project import Kind, Node, Project

BUILT, KEPT = Decision.EXECUTE, Decision.NO_OP
ROWS = Content(kind="r", columns=(), properties=(), rows=("(1)",))
MIDDLE = Node(name="middle", kind=Kind.TABLE, parents=("raw.s1",))
LOG = Node(name="middle", kind=Kind.INCREMENTAL, parents=("raw.s1",), only_newer=True)
HOOK = {"post_hook": "delete from {{ this }} where id = 1"}


class History:
    """A table or incremental `middle`, and the table `mart` that reads it, in production."""

    def __init__(self, middle: Node = MIDDLE) -> None:
        self.evidence = Evidence()
        self.middle = middle
        self.run(BUILT, BUILT)

    def run(self, middle: Decision, mart: Decision, *, older_client: str = "") -> Account:
        """A run after which everything has the rows that it had before."""
        reader = Node(name="mart", kind=Kind.TABLE, parents=("middle",))
        held: Contents = {"raw": {"s1": ROWS}, "prod": {"middle": ROWS, "mart": ROWS}}
        return follow(
            self.evidence,
            "prod",
            Project(nodes={"middle": self.middle, "mart": reader}, tests={}),
            Build(0, "", {"middle": _result(middle), "mart": _result(mart)}, ()),
            full_refresh=False,
            before=held,
            after=held,
            older_client=older_client,
        )

    def damage(self) -> None:
        self.evidence.damaged("prod", self.middle)


def _result(decision: Decision) -> NodeResult:
    return NodeResult(decision, "success", "", 0, "")


@pytest.fixture
def history() -> History:
    return History()


def test_a_build_of_what_has_not_changed_is_needless(history: History) -> None:
    assert history.run(KEPT, BUILT).needless == {"mart": Claim.UNMOVED}


def test_a_reader_that_was_kept_before_the_damage_may_be_cut_off(history: History) -> None:
    history.run(KEPT, KEPT)
    history.damage()
    assert history.run(BUILT, BUILT).needless == {"mart": Claim.CUT_OFF}


def test_a_cut_off_is_counted_once(history: History) -> None:
    history.run(KEPT, KEPT)
    history.damage()
    assert history.run(BUILT, KEPT).cut_offs_taken == 1
    assert history.run(KEPT, KEPT).cut_offs_taken == 0


def test_a_reader_that_no_run_has_seen_since_its_build_is_in_doubt(history: History) -> None:
    history.damage()
    account = history.run(BUILT, BUILT)
    assert (account.needless, account.in_doubt) == ({}, 1)


def test_a_killed_server_may_lose_what_it_has_seen(history: History) -> None:
    history.run(KEPT, KEPT)
    history.evidence.server_killed()
    history.damage()
    assert history.run(BUILT, BUILT).in_doubt == 1


def test_an_incremental_without_hooks_that_writes_no_row_moves_no_reader() -> None:
    history = History(LOG)
    history.evidence.source_changed("raw.s1")
    assert history.run(BUILT, BUILT).needless == {"mart": Claim.UNMOVED}


@pytest.mark.parametrize("config", [HOOK, {"on_schema_change": "append_new_columns"}], ids=["a hook", "new columns"])
def test_nothing_is_claimed_of_the_readers_of_another_silent_build(config: dict[str, object]) -> None:
    history = History(replace(LOG, config=config))
    history.evidence.source_changed("raw.s1")
    assert history.run(BUILT, BUILT).needless == {}


def test_nothing_is_claimed_of_an_older_client(history: History) -> None:
    assert history.run(BUILT, BUILT, older_client="dbt-state-2.30.0").needless == {}
    assert history.run(BUILT, BUILT).needless == {}
