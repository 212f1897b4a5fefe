"""The gRPC server: registers the services, sets the limits of calls, starts and drains."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from query_cache_protobuf.query_cache.services import (
    client_telemetry_service_pb2,
    client_validation_service_pb2,
    clone_service_pb2,
    execution_service_pb2,
    explain_service_pb2,
    selector_service_pb2,
    sql_service_pb2,
)

from dbt_state_oss.errors import CannotListen
from dbt_state_oss.protocol.calls import REFUSING_SECONDS, Calls
from dbt_state_oss.protocol.connections import close_connections
from dbt_state_oss.protocol.health import HealthServicer
from dbt_state_oss.protocol.interceptors import Method, intercepted
from dbt_state_oss.protocol.unreadable import ToleratingServer
from dbt_state_oss.telemetry.limited import LimitedWarning

SERVICES: Mapping[str, ServiceDescriptor] = {
    descriptor.name: descriptor
    for module in (
        client_telemetry_service_pb2,
        client_validation_service_pb2,
        clone_service_pb2,
        execution_service_pb2,
        explain_service_pb2,
        selector_service_pb2,
        sql_service_pb2,
    )
    for descriptor in module.DESCRIPTOR.services_by_name.values()
}
"""The client's services by short name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`timeout_seconds` bounds every call. Calls beyond `max_concurrent_calls` are answered with RESOURCE_EXHAUSTED."""

    max_request_bytes: int = 64 * 1024 * 1024
    timeout_seconds: float = 30.0
    max_concurrent_calls: int = 1_000


class Server:
    """Serves `methods`, health and reflection.

    `methods` holds methods by service name and method name of the protocol. It must contain every method of SERVICES.
    """

    def __init__(self, methods: Mapping[str, Mapping[str, Method]], limits: Limits) -> None:
        self._limits = limits
        self._grpc = aio.server(options=_options(limits), maximum_concurrent_rpcs=limits.max_concurrent_calls)
        self.port = 0
        """The port that the server listens on, or 0 before `start`."""
        self._calls = Calls()
        self._unreadable = LimitedWarning("invalid_messages")
        self.health = HealthServicer(SERVICES[name].full_name for name in methods)
        for name, service in SERVICES.items():
            self._grpc.add_generic_rpc_handlers((self._handlers(service, methods[name]),))
        tolerating = ToleratingServer(self._grpc, self._unreadable)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, tolerating)
        names = (*(each.full_name for each in SERVICES.values()), health.SERVICE_NAME, reflection.SERVICE_NAME)
        described = reflection.aio.ReflectionServicer(names)  # type: ignore[attr-defined]
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(described, tolerating)

    async def start(self, host: str, port: int) -> int:
        """Start to listen without encryption, and return the port (`port` 0: any free port). Raises CannotListen.

        Health is NOT_SERVING until `health` is set to serving.
        """
        await self.health.set_serving(False)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound_port = self._grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise CannotListen(f"Cannot listen on {address}: {_bind_error(host, port)}.") from error
        await self._grpc.start()
        self.port = bound_port
        return bound_port

    async def drain(self, grace_seconds: float) -> None:
        """Let the running calls finish within `grace_seconds`, then refuse new ones and close every connection.

        This takes at most half a second longer. A client sees UNAVAILABLE for a call that is refused or cut off, and retries
        it (decision record 0019). A second call with a shorter grace period ends sooner.
        """
        await self.health.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._calls.finish()
        await self._calls.refuse(within_seconds=min(grace_seconds, REFUSING_SECONDS))
        close_connections(self.port)
        await self._grpc.stop(0)
        self._unreadable.flush()

    def _handlers(self, service: ServiceDescriptor, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler[Any, Any]:
        handlers = {}
        for method in service.methods:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                intercepted(
                    f"{service.name}/{method.name}",
                    methods[method.name],
                    parse=GetMessageClass(method.input_type).FromString,
                    calls=self._calls,
                    unreadable=self._unreadable,
                    timeout_seconds=self._limits.timeout_seconds,
                ),
                response_serializer=GetMessageClass(method.output_type).SerializeToString,
            )
        return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.max_request_bytes),
        # With SO_REUSEPORT, two servers on one port would share its calls at random. A port in use must be an error.
        ("grpc.so_reuseport", 0),
        # Clients send no keepalive pings, so the server sends them to detect clients that are gone.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


_BIND_HINTS = {
    errno.EADDRINUSE: "Stop the other process, or set --port to a free port",
    errno.EADDRNOTAVAIL: "Set --host to an address of this machine",
    errno.EACCES: "Set --port to a port above 1023",
}
"""What to do, by the error number of the system."""


def _bind_error(host: str, port: int) -> str:
    """Return the system's error message, which gRPC does not pass on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return f"{reason}. {_BIND_HINTS[error.errno]}" if error.errno in _BIND_HINTS else reason
    return "the address cannot be used"
