"""Structured logs on standard error: readable text for a console, or one JSON object per line for programs.

FIELDS is the table of all allowed fields. Any other field is dropped, and only its name is logged under `left_out`. So no
SQL text, ticket or secret gets into a log by accident.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import Any

import structlog

FIELDS: Mapping[str, str] = {
    "timestamp": "when, UTC",
    "level": "severity: debug, info, warning, error",
    "event": "name of the event",
    "logger": "name of the library that logged it, if it is not this project",
    "exception": "the traceback of an unexpected error",
    "cause": "reason, as text",
    "rpc": "service and method of a call",
    "status": "gRPC status code of the answer",
    "duration_ms": "duration of the call, in milliseconds",
    "request_id": "the client's x-request-id, or one made here",
    "session_id": "the client's x-session-id: one dbt process",
    "node": "unique id of the dbt node",
    "decision": "skip, clone or build; for a copy in advance: clone or no clone",
    "decision_id": "ID of the decision",
    "description": "explanation of the decision",
    "stale": "whether the skip relies on the lag tolerance",
    "saved_ms": "duration of the build that a skip saved, in milliseconds",
    "client": "which client it is: dbt-state (Python) or dbt (dbt v2)",
    "client_version": "version of a client",
    "supported": "accepted versions",
    "address": "where the server listens",
    "store": "where the state is kept",
    "version": "version of this server",
    "signal": "signal that stopped the server",
    "seconds": "a duration or limit",
    "decisions": "number of decisions",
    "events": "number of telemetry events",
    "key": "name of a stored document",
    "aside": "name under which an unreadable document was set aside",
    "size": "bytes",
    "suppressed": "number of lines of this event that were not logged since the last one",
    "attempts_left": "number of attempts that are left for a request to the store",
    "seconds_ahead": "seconds that this machine's clock is ahead of the store's; negative if it is behind",
    "left_out": "names of fields that were not logged, because they are not in this table",
}
"""Every field of a log line, with its meaning."""


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Set up the logs of this process. `level` is debug, info, warning or error. Call this before gRPC is first used."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        only_known_fields,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _adopt_standard_logging(shared, renderer)


def only_known_fields(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop fields that are not in FIELDS. This is a structlog processor."""
    unknown = [name for name in line if name not in FIELDS and not name.startswith("_")]
    for name in unknown:
        del line[name]
    if unknown:
        line["left_out"] = sorted(unknown)
    return line


def _adopt_standard_logging(shared: list[structlog.typing.Processor], renderer: structlog.typing.Processor) -> None:
    """Log libraries in the same format, at level warning and above. Noisy libraries log only errors, or nothing."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    # This project's own errors report what the libraries of the stores warn about.
    for name in ("grpc", "asyncio", "azure", "google", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # A parse failure leads to a fallback (rule L8), and sqlglot's messages quote SQL.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
