"""What befalls requests to S3, as data: by name, the answer instead of the server's, or what becomes of the connection."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import replace

from tests.emulators.proxy import Answer, Fault, Forward, Request

SLOW_SECONDS = 2.0
"""Longer than what stores of these tests wait."""


def _says(status: int, code: str) -> Fault:
    body = f"<Error><Code>{code}</Code><Message>made up for a test</Message></Error>".encode()

    def fault(_: Request, __: Forward) -> Answer:
        return Answer(status, [("Content-Type", "application/xml")], body)

    return fault


def _slow(_: Request, forward: Forward) -> Answer:
    time.sleep(SLOW_SECONDS)
    return forward()


def _reset(_: Request, __: Forward) -> None:
    return None


def _reset_in_the_body(request: Request, _: Forward) -> None:
    request.read_half()


def _lost_answer(_: Request, forward: Forward) -> None:
    forward()


def _cut_answer(_: Request, forward: Forward) -> Answer | None:
    answer = forward()
    if not answer.body:
        return None
    return replace(answer, body=answer.body[: len(answer.body) // 2], promised=len(answer.body))


def _answers_of_somebody_else(_: Request, __: Forward) -> Answer:
    return Answer(200, [("Content-Type", "text/html")], b"<html>Please log in to the guest network.</html>")


TRANSIENT: dict[str, Fault] = {
    "throttled": _says(503, "SlowDown"),
    "too many requests": _says(429, "TooManyRequests"),
    "an internal error": _says(500, "InternalError"),
    "a gateway without a server": _says(502, "BadGateway"),
    "a slow answer": _slow,
    "a connection that is reset": _reset,
    "a connection that is reset in the middle of the body": _reset_in_the_body,
    "an answer that is lost": _lost_answer,
    "an answer that ends too early": _cut_answer,
    "an answer of somebody else": _answers_of_somebody_else,
}
"""Faults that pass."""

LASTING: dict[str, Fault] = {
    "expired credentials": _says(400, "ExpiredToken"),
    "a clock that is wrong": _says(403, "RequestTimeTooSkewed"),
    "access that is denied": _says(403, "AccessDenied"),
}
"""Faults that somebody has to mend."""


def every(number: int) -> Callable[[Request], bool]:
    """Holds for each `number`-th request."""
    counter = itertools.count(1)
    return lambda _: next(counter) % number == 0


def some(share: float, *, seed: int) -> Callable[[Request], bool]:
    """Holds for a share of all requests, drawn from a seed."""
    drawn = random.Random(seed)
    return lambda _: drawn.random() < share


def once(on: Callable[[Request], bool] = lambda _: True) -> Callable[[Request], bool]:
    """Holds for the first request that `on` holds for."""
    left = itertools.count()
    return lambda request: on(request) and next(left) == 0
