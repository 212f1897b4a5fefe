"""Credentials of S3 that expire, are withdrawn or are replaced while a server runs."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.emulators.proxy import Proxy, Request
from tests.emulators.s3_faults import LASTING
from tests.stores.asking import stored
from tests.stores.test_remote_faults import KEY, opened

from dbt_state_oss.errors import StoreMisconfigured
from dbt_state_oss.stores import s3_client

REPLACEMENTS = 4


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, moto_bucket: str, tmp_path: Path) -> Path:
    """The file that holds this process's only credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setattr(s3_client, "_LOOK_SECONDS", 0.0)
    keep(file, "FIRST")
    return file


def keep(file: Path, key: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")


def key_of(request: Request) -> str:
    found = re.search(r"Credential=(\w+)/", request.headers.get("Authorization", ""))
    return "" if found is None else found[1]


def signed_with_another_key_than(key: str) -> Callable[[Request], bool]:
    return lambda request: key_of(request) != key


async def test_credentials_that_were_replaced_are_used_once_the_old_ones_are_refused(
    credentials: Path, moto_proxy: Proxy, moto_bucket: str
) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket)
    version = await store.put(KEY, b"0", expected=None)
    for number in range(1, REPLACEMENTS):
        keep(credentials, f"KEY{number}")
        with moto_proxy.fault(LASTING["expired credentials"], on=signed_with_another_key_than(f"KEY{number}")):
            version = await store.put(KEY, str(number).encode(), expected=version)
            assert (await stored(store, KEY)).data == str(number).encode()
    await store.close()


async def test_of_many_calls_at_once_none_fails_by_a_replacement(
    credentials: Path, moto_proxy: Proxy, moto_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "_LOOK_SECONDS", 5.0)
    store = await opened(moto_proxy.endpoint, moto_bucket)
    keys = [f"org/many/{number}" for number in range(24)]
    keep(credentials, "SECOND")
    with moto_proxy.fault(LASTING["expired credentials"], on=lambda request: key_of(request) == "FIRST"):
        await asyncio.gather(*(store.put(key, b"x", expected=None) for key in keys))
    assert [(await stored(store, key)).data for key in keys] == [b"x"] * len(keys)
    await store.close()


async def test_credentials_that_nobody_replaced_are_told_of_and_a_later_replacement_is_found(
    credentials: Path, moto_proxy: Proxy, moto_bucket: str
) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket)
    with moto_proxy.fault(LASTING["expired credentials"], on=lambda request: key_of(request) == "FIRST") as done:
        with pytest.raises(StoreMisconfigured, match="ExpiredToken; the credentials have expired"):
            await store.get(KEY)
        assert done.total() == 1
        keep(credentials, "SECOND")
        assert await store.get(KEY) is None
    await store.close()


@pytest.fixture
def _given_out_for_a_minute(credentials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gives out other credentials each time, as for roles and single sign-on."""
    credentials.unlink()
    program = tmp_path / "give_out.py"
    program.write_text(
        "import datetime, json, secrets\n"
        "end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'K' + secrets.token_hex(8), 'SecretAccessKey': 'secret',\n"
        "                  'SessionToken': 'token', 'Expiration': end.isoformat()}))\n"
    )
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


@pytest.mark.usefixtures("_given_out_for_a_minute")
async def test_credentials_with_an_expiry_are_renewed_before_it(moto_proxy: Proxy, moto_bucket: str) -> None:
    keys: set[str] = set()

    def note(request: Request) -> bool:
        keys.add(key_of(request))
        return False

    with moto_proxy.fault(LASTING["expired credentials"], on=note):
        store = await opened(moto_proxy.endpoint, moto_bucket)
        for number in range(3):
            await store.put(f"org/expiring/{number}", b"x", expected=None)
        await store.close()
    assert len(keys) > 1
