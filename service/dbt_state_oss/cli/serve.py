"""`dbt-state-oss serve`: runs the server."""

from __future__ import annotations

import asyncio

from dbt_state_oss.settings import Settings
from dbt_state_oss.telemetry.logs import configure_logs


def run(settings: Settings) -> int:
    """Serve until a signal stops the server, then return 0."""
    configure_logs(settings.logs.format, settings.logs.level)
    # Import after the logs are configured: gRPC reads its own log level once, when it is first used.
    from dbt_state_oss.bootstrap import serve

    asyncio.run(serve(settings))
    return 0
