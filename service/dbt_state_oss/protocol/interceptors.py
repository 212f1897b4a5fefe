"""Wraps every call: identifies the caller, sets a timeout, translates errors to status codes, and logs one line.

`intercepted` wraps a method once, when it is registered. The interceptors of grpc.aio would build a new handler for each
call. Servicers do not see gRPC or its context: they take a Caller and a message, and return a message.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import structlog
from grpc import StatusCode
from grpc.aio import ServicerContext

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller, ClientLine
from dbt_state_oss.application.large import by_size
from dbt_state_oss.errors import DbtStateError
from dbt_state_oss.protocol.calls import Calls
from dbt_state_oss.protocol.status import STATUS_WHEN_ENDING, status_of, status_of_timeout, status_of_unexpected
from dbt_state_oss.protocol.unreadable import Parse, UnreadableMessage, read_message
from dbt_state_oss.telemetry.limited import LimitedWarning

Method = Callable[[Caller, Any], Awaitable[Any]]
"""A servicer's method. It takes a request message, returns a response message, and raises errors of `dbt_state_oss.errors`."""

Behaviour = Callable[[Any, ServicerContext[Any, Any]], Awaitable[Any]]

_LIBRARIES = {"grpc-python": ClientLine.PYTHON, "tonic/": ClientLine.RUST}
"""The client line by the start of a product name in `user-agent`."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9-]{1,48}")
_log = structlog.get_logger(__name__)


def intercepted(
    rpc: str, method: Method, *, parse: Parse, calls: Calls, unreadable: LimitedWarning, timeout_seconds: float
) -> Behaviour:
    """Return a wrapper of `method` that gRPC calls with the bytes of a request. `rpc` is "Service/Method", for the log.

    `timeout_seconds` bounds the call if the client's own deadline is later or absent. `calls` counts the call, or refuses it
    while the server stops. `unreadable` logs a warning if the bytes cannot be parsed.
    """

    async def behaviour(data: bytes, context: ServicerContext[Any, Any]) -> Any:
        if not calls.begin(context):
            return await context.abort(*STATUS_WHEN_ENDING)
        caller = caller_of(context, request_bytes=len(data))
        seconds = _time_allowed(context, timeout_seconds)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(seconds) as bound:
                response = await method(caller, await by_size(len(data), read_message, parse, data))
        except UnreadableMessage as error:
            code, details = status_of(error)
            unreadable(**_log_fields(rpc, caller, code, started), cause=details)
            return await context.abort(code, details)
        except DbtStateError as error:
            code, details = status_of(error)
        except Exception as error:  # noqa: BLE001 - the caller gets a status, and the log gets the traceback
            if isinstance(error, TimeoutError) and bound.expired():
                code, details = status_of_timeout(seconds)
            else:
                code, details = status_of_unexpected(caller.request_id)
                _log.exception("internal_error", rpc=rpc, request_id=caller.request_id)
        else:
            _log.debug("call", **_log_fields(rpc, caller, StatusCode.OK, started))
            return response
        _log.warning("call_failed", **_log_fields(rpc, caller, code, started), cause=details)
        return await context.abort(code, details)

    return behaviour


def caller_of(context: ServicerContext[Any, Any], *, request_bytes: int) -> Caller:
    """Return the caller from the call's metadata. A new id replaces an absent or malformed request id (rule W6)."""
    request_id = session_id = ""
    client = None
    for key, value in context.invocation_metadata() or ():
        if key == "x-request-id":
            request_id = _identifier(value)
        elif key == "x-session-id":
            session_id = _identifier(value)
        elif key == "user-agent" and isinstance(value, str):
            client = client_line_of(value)
    return Caller(DEFAULT_ORGANIZATION, request_id or uuid4().hex, session_id, client, request_bytes)


def client_line_of(user_agent: str) -> ClientLine | None:
    """Return the client line that uses this gRPC library, because no header names the client itself.

    Returns None if the library is unknown or ambiguous.
    """
    lines = {line for product in user_agent.split() for name, line in _LIBRARIES.items() if product.startswith(name)}
    return lines.pop() if len(lines) == 1 else None


def _identifier(value: str | bytes) -> str:
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else ""


def _time_allowed(context: ServicerContext[Any, Any], timeout_seconds: float) -> float:
    remaining: float | None = context.time_remaining()
    return timeout_seconds if remaining is None else min(remaining, timeout_seconds)


def _log_fields(rpc: str, caller: Caller, code: StatusCode, started: float) -> dict[str, object]:
    return {
        "rpc": rpc,
        "status": code.name,
        "duration_ms": round((time.perf_counter() - started) * 1000, 2),
        "request_id": caller.request_id,
        "session_id": caller.session_id,
    }
