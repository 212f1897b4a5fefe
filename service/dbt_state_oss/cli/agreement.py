"""Asking before something is undone."""

from __future__ import annotations

from dbt_state_oss.errors import InvalidSettings


def agreed(question: str) -> bool:
    """Whether the user says yes. Raises InvalidSettings where nobody is there to answer.

    To be asked outside of any event loop, which would keep Ctrl-C from the question.
    """
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        print()
        raise InvalidSettings(
            "there is no terminal to confirm on; nothing was changed. Use --yes to skip the confirmation"
        ) from None
    return answer.strip().lower() in ("y", "yes")
