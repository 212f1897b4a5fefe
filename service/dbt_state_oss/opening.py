"""Opens the store that the settings name. A store's SDK is an optional extra, so it is imported only if that store is chosen."""

from __future__ import annotations

import asyncio

from dbt_state_oss.application.ports import Clock, ObjectStore
from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.settings import StoreSettings
from dbt_state_oss.settings.places import AzurePlace, GcsPlace, LocalPlace, OneLakePlace, Place, S3Place
from dbt_state_oss.settings.stores import PLACES
from dbt_state_oss.stores.bucket import Bucket
from dbt_state_oss.stores.database import FILE_NAME
from dbt_state_oss.stores.local import LocalStore
from dbt_state_oss.stores.remote import RemoteStore


async def open_store(
    settings: StoreSettings, *, read_only: bool = False, make: bool = True, clock: Clock | None = None
) -> ObjectStore:
    """Open the store that the settings name.

    `read_only`: a remote store refuses writes and needs no permission to write. The local store ignores it. `make`: create
    a local store that does not exist yet. `clock`: log a warning if it differs from the clock of a remote store.

    Raises StoreError if the store cannot be opened, and if a local store does not exist and `make` is false. Raises
    `StoreMisconfigured` if the SDK of the store is not installed.
    """
    place = settings.place
    if isinstance(place, LocalPlace):
        if not make and not await asyncio.to_thread((place.directory / FILE_NAME).is_file):
            raise StoreMisconfigured(f"no state found in {place.directory}; use the server's directory (--dir)")
        return await LocalStore.open(place.directory)
    try:
        bucket = await asyncio.to_thread(_bucket, place, settings)
    except ModuleNotFoundError as error:
        raise _not_installed(place, error) from error
    return await RemoteStore.open(
        bucket,
        prefix=place.path if isinstance(place, OneLakePlace) else place.prefix,
        attempts=settings.attempts,
        connections=settings.connections,
        read_only=read_only,
        clock=clock,
    )


def _not_installed(place: Place, error: ModuleNotFoundError) -> StoreMisconfigured:
    store = next(name for name, kind in PLACES.items() if isinstance(place, kind))
    return StoreMisconfigured(
        f"the store {store} needs the package {error.name}, which is not installed; "
        f"install it with: pip install 'dbt-state-oss[{store}]'"
    )


def _bucket(place: S3Place | AzurePlace | GcsPlace | OneLakePlace, settings: StoreSettings) -> Bucket:
    match place:
        case S3Place():
            from dbt_state_oss.stores.s3 import S3Bucket

            return S3Bucket(
                place.bucket,
                endpoint=place.endpoint,
                region=place.region,
                path_style=place.path_style,
                encryption=place.encryption,
                kms_key=place.kms_key,
                connections=settings.connections,
                timeout_seconds=settings.timeout_seconds,
            )
        case AzurePlace():
            from dbt_state_oss.stores.azure import AzureBucket

            return AzureBucket(
                place.container,
                place=place.address,
                url=place.url,
                connection_string=place.connection_string,
                connections=settings.connections,
                timeout_seconds=settings.timeout_seconds,
            )
        case OneLakePlace():
            from dbt_state_oss.stores.azure import AzureBucket

            return AzureBucket(
                place.workspace,
                place=place.address,
                url=place.endpoint,
                connections=settings.connections,
                timeout_seconds=settings.timeout_seconds,
            )
        case GcsPlace():
            from dbt_state_oss.stores.gcs import GcsBucket

            return GcsBucket(
                place.bucket,
                endpoint=place.endpoint,
                connections=settings.connections,
                timeout_seconds=settings.timeout_seconds,
            )
