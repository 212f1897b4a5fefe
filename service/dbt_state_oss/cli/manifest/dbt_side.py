"""Runs in dbt's Python environment and lets the real client make the records of builds that have already happened.

`collecting.py` starts this file as a script with the interpreter of the user's dbt, so it imports nothing of this project.
`dbt compile` compiles each node in the order of the graph and writes nothing to the warehouse. For each node, the script
asks the client for the record that it would have sent after a build in write-only mode. The client sends nothing: the
records go to a file, and the calling process judges them.

Arguments: the path of that file, then dbt's arguments after the word `compile`. Each line of the file is a JSON object:
`offset_ms` (how far the warehouse's clock is ahead of this machine's), or `node` with `record` (a RecordExecutionsRequest
in base64) and `views` (for each view that the node reads, when it got its definition: Unix milliseconds or null), or
`node` with `fault`.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from typing import Any

_DEFINED_AT = (
    "select cast(extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as bigint) "
    "from pg_rewrite where ev_class = '{}'::regclass"
)
_MATERIALIZATIONS = ("table", "seed", "snapshot")


class Keeper:
    """Replaces the client's connection to a server and keeps the requests that it would send."""

    def __init__(self) -> None:
        self._kept = threading.local()

    def is_client_version_supported(self) -> bool:
        return True

    def record_executions(self, request: Any) -> None:
        self._kept.request = request

    def take(self) -> Any:
        """Return and clear the request that this thread has kept, or None."""
        request, self._kept.request = getattr(self._kept, "request", None), None
        return request

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(
            f"the client tried to call {name}, which is not supported during an import; please report this "
            "to dbt-state-oss, with the version of dbt-state"
        )


class Collector:
    """Writes a line for each node that is compiled."""

    def __init__(self, path: str, keeper: Keeper) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed with the process
        self._lock = threading.Lock()
        self._keeper = keeper
        self.cache: Any = None
        """The client's `RunCache` of this run, or None until the client has created it."""

    def started(self, cache: Any) -> None:
        """Handle the start of the client: write how far the clocks differ, and make it read epochs from the warehouse
        instead of a clock."""
        self.cache = cache
        cache._use_heuristic_clock_for_last_modified = False
        ahead = cache._adapter_ext.current_timestamp_utc().timestamp() - time.time()
        self._write(offset_ms=round(ahead * 1000))

    def compiled(self, node: Any) -> None:
        """Handle a compiled node: write its record, or the reason why there is none."""
        if self.cache is None or node.resource_type not in ("model", "seed", "snapshot"):
            return
        if (node.config.materialized or "view") not in _MATERIALIZATIONS:
            return
        try:
            self.cache.on_execute(node)
            self.cache.on_run_result(node, _Finished())
            request = self._keeper.take()
            if request is None:
                self._write(node=node.unique_id, fault="the client would not record it: its table is missing or empty")
                return
            record = base64.b64encode(request.to_proto().SerializeToString()).decode("ascii")
            self._write(node=node.unique_id, record=record, views=self._views(request))
        except Exception as error:  # noqa: BLE001 - any error of the client or the warehouse becomes this node's fault
            self._write(
                node=node.unique_id, fault=f"the client could not prepare its record: {type(error).__name__}: {error}"
            )

    def _views(self, request: Any) -> dict[str, int | None]:
        query = request.records[0].enriched_sql
        names = [] if query is None else [view.name for view in query.query_dependencies]
        return {name: self._defined_at(name) for name in names}

    def _defined_at(self, name: str) -> int | None:
        """Return when a view got its current definition, or None if the warehouse does not report it."""
        extension = self.cache._adapter_ext
        if self.cache.dialect == "postgres":
            without_database = name.split(".", 1)[1].replace("'", "''")
            rows = extension.execute(_DEFINED_AT.format(without_database), fetch=True).rows
            return int(rows[0][0]) if len(rows) == 1 and rows[0][0] is not None else None
        if not extension.supports_view_last_modified:
            return None
        epoch = extension.get_last_modified_epoch([name]).get(name)
        return None if epoch is None else int(epoch)

    def _write(self, **line: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


class _Finished:
    """The part of dbt's node result that the client reads."""

    execution_time = 0.0


def main(path: str, arguments: list[str]) -> int:
    """Compile with the client installed. Returns 0, or 1 if dbt raised an exception."""
    import dbt_state.plugin  # noqa: F401 - puts the client into dbt
    from dbt.cli.main import dbtRunner
    from dbt.task.compile import CompileRunner, CompileTask
    from dbt_state import runner
    from dbt_state.run_cache import RunCache

    keeper = Keeper()
    collector = Collector(path, keeper)
    original_create: Any = RunCache.create
    original_execute: Any = CompileRunner.execute

    def create(*given: Any, **named: Any) -> Any:
        cache = original_create(*given, **named)
        collector.started(cache)
        return cache

    def executed(self: Any, node: Any, manifest: Any) -> Any:
        collector.compiled(node)
        return original_execute(self, node, manifest)

    runner.QueryCacheGrpcClient.create = lambda *_, **__: keeper
    runner.AsyncTelemetryDispatcher = lambda **_: runner.NoOpTelemetryDispatcher()
    setattr(RunCache, "create", create)  # noqa: B010
    setattr(CompileRunner, "execute", executed)  # noqa: B010
    setattr(CompileTask, "raise_on_first_error", lambda _: False)  # noqa: B010
    result = dbtRunner().invoke(["compile", *arguments])
    return 0 if result.exception is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
