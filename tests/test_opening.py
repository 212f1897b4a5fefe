"""Which store the settings open, as far as it can be seen without the cloud that it is in."""

from __future__ import annotations

import pytest

from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.opening import open_store
from dbt_state_oss.settings import read_settings
from dbt_state_oss.settings.places import AzurePlace, OneLakePlace

AZURE = {"STATE_STORE": "azure", "DBTSTATE_AZURE_ACCOUNT": "team", "DBTSTATE_AZURE_CONTAINER": "state"}
ONELAKE = {
    "STATE_STORE": "onelake",
    "DBTSTATE_ONELAKE_WORKSPACE": "Analytics",
    "DBTSTATE_ONELAKE_LAKEHOUSE": "shop.Lakehouse",
}


def test_onelake_keeps_the_state_under_the_lakehouses_files() -> None:
    place = read_settings(ONELAKE, {}).store.place
    assert isinstance(place, OneLakePlace)
    assert place.path == "shop.Lakehouse/Files/dbt-state"
    assert place.endpoint == "https://onelake.blob.fabric.microsoft.com"


def test_an_account_of_azure_has_its_usual_address_unless_another_is_named() -> None:
    place = read_settings(AZURE, {}).store.place
    assert isinstance(place, AzurePlace)
    assert place.url == "https://team.blob.core.windows.net"
    elsewhere = read_settings({**AZURE, "DBTSTATE_AZURE_ENDPOINT": "https://team.blob.core.chinacloudapi.cn"}, {})
    assert isinstance(elsewhere.store.place, AzurePlace)
    assert elsewhere.store.place.url == "https://team.blob.core.chinacloudapi.cn"


@pytest.mark.parametrize(
    ("environment", "address"),
    [(AZURE, "azure://team/state/dbt-state"), (ONELAKE, "onelake://Analytics/shop.Lakehouse/dbt-state")],
    ids=["azure", "onelake"],
)
async def test_without_an_identity_the_place_is_named(
    environment: dict[str, str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(StoreMisconfigured, match=f"the store {address} cannot be used: no Azure identity found"):
        await open_store(read_settings(environment, {}).store)
