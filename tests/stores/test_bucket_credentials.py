"""Who this process is to Azure and Google: what is said where it is nobody, and that no secret is told."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from uuid import UUID

import pytest
from tests.ports import free_port

from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.stores.azure import AzureBucket
from dbt_state_oss.stores.bucket import NoAnswer
from dbt_state_oss.stores.gcs import GcsBucket

SIGNATURE = "c2lnbmF0dXJl"


def azure(*, url: str = "", connection_string: str = "") -> AzureBucket:
    return AzureBucket(
        "state",
        place="azure://team/state",
        url=url,
        connection_string=connection_string,
        connections=1,
        timeout_seconds=1,
    )


def test_azure_without_an_identity_says_which_ones_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")  # the others take seconds to find nothing
    bucket = azure(url="https://team.blob.core.windows.net")
    with pytest.raises(
        StoreMisconfigured, match="azure://team/state cannot be used: no Azure identity found"
    ) as caught:
        bucket.read("a", None)
    assert not isinstance(caught.value, NoAnswer)
    assert "workload identity" in str(caught.value)
    bucket.close()


def test_azure_a_token_that_does_not_come_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "TENANT_ID": str(UUID(int=1)),
        "CLIENT_ID": str(UUID(int=2)),
        "CLIENT_SECRET": SIGNATURE,
    }.items():
        monkeypatch.setenv(f"AZURE_{variable}", value)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    for variable in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    bucket = azure(url="https://team.blob.core.windows.net")
    with pytest.raises(NoAnswer, match="the token endpoint did not answer") as caught:
        bucket.read("a", None)
    assert SIGNATURE not in "".join(traceback.format_exception(caught.value))
    bucket.close()


def test_azure_shows_no_identity_without_tls() -> None:
    with pytest.raises(StoreMisconfigured, match="requires an https:// endpoint"):
        azure(url="http://team.blob.example")


def test_azure_does_not_tell_what_a_malformed_connection_string_holds() -> None:
    with pytest.raises(StoreMisconfigured, match="the connection string is invalid") as caught:
        azure(connection_string=f"AccountKey={SIGNATURE}")
    assert SIGNATURE not in "".join(traceback.format_exception(caught.value))


def test_azure_a_key_that_is_cut_off_is_no_missing_identity() -> None:
    cut_off = SIGNATURE[:-1]
    with pytest.raises(StoreMisconfigured, match="the connection string is invalid") as caught:
        azure(connection_string=f"AccountName=team;AccountKey={cut_off};EndpointSuffix=core.windows.net")
    assert cut_off not in "".join(traceback.format_exception(caught.value))


def test_azure_does_not_tell_the_signature_of_an_address_that_does_not_answer() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}/team"
    bucket = azure(connection_string=f"BlobEndpoint={endpoint};SharedAccessSignature=sv=2023-11-03&sig={SIGNATURE}")
    with pytest.raises(NoAnswer, match="azure://team/state did not answer") as caught:
        bucket.read("a", None)
    assert SIGNATURE not in "".join(traceback.format_exception(caught.value))
    bucket.close()


def test_gcs_without_credentials_says_which_ones_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(
        StoreMisconfigured, match="gs://state cannot be used: no valid Google credentials found"
    ) as caught:
        GcsBucket("state", connections=1, timeout_seconds=1)
    assert "Workload Identity" in str(caught.value)


def test_gcs_a_token_that_does_not_come_is_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    user = {"type": "authorized_user", "client_id": "x", "client_secret": SIGNATURE, "refresh_token": SIGNATURE}
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({**user, "token_uri": f"http://127.0.0.1:{free_port()}"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    bucket = GcsBucket("state", connections=1, timeout_seconds=1)
    with pytest.raises(NoAnswer, match="waiting for an access token") as caught:
        bucket.read("a", None)
    assert SIGNATURE not in "".join(traceback.format_exception(caught.value))
    bucket.close()
