"""Microsoft's own emulator of Azure Blob Storage."""

from __future__ import annotations

from pathlib import Path

from azure.storage.blob import ContainerClient
from tests.emulators.process import EmulatorProcess
from tests.installing import NODE, node_modules_of
from tests.ports import free_port

PACKAGE = Path(__file__).with_name("npm")
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What the emulator's documentation says for everybody; no secret."""


class Azurite(EmulatorProcess):
    """Refuses what Azure's version of the protocol does not know.

    On disk, since in memory it collects its garbage object by object: ten minutes after its start it answered nobody for a
    minute where 5,000 objects had been overwritten, for four where 10,000 had.
    """

    def __init__(self, directory: Path, *more: str | Path) -> None:
        """`more` are options of azurite's own."""
        port = free_port()
        program = node_modules_of(PACKAGE) / "azurite" / "dist" / "src" / "blob" / "main.js"
        address = ("--blobHost", "127.0.0.1", "--blobPort", str(port))
        options = ("--location", directory / f"azurite-{port}", "--disableTelemetry", "--silent")
        super().__init__([NODE, program, *address, *options, *more], port, directory / "azurite.log")

    @property
    def connection_string(self) -> str:
        return connection_string(self.endpoint)

    def new_container(self, name: str) -> ContainerClient:
        """A container, by the SDK's client, for what tests do past our code; close it."""
        client = ContainerClient.from_connection_string(self.connection_string, name, api_version="2023-11-03")
        client.create_container()
        return client


def connection_string(endpoint: str) -> str:
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint}/{ACCOUNT};"
