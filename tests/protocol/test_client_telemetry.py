"""Client events: counted, kept within bounds, and without anything that a user wrote."""

from __future__ import annotations

from query_cache_protobuf.query_cache.services.client_telemetry_service_pb2 import (
    ClientPrepareEnrichedSQLRequest,
    ClientTelemetryEvent,
    SessionEndRequest,
    SubmitTelemetryBatchRequest,
)

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.protocol.client_telemetry import ClientEvent, ClientTelemetryServicer, RecentEvents

CALLER = Caller("default", "b18b", "fd47")


async def test_events_are_counted_by_kind_and_newer_kinds_as_unknown() -> None:
    sink = RecentEvents()
    prepared = ClientTelemetryEvent(enriched_sql_prepared=ClientPrepareEnrichedSQLRequest(), event_order=1)
    ended = ClientTelemetryEvent(session_end=SessionEndRequest(), event_order=2)
    newer = ClientTelemetryEvent.FromString(b"\x7a\x00\x18\x03")  # field 15, an empty message; field 3, varint 3
    batch = SubmitTelemetryBatchRequest(events=[prepared, ended, newer])
    await ClientTelemetryServicer(sink).submit_telemetry_batch(CALLER, batch)
    assert sink.counts == {"enriched_sql_prepared": 1, "session_end": 1, "unknown": 1}
    assert list(sink.newest) == [
        ClientEvent("fd47", "enriched_sql_prepared", 1),
        ClientEvent("fd47", "session_end", 2),
        ClientEvent("fd47", "unknown", 3),
    ]


def test_only_the_newest_events_are_kept() -> None:
    sink = RecentEvents(capacity=2)
    for order in range(5):
        sink.offer(ClientEvent("fd47", "session_end", order))
    assert [event.order for event in sink.newest] == [3, 4]
    assert sink.counts == {"session_end": 5}
