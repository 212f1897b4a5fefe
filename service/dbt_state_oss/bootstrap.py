"""The only place where objects are built and joined; signals and the drain."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog

from dbt_state_oss import __version__
from dbt_state_oss.application.candidates import Candidates
from dbt_state_oss.application.confirm import Confirm
from dbt_state_oss.application.explain import Explain
from dbt_state_oss.application.gathering import Gathering
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.keys import SERVER_PREFIX
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.node_states import PAUSE_SECONDS, NodeStates
from dbt_state_oss.application.parsing import ParsingLimits, PooledFingerprinter
from dbt_state_oss.application.ports import Clock, KeyRing, ObjectStore
from dbt_state_oss.application.record import Record
from dbt_state_oss.application.register_clone import RegisterClone
from dbt_state_oss.application.resolve_deferred import ResolveDeferred
from dbt_state_oss.application.retention import Retention
from dbt_state_oss.application.select_nodes import SelectNodes
from dbt_state_oss.application.sessions import Sessions
from dbt_state_oss.application.sql_texts import SqlTexts
from dbt_state_oss.application.submit import Submit
from dbt_state_oss.application.tickets import Tickets, parse_key_ring, shared_key_ring
from dbt_state_oss.application.update_metadata import UpdateMetadata
from dbt_state_oss.application.upstream_changes import UpstreamChanges
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
"""Of a call's time for one reading of the state: enough is left to answer without it (rule X1)."""
_DECISION_SHARE = 1 / 2
"""Of a call's time for all that a decision reads and parses; what is left is enough to parse once more (rule X1)."""
_LAST_WRITES_SECONDS = 5.0
"""For what waits to be written at the end: how nodes looked, decisions and texts, which explain and select but decide nothing."""

_WARMING_SECONDS = 15.0
"""For the start of the processes that parse; after it the server counts as ready without them."""

_SWITCH_SECONDS = 0.001
"""How long the event loop waits at most for a thread that works on a large request (`application/large.py`)."""

_REMOTE_PAUSE_SECONDS = 3.0
"""How long nodes gather for a put to an object store, which costs."""
_REMOTE_PROBE_INTERVAL_SECONDS = 30.0
"""How often an object store is asked whether it answers, which costs too."""

_PROBE_KEY = f"{SERVER_PREFIX}probe"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


async def serve(settings: Settings, *, clock: Clock | None = None, ready: Callable[[int], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `ready` is called with the port once calls are taken.

    A second signal ends the process at once. Raises InvalidSettings, CannotListen and StoreError from the start alone.
    """
    stop = _stop_signal()
    sys.setswitchinterval(_SWITCH_SECONDS)
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        store = await open_store(settings.store, clock=clock)
        stack.push_async_callback(store.close)
        fingerprinter = _fingerprinter(settings)
        stack.push_async_callback(fingerprinter.close)
        server = await _assemble(settings, store, clock, fingerprinter, stack)
        port = await server.start(settings.listen.host, settings.listen.port)
        stack.push_async_callback(server.drain, 0)
        warming = asyncio.create_task(fingerprinter.warm(within_seconds=_WARMING_SECONDS), name="warming")
        stack.push_async_callback(_cancelled, warming)
        interval = PROBE_INTERVAL_SECONDS if _is_local(settings) else _REMOTE_PROBE_INTERVAL_SECONDS
        following = partial(follow_store, server.health, lambda: store.get(_PROBE_KEY), interval_seconds=interval)
        health = asyncio.create_task(_after(warming, following), name="health")
        stack.push_async_callback(_cancelled, health)
        _announce(settings, port)
        if ready is not None:
            ready(port)
        name = await stop
        _log.info("draining", signal=name, seconds=settings.listen.drain_seconds)
        await server.drain(settings.listen.drain_seconds)
    _log.info("stopped")


def _fingerprinter(settings: Settings) -> PooledFingerprinter:
    return PooledFingerprinter(
        ParsingLimits(workers=settings.parsing.workers, parse_seconds=settings.parsing.timeout_seconds)
    )


async def _assemble(
    settings: Settings,
    store: ObjectStore,
    clock: Clock,
    fingerprinter: PooledFingerprinter,
    stack: AsyncExitStack,
) -> Server:
    """The server with all that stands behind it; what has to be closed goes onto the stack."""
    ring = await _key_ring(settings.tickets, store)
    tickets = Tickets(ring, clock, lifetime_ms=settings.tickets.lifetime_ms)
    pause = PAUSE_SECONDS if _is_local(settings) else _REMOTE_PAUSE_SECONDS
    node_states = NodeStates(store, clock, pause_seconds=pause)
    retention = Retention(store, clock, journal_days=settings.journal.days, store_sql=settings.journal.store_sql)
    journal = Journal(store, clock, retention=retention)
    texts = SqlTexts(store, fingerprinter, keep=settings.journal.store_sql)
    stack.push_async_callback(_write_what_waits, node_states.close, journal.close, texts.close)
    stack.push_async_callback(retention.close)
    ledger = Ledger(
        store,
        cache_bytes=settings.store.cache_bytes,
        read_timeout_seconds=settings.listen.call_timeout_seconds * _READ_TIMEOUT_SHARE,
    )
    gathering = Gathering(
        ledger,
        node_states,
        fingerprinter,
        settings.decisions.build_on,
        settings.decisions.missing_evidence,
        never_reuse=settings.decisions.never_reuse,
        trusted_hooks=settings.decisions.trusted_hooks,
    )
    candidates = Candidates(store, ledger)
    clone = RegisterClone(ledger=ledger, tickets=tickets, clock=clock, never_reuse=settings.decisions.never_reuse)
    sessions = Sessions()
    submit = Submit(
        gathering=gathering,
        candidates=candidates,
        clone_targets=settings.decisions.clone_targets,
        tickets=tickets,
        node_states=node_states,
        journal=journal,
        texts=texts,
        clock=clock,
        decide_within_seconds=settings.listen.call_timeout_seconds * _DECISION_SHARE,
        sessions=sessions,
    )
    explain = ExplainServicer(Explain(journal=journal, texts=texts), UpstreamChanges(ledger=ledger, clock=clock))
    execution = ExecutionServicer(
        confirm=Confirm(ledger=ledger, candidates=candidates, tickets=tickets, clock=clock),
        record=Record(
            ledger=ledger,
            gathering=gathering,
            candidates=candidates,
            node_states=node_states,
            clock=clock,
            sessions=sessions,
        ),
        update_metadata=UpdateMetadata(ledger=ledger, clock=clock),
        resolve_deferred=ResolveDeferred(node_states=node_states, ledger=ledger),
    )
    return Server(
        {
            "SQL": SqlServicer(submit).methods,
            "Execution": execution.methods,
            "Clone": CloneServicer(clone).methods,
            "Explain": explain.methods,
            "SelectorService": SelectorServicer(SelectNodes(node_states=node_states)).methods,
            "ClientValidation": ClientValidationServicer(
                settings.decisions.client_versions, lambda session: sessions.begin(session, at=clock.now())
            ).methods,
            "ClientTelemetry": ClientTelemetryServicer(RecentEvents()).methods,
        },
        Limits(
            max_request_bytes=settings.listen.max_request_bytes,
            timeout_seconds=settings.listen.call_timeout_seconds,
        ),
    )


async def _write_what_waits(*closes: Callable[[], Awaitable[None]]) -> None:
    """Let each write what it has and end; a store that does not take it in time does not hold up the end."""
    try:
        async with asyncio.timeout(_LAST_WRITES_SECONDS):
            await asyncio.gather(*(close() for close in closes))
    except TimeoutError:
        _log.warning("not_all_written", seconds=_LAST_WRITES_SECONDS)


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
    """From now on the first signal that asks to end is noted here; another one kills the process."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[str] = loop.create_future()

    def ask(number: signal.Signals) -> None:
        for each in _STOP_SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        if not asked.done():
            asked.set_result(number.name)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, ask, number)
    return asked


async def _after(first: asyncio.Task[None], then: Callable[[], Awaitable[None]]) -> None:
    await first
    await then()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _announce(settings: Settings, port: int) -> None:
    _log.info(
        "listening",
        address=f"{settings.listen.host}:{port}",
        store=settings.store.place.address,
        version=__version__,
    )
    if not settings.listen.loopback:
        _log.warning(
            "open_to_the_network",
            address=f"{settings.listen.host}:{port}",
            cause="whoever reaches this address can read and write the state: there is no authentication",
        )
