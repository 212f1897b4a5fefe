"""The rows of the table of settings that locate each kind of store."""

from __future__ import annotations

from dbt_state_oss.settings import parsers
from dbt_state_oss.settings.places import AzurePlace, GcsPlace, LocalPlace, OneLakePlace, Place, S3Place
from dbt_state_oss.settings.setting import Setting

PLACES: dict[str, type[Place]] = {
    "local": LocalPlace,
    "s3": S3Place,
    "azure": AzurePlace,
    "gcs": GcsPlace,
    "onelake": OneLakePlace,
}
"""The class that the rows of each kind of store fill. The key is the kind, which is the first part of their fields."""

STORES = tuple(PLACES)

DEFAULT_PREFIX = "dbt-state"

_PREFIX_HELP = "key prefix of the state; teams that share a bucket need different prefixes"

STORE_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DBTSTATE_LOCAL_DIR", "--dir", "local.directory", "~/.local/state/dbt-state-oss", parsers.path, "DIR",
        "directory of the local store, on a local disk; created if missing", store="local",
    ),
    Setting(
        "DBTSTATE_S3_BUCKET", "--bucket", "s3.bucket", "", parsers.needed, "BUCKET", "S3 bucket", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_PREFIX", "--prefix", "s3.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP, store="s3",
    ),
    Setting(
        "DBTSTATE_S3_ENDPOINT", "--endpoint", "s3.endpoint", "", parsers.url, "URL",
        "endpoint of an S3-compatible store; default: AWS_ENDPOINT_URL_S3, then AWS", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_REGION", "--region", "s3.region", "", parsers.text, "REGION",
        "region of the bucket; default: AWS_REGION, then that of the AWS profile", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_PATH_STYLE", "--path-style", "s3.path_style", "no", parsers.yes_or_no, "YES|NO",
        "put the bucket in the path of URLs instead of the host name: yes or no", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_ENCRYPTION", "--encryption", "s3.encryption", "",
        parsers.one_of("", "AES256", "aws:kms", "aws:kms:dsse"), "ALGORITHM",
        "server-side encryption: AES256, aws:kms, aws:kms:dsse; default: the bucket's own setting",
        store="s3",
    ),
    Setting(
        "DBTSTATE_S3_KMS_KEY", "--kms-key", "s3.kms_key", "", parsers.text, "KEY", "ID or ARN of the KMS key for aws:kms",
        store="s3",
    ),
    Setting(
        "DBTSTATE_AZURE_ACCOUNT", "--account", "azure.account", "", parsers.text, "ACCOUNT", "storage account", store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_CONTAINER", "--container", "azure.container", "", parsers.needed, "CONTAINER",
        "container in the storage account",
        store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_PREFIX", "--prefix", "azure.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP, store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_ENDPOINT", "--endpoint", "azure.endpoint", "", parsers.url, "URL",
        "endpoint of the account; default: https://ACCOUNT.blob.core.windows.net", store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_CONNECTION_STRING", "", "azure.connection_string", "", parsers.text, "",
        "connection string, for an emulator; default: the identity of the process (workload or managed identity, az login)",
        store="azure", secret=True,
    ),
    Setting(
        "DBTSTATE_GCS_BUCKET", "--bucket", "gcs.bucket", "", parsers.needed, "BUCKET", "Google Cloud Storage bucket",
        store="gcs",
    ),
    Setting(
        "DBTSTATE_GCS_PREFIX", "--prefix", "gcs.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP, store="gcs",
    ),
    Setting(
        "DBTSTATE_GCS_ENDPOINT", "--endpoint", "gcs.endpoint", "", parsers.url, "URL",
        "endpoint of an emulator; no credentials are sent to it", store="gcs",
    ),
    Setting(
        "DBTSTATE_ONELAKE_WORKSPACE", "--workspace", "onelake.workspace", "", parsers.needed, "WORKSPACE",
        "ID of the Fabric workspace, or its name if that has no spaces", store="onelake",
    ),
    Setting(
        "DBTSTATE_ONELAKE_LAKEHOUSE", "--lakehouse", "onelake.lakehouse", "", parsers.needed, "LAKEHOUSE",
        "ID of the lakehouse, or its name followed by .Lakehouse", store="onelake",
    ),
    Setting(
        "DBTSTATE_ONELAKE_PREFIX", "--prefix", "onelake.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP,
        store="onelake",
    ),
    Setting(
        "DBTSTATE_ONELAKE_ENDPOINT", "--endpoint", "onelake.endpoint", "https://onelake.blob.fabric.microsoft.com", parsers.url,
        "URL", "Blob endpoint of OneLake, for example a regional one", store="onelake",
    ),
)  # fmt: skip


def missing(place: Place) -> str | None:
    """Return a fault if a required combination of settings is missing, otherwise None."""
    if isinstance(place, AzurePlace) and not (place.account or place.endpoint or place.connection_string):
        return "DBTSTATE_AZURE_ACCOUNT (--account) must be set for this store"
    return None
