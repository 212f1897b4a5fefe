"""Parses the URL of a store, such as `s3://bucket/prefix`."""

from __future__ import annotations

from collections.abc import Mapping

from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings import StoreSettings, read_settings

FORMS = (
    "local:DIR, s3://BUCKET/PREFIX, azure://ACCOUNT/CONTAINER/PREFIX, gs://BUCKET/PREFIX, "
    "onelake://WORKSPACE/LAKEHOUSE/PREFIX"
)
"""The accepted forms of URLs, for help and errors."""

_REMOTE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "s3": ("s3", ("--bucket",)),
    "gs": ("gcs", ("--bucket",)),
    "azure": ("azure", ("--account", "--container")),
    "onelake": ("onelake", ("--workspace", "--lakehouse")),
}
"""By scheme: the store, and the flags for the first parts of the path. The rest of the path is the prefix."""


def store_settings_of(url: str, environment: Mapping[str, str]) -> StoreSettings:
    """Return the settings of the store that `url` names. Settings that are not in the URL are read from the variables.

    Raises `InvalidSettings` if the URL names no store, or with every fault of the settings.
    """
    return read_settings(environment, _flags(url)).store


def _flags(url: str) -> dict[str, str]:
    scheme, _, address = url.partition(":")
    if scheme == "local" and address:
        return {"--store": "local", "--dir": address}
    if scheme in _REMOTE and address.startswith("//"):
        store, flags = _REMOTE[scheme]
        parts = address.removeprefix("//").strip("/").split("/", len(flags))
        if len(parts) >= len(flags) and all(parts):
            return {"--store": store, **dict(zip((*flags, "--prefix"), parts, strict=False))}
    raise InvalidSettings(f'"{url}" is not a store; use {FORMS}')
