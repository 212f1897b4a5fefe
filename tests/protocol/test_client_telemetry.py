"""Client events: counted, kept within bounds, and without anything that a user wrote."""

from __future__ import annotations

import pytest
from query_cache_protobuf.query_cache.services.client_telemetry_service_pb2 import (
    ClientPrepareEnrichedSQLRequest,
    ClientSelectorEvent,
    ClientTelemetryEvent,
    SessionEndRequest,
    SessionStartRequest,
    SubmitTelemetryBatchRequest,
)
from query_cache_protobuf.query_cache.struct_pb2 import Struct, Value
from structlog.testing import capture_logs

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


SECRET = "select secret from vault"
SECRETS = Struct(fields={SECRET: Value(string_value=SECRET)})


@pytest.mark.parametrize(
    "event",
    [
        ClientTelemetryEvent(session_start=SessionStartRequest(dbt_version=SECRET, config=SECRETS), event_order=1),
        ClientTelemetryEvent(
            enriched_sql_prepared=ClientPrepareEnrichedSQLRequest(
                request_id=SECRET, target_table_fqn=SECRET, error_type=SECRET, labels={SECRET: SECRET}
            ),
            event_order=1,
        ),
        ClientTelemetryEvent(client_selector_event=ClientSelectorEvent(project_id=SECRET), event_order=1),
        ClientTelemetryEvent(
            session_end=SessionEndRequest(result=SessionEndRequest.FAILURE, result_description=SECRET, metrics=SECRETS),
            event_order=1,
        ),
    ],
    ids=lambda event: event.WhichOneof("request"),
)
async def test_nothing_of_an_event_but_its_kind_and_order_is_kept(event: ClientTelemetryEvent) -> None:
    sink = RecentEvents()
    with capture_logs() as logs:
        batch = SubmitTelemetryBatchRequest(events=[event])
        await ClientTelemetryServicer(sink).submit_telemetry_batch(CALLER, batch)
    assert list(sink.newest) == [ClientEvent("fd47", str(event.WhichOneof("request")), 1)]
    assert SECRET not in str(logs)


async def test_a_session_start_is_acknowledged_and_nothing_of_it_kept() -> None:
    sink = RecentEvents()
    with capture_logs() as logs:
        start = SessionStartRequest(dbt_version=SECRET, config=SECRETS)
        response = await ClientTelemetryServicer(sink).register_session_start(CALLER, start)
    assert (response.success, response.session_id) == (True, "fd47")
    assert list(sink.newest) == [ClientEvent("fd47", "session_start", None)]
    assert SECRET not in str(logs)


def test_only_the_newest_events_are_kept() -> None:
    sink = RecentEvents(capacity=2)
    for order in range(5):
        sink.offer(ClientEvent("fd47", "session_end", order))
    assert [event.order for event in sink.newest] == [3, 4]
    assert sink.counts == {"session_end": 5}
