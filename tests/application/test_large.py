"""Work on a large request is done away from the event loop, work on a small one at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.application.conftest import Inside
from tests.application.runs import Runs
from tests.domain.building import ORDERS, SUBMISSION

from dbt_state_oss.application import gathering, submit
from dbt_state_oss.application.large import LARGE, by_size
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import MOST_RELATIONS, Code, Submission

WORK = [
    (gathering, "raw_digest"),
    (gathering, "canonical_extras"),
    (submit, "decide"),
    (submit, "with_clone"),
    (submit, "draft_execution"),
]
"""What a decision computes itself, by where it is called."""

assert isinstance(SUBMISSION.code, Code)
LARGE_ONES = {
    "SQL": replace(SUBMISSION, code=replace(SUBMISSION.code, sql="select 1 " + " " * LARGE)),
    "extras": replace(SUBMISSION, extras={"grants": '"' + "x" * LARGE + '"'}),
    "many extras": replace(SUBMISSION, extras={f"key {number}": "1" for number in range(900)}),
    "tables": replace(SUBMISSION, inputs={Relation(f"t{number}"): 1 for number in range(MOST_RELATIONS)}),
}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[int]]:
    """The threads in which each work was done, by its name."""
    seen: dict[str, set[int]] = {}

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*arguments: Any, **named: Any) -> Any:
            seen.setdefault(name, set()).add(threading.get_ident())
            return work(*arguments, **named)

        return watching

    for module, name in WORK:
        monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
    return seen


@pytest.mark.parametrize("submission", LARGE_ONES.values(), ids=LARGE_ONES)
async def test_the_event_loop_does_no_work_on_a_large_request(
    inside: Inside, threads: dict[str, set[int]], submission: Submission
) -> None:
    runs = Runs(inside)
    for _ in range(2):
        await runs.ask(submission)
    loop = threading.get_ident()
    assert {"raw_digest", "canonical_extras", "decide", "draft_execution"} <= threads.keys()
    assert [name for name, done_in in threads.items() if loop in done_in] == []


async def test_a_small_request_costs_no_change_of_threads(inside: Inside, threads: dict[str, set[int]]) -> None:
    await Runs(inside).ask(SUBMISSION)
    assert threads.keys() >= {"raw_digest", "canonical_extras", "decide", "draft_execution"}
    assert set().union(*threads.values()) == {threading.get_ident()}


async def test_what_work_raises_is_raised_wherever_it_is_done() -> None:
    def fail() -> None:
        raise KeyError(ORDERS)

    for size in (0, LARGE + 1):
        with pytest.raises(KeyError):
            await by_size(size, fail)
