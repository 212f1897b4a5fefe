"""`dbt-state-oss state migrate`: one store's whole state is in another one, and that is checked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.cli.commands import run
from tests.emulators import s3
from tests.emulators.running import s3_variables

from dbt_state_oss.application.keys import TICKET_KEYS
from dbt_state_oss.application.ownership.transfer import documents_of
from dbt_state_oss.application.ports import Document
from dbt_state_oss.cli.store_urls import store_settings_of
from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.stores.local import LocalStore


async def put(directory: Path, **documents: bytes) -> None:
    store = await LocalStore.open(directory)
    for key, data in documents.items():
        there = await store.get(key)
        await store.put(key, data, expected=there.version if isinstance(there, Document) else None)
    await store.close()


async def content(directory: Path) -> dict[str, bytes]:
    store = await LocalStore.open(directory)
    found = {record.key: record.data async for record in documents_of(store, ticket_keys=True)}
    await store.close()
    return found


def migrate(source: Path, destination: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("state", "migrate", "--from", f"local:{source}", "--to", f"local:{destination}", *arguments)


async def test_a_state_moves_with_its_keys_and_again_what_changed_since(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    await put(old, **{"default/a": b"1", "default/b": b"2", TICKET_KEYS: b"secret"})
    first = migrate(old, new)
    assert (first.returncode, first.stderr) == (0, "")
    assert "3 created, 0 equal, 0 replaced" in first.stdout
    assert "all 3 documents were read again and are equal" in first.stdout
    assert await content(new) == await content(old)

    await put(old, **{"default/b": b"3", "default/c": b"4"})
    refused = migrate(old, new)
    assert refused.returncode == 1
    assert "default/b" in refused.stderr
    assert "default/c" not in await content(new)

    second = migrate(old, new, "--overwrite")
    assert "1 created, 2 equal, 1 replaced" in second.stdout
    assert await content(new) == await content(old)


async def test_a_state_goes_into_a_bucket_and_out_of_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    await put(old, **{f"default/d{number:02d}": b"\xff%d" % number for number in range(40)}, **{TICKET_KEYS: b"secret"})
    server = s3.moto(tmp_path)
    try:
        s3.client(server.endpoint).create_bucket(Bucket="bucket")
        variables = s3_variables(server.endpoint, "unused", "unused")
        for source, destination in ((f"local:{old}", "s3://bucket/state"), ("s3://bucket/state", f"local:{new}")):
            moved = run("state", "migrate", "--from", source, "--to", destination, environment=variables)
            assert moved.returncode == 0, moved.stderr
            assert "41 created, 0 equal, 0 replaced" in moved.stdout
    finally:
        server.stop()
    assert await content(new) == await content(old)


@pytest.mark.parametrize(
    ("source", "destination", "because"),
    [
        ("local:{}/old", "local:{}/old", "the same store"),
        ("local:{}/typo", "local:{}/new", "no state found in"),
        ("local:{}/old", "local:{}/new", "no state found in"),
        ("s3://bucket/a/b", "s3://bucket/a", "s3://bucket/a/b is inside s3://bucket/a"),
        ("ftp://host", "local:{}/new", 'ftp://host" is not a store'),
        ("local:{}/old", "local:", 'local:" is not a store'),
    ],
)
def test_stores_that_cannot_be_meant_are_refused(tmp_path: Path, source: str, destination: str, because: str) -> None:
    (tmp_path / "old").mkdir()
    result = run("state", "migrate", "--from", source.format(tmp_path), "--to", destination.format(tmp_path))
    assert result.returncode in (1, 2)
    assert because in result.stderr
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "typo").exists()


async def test_where_nothing_is_recorded_nothing_is_made(tmp_path: Path) -> None:
    await put(tmp_path / "old", **{TICKET_KEYS: b"secret"})
    result = migrate(tmp_path / "old", tmp_path / "new")
    assert (result.returncode, result.stdout) == (1, "")
    assert f"the store local:{tmp_path}/old has no records" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("url", "address", "variables"),
    [
        ("local:/state", "local:/state", {}),
        ("s3://bucket/a/b", "s3://bucket/a/b", {}),
        ("s3://bucket", "s3://bucket/dbt-state", {}),
        ("gs://bucket/a/", "gs://bucket/a", {}),
        ("azure://account/container/a/b", "azure://account/container/a/b", {}),
        ("onelake://ws/lh.Lakehouse/a", "onelake://ws/lh.Lakehouse/a", {}),
        ("s3://bucket", "s3://bucket/own", {"DBTSTATE_S3_PREFIX": "own", "STATE_STORE": "local"}),
    ],
)
def test_an_address_names_a_store_and_variables_tell_the_rest(
    url: str, address: str, variables: dict[str, str]
) -> None:
    assert store_settings_of(url, variables).place.address == address


@pytest.mark.parametrize("url", ["s3:bucket", "s3://", "azure://account", "onelake://ws//x", "http://x", "bucket", ""])
def test_an_address_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidSettings, match="is not a store"):
        store_settings_of(url, {})
