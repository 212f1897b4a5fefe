"""The service ClientTelemetry. It answers at once, because the client waits for the answer before it exits.

Events go to an EventSink in a form that contains no SQL, no configuration and no long texts.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Protocol

import structlog
from query_cache_protobuf.query_cache.services.client_telemetry_service_pb2 import (
    ClientTelemetryEvent,
    SessionStartRequest,
    SessionStartResponse,
    SubmitTelemetryBatchRequest,
    SubmitTelemetryBatchResponse,
)

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.protocol.interceptors import Method

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """One event of a dbt run. `kind` is its name in the protocol, or "unknown" for newer events. `order` counts from 1."""

    session_id: str
    kind: str
    order: int | None


class EventSink(Protocol):
    """Accepts events without blocking and with bounded memory."""

    def offer(self, event: ClientEvent) -> None: ...


class RecentEvents:
    """Counts events by kind and keeps the newest ones."""

    def __init__(self, capacity: int = 1_000) -> None:
        self.newest: deque[ClientEvent] = deque(maxlen=capacity)
        self.counts: Counter[str] = Counter()

    def offer(self, event: ClientEvent) -> None:
        self.newest.append(event)
        self.counts[event.kind] += 1


class ClientTelemetryServicer:
    """Passes events to the sink."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    @property
    def methods(self) -> dict[str, Method]:
        return {
            "RegisterSessionStart": self.register_session_start,
            "SubmitTelemetryBatch": self.submit_telemetry_batch,
        }

    async def register_session_start(self, caller: Caller, request: SessionStartRequest) -> SessionStartResponse:
        self._sink.offer(ClientEvent(caller.session_id, "session_start", order=None))
        return SessionStartResponse(success=True, session_id=caller.session_id)

    async def submit_telemetry_batch(
        self, caller: Caller, request: SubmitTelemetryBatchRequest
    ) -> SubmitTelemetryBatchResponse:
        for event in request.events:
            self._sink.offer(_event(caller, event))
        _log.debug("telemetry", events=len(request.events), session_id=caller.session_id)
        return SubmitTelemetryBatchResponse(success=True)


def _event(caller: Caller, event: ClientTelemetryEvent) -> ClientEvent:
    return ClientEvent(
        session_id=caller.session_id,
        kind=event.WhichOneof("request") or "unknown",
        order=event.event_order if event.HasField("event_order") else None,
    )
