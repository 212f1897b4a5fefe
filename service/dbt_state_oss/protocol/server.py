"""The gRPC server: which services there are, how much a call may weigh, how it begins and ends."""

from __future__ import annotations

import asyncio
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
    """`timeout_seconds` bounds every call; calls beyond `max_concurrent_calls` are answered RESOURCE_EXHAUSTED."""

    max_request_bytes: int = 64 * 1024 * 1024
    timeout_seconds: float = 30.0
    max_concurrent_calls: int = 1_000


class Server:
    """Serves `methods`, by service and wire name, with health and reflection; every method of SERVICES has to be there."""

    def __init__(self, methods: Mapping[str, Mapping[str, Method]], limits: Limits) -> None:
        self._limits = limits
        self._grpc = aio.server(options=_options(limits), maximum_concurrent_rpcs=limits.max_concurrent_calls)
        self.port = 0
        """Where it listens, once it does."""
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
        """Begin to listen without encryption; the port that was taken (`port` 0: any). Raises CannotListen.

        Health is "not serving" until `health` is told otherwise.
        """
        await self.health.set_serving(False)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            taken = self._grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise CannotListen(f"Cannot listen on {address}: {_why_not(host, port)}.") from error
        await self._grpc.start()
        self.port = taken
        return taken

    async def drain(self, grace_seconds: float) -> None:
        """Let the calls that run now finish within `grace_seconds`, then refuse new ones and close every connection.

        Takes at most half a second longer. A call that is refused or cut off is UNAVAILABLE for its client, which repeats it
        (decision record 0019). Called again with a shorter grace it ends sooner.
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
        # Two servers on one port would share its calls by chance; a port that is taken is to be an error.
        ("grpc.so_reuseport", 0),
        # Clients send no keepalive: notice the ones that vanished.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


def _why_not(host: str, port: int) -> str:
    """The system's own words; gRPC does not pass them on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return "the address cannot be used"
