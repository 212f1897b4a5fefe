"""Stores named by one text, such as `s3://bucket/prefix`."""

from __future__ import annotations

from collections.abc import Mapping

from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings import StoreSettings, read_settings

FORMS = (
    "local:DIR, s3://BUCKET/PREFIX, azure://ACCOUNT/CONTAINER/PREFIX, gs://BUCKET/PREFIX, "
    "onelake://WORKSPACE/LAKEHOUSE/PREFIX"
)
"""For help."""

_REMOTE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "s3": ("s3", ("--bucket",)),
    "gs": ("gcs", ("--bucket",)),
    "azure": ("azure", ("--account", "--container")),
    "onelake": ("onelake", ("--workspace", "--lakehouse")),
}
"""By scheme: the store, and the flags that the first words of the address stand for; the rest is the prefix."""


def store_settings_of(url: str, environment: Mapping[str, str]) -> StoreSettings:
    """The settings of the store that `url` names; what it does not tell is read from the variables.

    Raises `InvalidSettings` where it names none, and with every fault of the settings.
    """
    return read_settings(environment, _flags(url)).store


def _flags(url: str) -> dict[str, str]:
    scheme, _, place = url.partition(":")
    if scheme == "local" and place:
        return {"--store": "local", "--dir": place}
    if scheme in _REMOTE and place.startswith("//"):
        store, flags = _REMOTE[scheme]
        words = place.removeprefix("//").strip("/").split("/", len(flags))
        if len(words) >= len(flags) and all(words):
            return {"--store": store, **dict(zip((*flags, "--prefix"), words, strict=False))}
    raise InvalidSettings(f'"{url}" is not a store; use {FORMS}')
