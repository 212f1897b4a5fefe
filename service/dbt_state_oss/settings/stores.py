"""The rows of the settings' table that say where each kind of store has its place."""

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
"""What the rows of each kind of store fill; by the kind, which is the first word of their fields."""

STORES = tuple(PLACES)

DEFAULT_PREFIX = "dbt-state"

_PREFIX_HELP = "where the state lies in it, so that other things may lie beside it"

STORE_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DBTSTATE_LOCAL_DIR", "--dir", "local.directory", "~/.local/state/dbt-state-oss", parsers.path, "DIR",
        "directory of the local store, on a local disk; made where there is none", store="local",
    ),
    Setting(
        "DBTSTATE_S3_BUCKET", "--bucket", "s3.bucket", "", parsers.needed, "BUCKET", "bucket on S3", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_PREFIX", "--prefix", "s3.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP, store="s3",
    ),
    Setting(
        "DBTSTATE_S3_ENDPOINT", "--endpoint", "s3.endpoint", "", parsers.url, "URL",
        "address of a store that speaks as S3 does; without it AWS_ENDPOINT_URL_S3 counts, then AWS itself", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_REGION", "--region", "s3.region", "", parsers.text, "REGION",
        "the bucket's region; without it AWS_REGION counts, or the profile", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_PATH_STYLE", "--path-style", "s3.path_style", "no", parsers.yes_or_no, "YES|NO",
        "whether the bucket stands in the path of addresses, not in their host name: yes or no", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_ENCRYPTION", "--encryption", "s3.encryption", "",
        parsers.one_of("", "AES256", "aws:kms", "aws:kms:dsse"), "HOW",
        "server-side encryption to ask for: AES256, aws:kms, aws:kms:dsse; without it the bucket's own setting holds", store="s3",
    ),
    Setting(
        "DBTSTATE_S3_KMS_KEY", "--kms-key", "s3.kms_key", "", parsers.text, "KEY", "id or ARN of the key for aws:kms", store="s3",
    ),
    Setting(
        "DBTSTATE_AZURE_ACCOUNT", "--account", "azure.account", "", parsers.text, "ACCOUNT", "storage account", store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_CONTAINER", "--container", "azure.container", "", parsers.needed, "CONTAINER", "container in it",
        store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_PREFIX", "--prefix", "azure.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP, store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_ENDPOINT", "--endpoint", "azure.endpoint", "", parsers.url, "URL",
        "address of the account where it is not https://ACCOUNT.blob.core.windows.net", store="azure",
    ),
    Setting(
        "DBTSTATE_AZURE_CONNECTION_STRING", "", "azure.connection_string", "", parsers.text, "",
        "connection string of an emulator; where it is not set, this process's own identity is used", store="azure", secret=True,
    ),
    Setting(
        "DBTSTATE_GCS_BUCKET", "--bucket", "gcs.bucket", "", parsers.needed, "BUCKET", "bucket on Google Cloud Storage",
        store="gcs",
    ),
    Setting(
        "DBTSTATE_GCS_PREFIX", "--prefix", "gcs.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP, store="gcs",
    ),
    Setting(
        "DBTSTATE_GCS_ENDPOINT", "--endpoint", "gcs.endpoint", "", parsers.url, "URL",
        "address of an emulator, which is asked without credentials", store="gcs",
    ),
    Setting(
        "DBTSTATE_ONELAKE_WORKSPACE", "--workspace", "onelake.workspace", "", parsers.needed, "WORKSPACE",
        "id of the Fabric workspace, or its name where that has no spaces", store="onelake",
    ),
    Setting(
        "DBTSTATE_ONELAKE_LAKEHOUSE", "--lakehouse", "onelake.lakehouse", "", parsers.needed, "LAKEHOUSE",
        "id of the lakehouse, or its name followed by .Lakehouse", store="onelake",
    ),
    Setting(
        "DBTSTATE_ONELAKE_PREFIX", "--prefix", "onelake.prefix", DEFAULT_PREFIX, parsers.prefix, "PATH", _PREFIX_HELP,
        store="onelake",
    ),
    Setting(
        "DBTSTATE_ONELAKE_ENDPOINT", "--endpoint", "onelake.endpoint", "https://onelake.blob.fabric.microsoft.com", parsers.url,
        "URL", "the Blob endpoint of OneLake, such as a regional one", store="onelake",
    ),
)  # fmt: skip


def missing(place: Place) -> str | None:
    """What is not said of a place though no single setting is to blame; a fault, or None."""
    if isinstance(place, AzurePlace) and not (place.account or place.endpoint or place.connection_string):
        return "DBTSTATE_AZURE_ACCOUNT (--account) is not set; the store needs it"
    return None
