"""Asks the user to confirm an action."""

from __future__ import annotations

from dbt_state_oss.errors import InvalidSettings


def agreed(question: str) -> bool:
    """Ask the question and return whether the answer is yes. Raises InvalidSettings if there is no terminal to answer on.

    Call this outside of an event loop: inside one, Ctrl-C does not interrupt the question.
    """
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        print()
        raise InvalidSettings(
            "there is no terminal to confirm on; nothing was changed. Use --yes to skip the confirmation"
        ) from None
    return answer.strip().lower() in ("y", "yes")
