"""The location of a store's documents: the settings of each kind of store, and its address as users write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A directory of this host."""

    directory: Path

    @property
    def address(self) -> str:
        return f"local:{self.directory}"


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket of Amazon S3 or of an S3-compatible store."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    path_style: bool
    encryption: str
    kms_key: str

    @property
    def address(self) -> str:
        return _address("s3", self.bucket, self.prefix)


@dataclass(frozen=True, slots=True)
class AzurePlace:
    """A container of Azure Blob Storage.

    `connection_string` is a secret, for emulators. If it is empty, the identity of this process is used.
    """

    account: str
    container: str
    prefix: str
    endpoint: str
    connection_string: str = field(repr=False)

    @property
    def url(self) -> str:
        """The endpoint of the account, unless the connection string contains it."""
        return self.endpoint or f"https://{self.account}.blob.core.windows.net"

    @property
    def address(self) -> str:
        return _address("azure", self.account or "emulator", self.container, self.prefix)


@dataclass(frozen=True, slots=True)
class GcsPlace:
    """A bucket of Google Cloud Storage."""

    bucket: str
    prefix: str
    endpoint: str

    @property
    def address(self) -> str:
        return _address("gs", self.bucket, self.prefix)


@dataclass(frozen=True, slots=True)
class OneLakePlace:
    """A folder under the files of a lakehouse in Microsoft Fabric."""

    workspace: str
    lakehouse: str
    prefix: str
    endpoint: str

    @property
    def path(self) -> str:
        """The path of the documents in the workspace: under the lakehouse's files. The workspace is the container."""
        return "/".join(part for part in (self.lakehouse, "Files", self.prefix) if part)

    @property
    def address(self) -> str:
        return _address("onelake", self.workspace, self.lakehouse, self.prefix)


Place = LocalPlace | S3Place | AzurePlace | GcsPlace | OneLakePlace


def _address(scheme: str, *parts: str) -> str:
    return f"{scheme}://{'/'.join(part for part in parts if part)}"
