"""Asking before something is undone."""

from __future__ import annotations


def agreed(question: str) -> bool:
    """Whether the user says yes; nobody to answer means no.

    To be asked outside of any event loop, which would keep Ctrl-C from the question.
    """
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")
