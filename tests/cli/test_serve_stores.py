"""The server on object stores, from outside: it keeps its state there, and refuses those that would lose it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import grpc
import pytest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.commands import run, serving
from tests.cli.questions import BUILT_AT, build, table_model
from tests.emulators import s3
from tests.emulators.azure import Azurite
from tests.emulators.careless import BUCKET, S3RVER_CREDENTIALS, gcp_storage_emulator, s3rver
from tests.emulators.gcs import FakeGcsServer
from tests.emulators.process import EmulatorProcess
from tests.emulators.running import s3_variables

Start = Callable[[Callable[[Path], EmulatorProcess]], EmulatorProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an emulator that ends with the test."""
    running: list[EmulatorProcess] = []

    def start(emulator: Callable[[Path], EmulatorProcess]) -> EmulatorProcess:
        running.append(emulator(tmp_path))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def azure_settings(start: Start) -> Mapping[str, str]:
    azurite = start(Azurite)
    assert isinstance(azurite, Azurite)
    azurite.new_container("state").close()
    return {
        "STATE_STORE": "azure",
        "DBTSTATE_AZURE_CONTAINER": "state",
        "DBTSTATE_AZURE_CONNECTION_STRING": azurite.connection_string,
    }


def gcs_settings(start: Start) -> Mapping[str, str]:
    fake = start(FakeGcsServer)
    assert isinstance(fake, FakeGcsServer)
    fake.new_bucket("state")
    return {"STATE_STORE": "gcs", "DBTSTATE_GCS_BUCKET": "state", "DBTSTATE_GCS_ENDPOINT": fake.endpoint}


@pytest.mark.parametrize("settings", [azure_settings, gcs_settings], ids=["azure", "gcs"])
def test_the_state_outlives_the_process(
    settings: Callable[[Start], Mapping[str, str]], start: Start, tmp_path: Path
) -> None:
    environment = settings(start)
    with serving(tmp_path / "none", environment=environment) as first, grpc.insecure_channel(first.address) as channel:
        build(channel, table_model())
    with (
        serving(tmp_path / "none", environment=environment) as second,
        grpc.insecure_channel(second.address) as channel,
    ):
        answer = SQLStub(channel).SubmitEnrichedSQL(table_model(own_epoch=BUILT_AT))
    assert answer.WhichOneof("response") == "skip_execution"
    listed = run("state", "list", environment=environment)
    assert "order_totals" in listed.stdout


def test_a_store_that_answers_no_more_does_not_hold_up_the_end(start: Start, tmp_path: Path) -> None:
    """What waits to be written explains and selects; what was acknowledged is there."""
    moto = start(s3.moto)
    s3.client(moto.endpoint).create_bucket(Bucket="state")
    environment = s3_variables(moto.endpoint, "state", "")
    with serving(tmp_path / "none", environment=environment) as server:
        with grpc.insecure_channel(server.address) as channel:
            build(channel, table_model())
            SQLStub(channel).SubmitEnrichedSQL(table_model(own_epoch=BUILT_AT))
            moto.freeze()
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == 0
    assert "shutdown_writes_incomplete" in [line["event"] for line in server.lines]


def test_an_s3_that_ignores_conditions_is_refused(start: Start) -> None:
    place = ("--store", "s3", "--bucket", BUCKET, "--path-style", "yes", "--endpoint", start(s3rver).endpoint)
    refused = run("serve", *place, "--port", "0", environment=S3RVER_CREDENTIALS)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"dbt-state-oss: the store s3://{BUCKET} ignores the condition If-None-Match of writes, "
        "so servers would overwrite each other's records; use another store"
    )


def test_a_gcs_that_tells_no_generations_is_refused(start: Start) -> None:
    place = ("--store", "gcs", "--bucket", BUCKET, "--endpoint", start(gcp_storage_emulator).endpoint)
    refused = run("serve", *place, "--port", "0")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"dbt-state-oss: the store gs://{BUCKET} returns objects without a generation, "
        "so changes cannot be detected; use another store"
    )
