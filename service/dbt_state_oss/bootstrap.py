"""Builds the engine and the gRPC server, connects them, and runs them until a signal starts the drain."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog

from dbt_state_oss import __version__
from dbt_state_oss.application.engine import Engine, EngineLimits
from dbt_state_oss.application.keys import SERVER_PREFIX
from dbt_state_oss.application.node_states import PAUSE_SECONDS
from dbt_state_oss.application.parsing import ParsingLimits, WorkerProcesses
from dbt_state_oss.application.ports import Clock, KeyRing, ObjectStore
from dbt_state_oss.application.tickets import parse_key_ring, shared_key_ring
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.opening import open_store
from dbt_state_oss.protocol.client_telemetry import ClientTelemetryServicer, RecentEvents
from dbt_state_oss.protocol.client_validation import ClientValidationServicer
from dbt_state_oss.protocol.clone import CloneServicer
from dbt_state_oss.protocol.execution import ExecutionServicer
from dbt_state_oss.protocol.explain import ExplainServicer
from dbt_state_oss.protocol.health import PROBE_INTERVAL_SECONDS, follow_store
from dbt_state_oss.protocol.selector import SelectorServicer
from dbt_state_oss.protocol.server import Limits, Server
from dbt_state_oss.protocol.sql import SqlServicer
from dbt_state_oss.settings import Settings, TicketSettings
from dbt_state_oss.settings.places import LocalPlace

_READ_TIMEOUT_SHARE = 1 / 3
"""Share of a call's time for one read of the state. The rest is enough to answer without the state (rule X1)."""
_DECISION_SHARE = 1 / 2
"""Share of a call's time for everything that a decision reads and parses. The rest is enough to parse once more (rule X1)."""
_WARMING_SECONDS = 15.0
"""How long the server waits for its parse workers to start. After that it reports ready without them."""

_SWITCH_SECONDS = 0.001
"""The longest time that the event loop waits for a thread that works on a large request (`application/large.py`)."""

_REMOTE_PAUSE_SECONDS = 3.0
"""How long node states are collected before one put to an object store, because each put costs money."""
_REMOTE_PROBE_INTERVAL_SECONDS = 30.0
"""How often an object store is probed for health, because each request costs money."""

_PROBE_KEY = f"{SERVER_PREFIX}probe"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, *, clock: Clock | None = None, ready: Callable[[int], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `ready` is called with the port once the server accepts calls.

    A second signal ends the process at once. Raises InvalidSettings, CannotListen and StoreError, only during startup.
    """
    stop = _stop_signal()
    sys.setswitchinterval(_SWITCH_SECONDS)
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        store = await open_store(settings.store, clock=clock)
        stack.push_async_callback(store.close)
        workers = _workers(settings)
        stack.push_async_callback(workers.close)
        engine = await _engine(settings, store, clock, workers)
        stack.push_async_callback(engine.close)
        server = _server(settings, engine)
        port = await server.start(settings.listen.host, settings.listen.port)
        stack.push_async_callback(server.drain, 0)
        warming = asyncio.create_task(workers.warm(within_seconds=_WARMING_SECONDS), name="warming")
        stack.push_async_callback(_cancel, warming)
        interval = PROBE_INTERVAL_SECONDS if _is_local(settings) else _REMOTE_PROBE_INTERVAL_SECONDS
        following = partial(follow_store, server.health, lambda: store.get(_PROBE_KEY), interval_seconds=interval)
        health = asyncio.create_task(_run_after(warming, following), name="health")
        stack.push_async_callback(_cancel, health)
        _log_listening(settings, port)
        if ready is not None:
            ready(port)
        name = await stop
        _log.info("draining", signal=name, seconds=settings.listen.drain_seconds)
        await server.drain(settings.listen.drain_seconds)
    _log.info("stopped")


def _workers(settings: Settings) -> WorkerProcesses:
    return WorkerProcesses(
        ParsingLimits(workers=settings.parsing.workers, parse_seconds=settings.parsing.timeout_seconds)
    )


async def _engine(settings: Settings, store: ObjectStore, clock: Clock, workers: WorkerProcesses) -> Engine:
    seconds = settings.listen.call_timeout_seconds
    return Engine(
        store,
        clock=clock,
        workers=workers,
        key_ring=await _key_ring(settings.tickets, store),
        ticket_lifetime_ms=settings.tickets.lifetime_ms,
        policy=settings.decisions.policy,
        limits=EngineLimits(
            cache_bytes=settings.store.cache_bytes,
            read_timeout_seconds=seconds * _READ_TIMEOUT_SHARE,
            decide_within_seconds=seconds * _DECISION_SHARE,
            nodes_pause_seconds=PAUSE_SECONDS if _is_local(settings) else _REMOTE_PAUSE_SECONDS,
            journal_days=settings.journal.days,
            store_sql=settings.journal.store_sql,
        ),
    )


def _server(settings: Settings, engine: Engine) -> Server:
    return Server(
        {
            "SQL": SqlServicer(submit=engine.submit, speculate=engine.submit_speculatively).methods,
            "Execution": ExecutionServicer(
                confirm=engine.confirm,
                record=engine.record,
                update_metadata=engine.update_metadata,
                resolve_deferred=engine.resolve_deferred,
            ).methods,
            "Clone": CloneServicer(engine.register_clone).methods,
            "Explain": ExplainServicer(engine.explain, engine.upstream_changes).methods,
            "SelectorService": SelectorServicer(engine.select_nodes).methods,
            "ClientValidation": ClientValidationServicer(
                settings.decisions.client_versions, engine.begin_session
            ).methods,
            "ClientTelemetry": ClientTelemetryServicer(RecentEvents()).methods,
        },
        Limits(
            max_request_bytes=settings.listen.max_request_bytes,
            timeout_seconds=settings.listen.call_timeout_seconds,
        ),
    )


def _is_local(settings: Settings) -> bool:
    return isinstance(settings.store.place, LocalPlace)


async def _key_ring(settings: TicketSettings, store: ObjectStore) -> KeyRing:
    if settings.keys_file is None:
        return await shared_key_ring(store)
    try:
        text = settings.keys_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"The ticket keys file {settings.keys_file} cannot be read: {error}.") from error
    return parse_key_ring(text)


def _stop_signal() -> asyncio.Future[str]:
    """Return a future for the name of the first stop signal from now on. A second signal kills the process."""
    loop = asyncio.get_running_loop()
    received: asyncio.Future[str] = loop.create_future()

    def receive(number: signal.Signals) -> None:
        for each in _STOP_SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        if not received.done():
            received.set_result(number.name)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, receive, number)
    return received


async def _run_after(first: asyncio.Task[None], then: Callable[[], Awaitable[None]]) -> None:
    await first
    await then()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _log_listening(settings: Settings, port: int) -> None:
    _log.info(
        "listening",
        address=f"{settings.listen.host}:{port}",
        store=settings.store.place.address,
        version=__version__,
    )
    if not settings.listen.loopback:
        _log.warning(
            "listening_without_authentication",
            address=f"{settings.listen.host}:{port}",
            cause="anyone who can reach this address can read and write the state; use a trusted network",
        )
