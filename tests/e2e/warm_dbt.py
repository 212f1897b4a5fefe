"""A process that has dbt imported and forks a child for each run: dbt's start-up costs seconds, a fork a moment.

Started as `python -I warm_dbt.py SOCKET PROJECT` by the interpreter of the environment under test. It stands alone, since that
environment holds nothing of this project; `-I` keeps this folder off the path, where dbt would take `dbt_process` for a plugin.
Parses the dbt project PROJECT twice, the second time from what the first one saved and with an edit, so that dbt has built what
it builds lazily (schemas, serializers, its adapter). Parsing opens no gRPC channel: every child makes its own, as a fresh dbt
would. The static parser stays out of it, as do the parts of a project that dbt reads by it alone: it has threads, which a fork
would lose.

One connection is one run. The caller sends one JSON line with `arguments` (after the word dbt), `directory`, `environment` (the
whole of it) and `output` (the file that takes stdout and stderr). The answer is two lines: the run's process id when it starts,
and when it has ended its exit code, negative where a signal ended it.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

PLUGINS = ("dbt_state", "dbt_run_cache")
"""The client's package, by generation."""
PRELOADED = (
    "dbt.adapters.postgres",
    "dbt.task.build",
    "dbt.adapters.__about__",
    "grpc._channel",
    "grpc._interceptor",
    "grpc.experimental",
    "multiprocessing.dummy",
    "sqlglot.dialects.postgres",
    "sqlglot.parsers.postgres",
    "sqlglot.generators.postgres",
)
"""What every run imports sooner or later; a generation that has no such module goes without."""


def main() -> None:
    """Import, parse, listen, and fork a supervisor for each connection."""
    _, address, project = sys.argv
    for name in (*PRELOADED, *(f"{plugin}.runner" for plugin in PLUGINS)):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    _parse(project)
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with connection:
                supervise(connection)
            os._exit(0)
        connection.close()


def _parse(project: str) -> None:
    from dbt.cli.main import dbtRunner

    os.chdir(project)
    for _ in range(2):
        result = dbtRunner().invoke(["--no-static-parser", "parse", "--profiles-dir", project])
        if not result.success:
            raise SystemExit(f"the project could not be parsed: {result.exception}")
        for path in Path("models").glob("*.sql"):
            path.write_text(f"{path.read_text()}\n-- edited\n")


def supervise(connection: socket.socket) -> None:
    """Fork the run itself, and tell its process id and exit code."""
    with connection.makefile("r") as requests:
        request = json.loads(requests.readline())
    pid = os.fork()
    if pid == 0:
        connection.close()
        run(request)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def run(request: dict[str, Any]) -> None:
    """Become the dbt of this request; ends the process the ordinary way, so that exit handlers run."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["dbt", *request["arguments"]]
    from dbt.cli.main import cli

    try:
        cli()
    except SystemExit as end:
        _exit(end.code)


def _exit(code: object) -> None:
    """End as an interpreter does, threads and exit handlers first, but leave the tidying of its memory to the system."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else code is not None)


if __name__ == "__main__":
    main()
