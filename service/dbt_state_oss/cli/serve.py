"""`dbt-state-oss serve`."""

from __future__ import annotations

import asyncio

from dbt_state_oss.settings import Settings
from dbt_state_oss.telemetry.logs import configure_logs


def run(settings: Settings) -> int:
    """Serve until a signal ends it; returns 0."""
    configure_logs(settings.logs.format, settings.logs.level)
    # After the logs: gRPC reads once, when it is first used, how much it may say on its own.
    from dbt_state_oss.bootstrap import serve

    asyncio.run(serve(settings))
    return 0
