"""What is asked of S3 beside the documents: encryption and the shape of addresses, as an S3 server sees it."""

from __future__ import annotations

import pytest
from tests.emulators import s3
from tests.emulators.proxy import Proxy
from tests.emulators.running import Emulators

from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.stores.s3 import S3Bucket

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    ("encryption", "kms_key", "told"),
    [
        ("AES256", "", {"ServerSideEncryption": "AES256"}),
        ("aws:kms", KEY, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}),
    ],
)
def test_every_write_asks_for_the_encryption_that_is_set(
    encryption: str, kms_key: str, told: dict[str, str], emulators: Emulators, moto_bucket: str
) -> None:
    bucket = S3Bucket(
        moto_bucket,
        endpoint=emulators.moto.endpoint,
        path_style=True,
        encryption=encryption,
        kms_key=kms_key,
        connections=1,
        timeout_seconds=20,
    )
    first = bucket.write("a/b", b"one", None)
    bucket.write("a/b", b"two", first)
    bucket.close()
    found = s3.client(emulators.moto.endpoint).head_object(Bucket=moto_bucket, Key="a/b")
    assert {option: found[option] for option in told} == told


def test_the_bucket_stands_in_the_path_where_that_is_set(moto_proxy: Proxy, moto_bucket: str) -> None:
    bucket = S3Bucket(moto_bucket, endpoint=moto_proxy.endpoint, path_style=True, connections=1, timeout_seconds=20)
    assert bucket.read("a/b", None) is None
    bucket.close()
    assert moto_proxy.seen == [("GET", f"/{moto_bucket}/a/b")]


def test_a_large_document_is_one_request(moto_proxy: Proxy, moto_bucket: str) -> None:
    bucket = S3Bucket(moto_bucket, endpoint=moto_proxy.endpoint, path_style=True, connections=1, timeout_seconds=20)
    bucket.write("large", bytes(65 << 20), None)
    bucket.close()
    assert [method for method, _ in moto_proxy.seen] == ["PUT"]


def test_without_credentials_that_is_what_is_told(
    emulators: Emulators, moto_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in s3.CREDENTIALS:
        if variable.startswith("AWS_") and "REGION" not in variable:
            monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    bucket = S3Bucket(moto_bucket, endpoint=emulators.moto.endpoint, connections=1, timeout_seconds=20)
    with pytest.raises(StoreMisconfigured, match="no AWS credentials found"):
        bucket.read("a/b", None)
    bucket.close()


def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(StoreMisconfigured, match="no-such-profile"):
        S3Bucket("any", connections=1, timeout_seconds=20)
