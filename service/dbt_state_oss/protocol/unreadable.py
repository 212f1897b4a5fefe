"""Answers messages that cannot be parsed with INVALID_ARGUMENT, and logs a rate-limited warning.

By default gRPC parses a request before it calls the method. If that fails, it answers UNKNOWN and logs a traceback. So
methods receive the bytes and parse them here, where the failure can be handled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode
from grpc.aio import ServicerContext

from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.telemetry.limited import LimitedWarning

Context = ServicerContext[Any, Any]
Parse = Callable[[bytes], Any]
"""Parses bytes to a message. Raises DecodeError."""

_DETAILS = "The request is not a valid message of this method."


class UnreadableMessage(InvalidRequest):
    """The bytes of a request are not a message of its method."""


def read_message(parse: Parse, data: bytes) -> Any:
    """Parse the message. Raises UnreadableMessage."""
    try:
        return parse(data)
    except DecodeError as error:
        raise UnreadableMessage(_DETAILS) from error


class ToleratingServer:
    """Registers the services of gRPC's libraries with `server`, so that unreadable messages are handled there too.

    Pass it in place of the server to `add_…Servicer_to_server`.
    """

    def __init__(self, server: grpc.aio.Server, warn: LimitedWarning) -> None:
        self._server = server
        self._warn = warn

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """Do nothing: `add_registered_method_handlers` receives the same methods in a form that can be inspected."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        tolerating = {name: _tolerating(handler, f"{service}/{name}", self._warn) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, tolerating),))


def _tolerating(handler: Any, rpc: str, warn: LimitedWarning) -> Any:
    """Return the handler (a namedtuple of grpc) changed to answer an unreadable message with INVALID_ARGUMENT."""
    parse = handler.request_deserializer

    async def refuse(context: Context) -> None:
        warn(rpc=rpc, status=StatusCode.INVALID_ARGUMENT.name, cause=_DETAILS)
        await context.abort(StatusCode.INVALID_ARGUMENT, _DETAILS)

    if handler.request_streaming:
        stream = handler.stream_stream

        async def answers(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            try:
                async for answer in stream(requests, context):
                    yield answer
            except DecodeError:
                await refuse(context)

        return handler._replace(stream_stream=answers)

    inner = handler.unary_stream if handler.response_streaming else handler.unary_unary

    async def answer(data: bytes, context: Context) -> Any:
        try:
            request = parse(data)
        except DecodeError:
            return await refuse(context)
        return await inner(request, context)

    changed = {"unary_stream" if handler.response_streaming else "unary_unary": answer}
    return handler._replace(request_deserializer=None, **changed)
