"""When dbt runs were first heard of."""

from __future__ import annotations

from dbt_state_oss.application import sessions
from dbt_state_oss.application.sessions import Sessions


def test_the_first_word_of_a_run_counts() -> None:
    begun = Sessions()
    begun.begin("a", at=5)
    begun.begin("a", at=9)
    assert begun.began_at("a") == 5
    assert begun.began_at("b") is None


def test_a_client_without_a_session_is_nobody() -> None:
    begun = Sessions()
    begun.begin("", at=5)
    assert begun.began_at("") is None


def test_the_oldest_are_forgotten() -> None:
    begun = Sessions()
    for number in range(sessions._MOST_REMEMBERED + 1):
        begun.begin(str(number), at=number)
    assert begun.began_at("0") is None
    assert begun.began_at("1") == 1
