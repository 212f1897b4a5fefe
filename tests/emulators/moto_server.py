"""`python moto_server.py PORT`: moto as a server.

It judges conditions as AWS documents it but, in many threads, not atomically; so here it answers one request at a time.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

_LOCK = threading.Lock()
_MOTO = DomainDispatcherApplication(create_backend_app)


def one_at_a_time(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    with _LOCK:
        return list(_MOTO(environ, start_response))


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: thousands of requests are made."""


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True, request_handler=_Quiet)
