"""The way that Azure's users take: no secret anywhere, a managed identity shown over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.emulators.azure import ACCOUNT
from tests.emulators.azure_identity import TokenEndpoint, azurite_with_tls

from dbt_state_oss.application.ports import UNCHANGED
from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.stores.azure import AzureBucket
from dbt_state_oss.stores.bucket import Blob, NoAnswer


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenEndpoint]:
    tokens = TokenEndpoint()
    for name, value in tokens.variables.items():
        monkeypatch.setenv(name, value)
    yield tokens
    tokens.stop()


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The account's address, and the certificate to trust; there is a container "state"."""
    server, certificate = azurite_with_tls(tmp_path_factory.mktemp("azurite"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        server.new_container("state").close()
    yield f"{server.endpoint}/{ACCOUNT}", certificate
    server.stop()


@pytest.fixture
def bucket(azurite: tuple[str, Path]) -> Iterator[AzureBucket]:
    bucket = AzureBucket("state", place="azure://team/state", url=azurite[0], connections=2, timeout_seconds=20)
    yield bucket
    bucket.close()


def test_a_managed_identity_reads_and_writes(
    bucket: AzureBucket, azurite: tuple[str, Path], tokens: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite[1]))
    version = bucket.write("a/b", b"one", None)
    assert bucket.read("a/b", None) == Blob(b"one", version)
    assert bucket.read("a/b", version) is UNCHANGED
    bucket.remove("a/b", version)
    assert tokens.asked_for == ["https://storage.azure.com"]


def test_a_token_that_is_not_taken_is_told(
    bucket: AzureBucket, azurite: tuple[str, Path], tokens: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite[1]))
    tokens.lifetime_seconds = -3600
    with pytest.raises(
        StoreMisconfigured, match=r"azure://team/state rejected the request: [A-Z].*; the credentials are invalid"
    ) as caught:
        bucket.write("a/b", b"one", None)
    assert not isinstance(caught.value, NoAnswer)


def test_a_certificate_that_is_not_trusted_is_told(bucket: AzureBucket, tokens: TokenEndpoint) -> None:
    with pytest.raises(StoreMisconfigured, match="certificate is not trusted") as caught:
        bucket.read("a/b", None)
    assert not isinstance(caught.value, NoAnswer)
