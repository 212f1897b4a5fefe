"""Microsoft's own emulator of Azure Blob Storage."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient
from tests.emulators.process import EmulatorProcess
from tests.installing import NODE, node_modules_of
from tests.ports import free_port

PACKAGE = Path(__file__).with_name("npm")
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What the emulator's documentation says for everybody; no secret."""


class Azurite(EmulatorProcess):
    """In memory; refuses what Azure's version of the protocol does not know."""

    def __init__(self, directory: Path, *more: str | Path) -> None:
        """`more` are options of azurite's own."""
        port = free_port()
        program = node_modules_of(PACKAGE) / "azurite" / "dist" / "src" / "blob" / "main.js"
        options = ("--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry")
        super().__init__([NODE, program, "--silent", *options, *more], port, directory / "azurite.log")

    @property
    def connection_string(self) -> str:
        return connection_string(self.endpoint)

    def new_container(self, name: str) -> ContainerClient:
        """A container, by the SDK's client, for what tests do past our code; close it."""
        client = ContainerClient.from_connection_string(self.connection_string, name, api_version="2023-11-03")
        with suppress(ResourceExistsError):  # by this client itself, whose first attempt took too long
            client.create_container()
        return client


def connection_string(endpoint: str) -> str:
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint}/{ACCOUNT};"
