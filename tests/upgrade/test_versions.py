"""Two versions of the server on one state, as during a rolling upgrade: each knows what the other has acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from query_cache_protobuf.query_cache.services.execution_service_pb2 import ConfirmExecutionRequest
from query_cache_protobuf.query_cache.services.execution_service_pb2_grpc import ExecutionStub
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2_grpc import SQLStub
from tests.cli.commands import Serving, run, serving
from tests.cli.questions import BUILT_AT, TOTALS, build, table_model
from tests.emulators.running import Emulators
from tests.upgrade.previous import ARCHIVE, ARCHIVE_FINGERPRINTS, COMMIT, fingerprint_version, previous_server

from dbt_state_oss.domain.sql.fingerprint import FINGERPRINT_VERSION

Start = Callable[[], AbstractContextManager[Serving]]


@pytest.fixture(params=["a directory", "a bucket"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    """What leads a server to the state."""
    if request.param == "a directory":
        return {"STATE_STORE": "local", "DBTSTATE_LOCAL_DIR": str(tmp_path / "state")}
    emulators: Emulators = request.getfixturevalue("emulators")
    return emulators.variables("s3", emulators.fresh_name())


@pytest.fixture
def old(variables: Mapping[str, str], tmp_path: Path) -> Start:
    """It has one parse worker: a second one may still be starting when the server is stopped, and prints a traceback then."""
    environment = {**variables, "PYTHONPATH": str(_previous_server()), "DBTSTATE_PARSE_WORKERS": "1"}
    return lambda: serving(tmp_path / "none", environment=environment)


def _previous_server() -> Path:
    service = previous_server()
    if service is None:
        pytest.skip(f"the history of this clone does not reach back to {COMMIT}; git fetch --unshallow brings it")
    return service


@pytest.fixture
def share_proofs() -> bool:
    """Whether both versions make the same fingerprints. Otherwise each builds what the other has recorded, once."""
    return fingerprint_version(_previous_server()) == FINGERPRINT_VERSION


@pytest.fixture
def new(variables: Mapping[str, str], tmp_path: Path) -> Start:
    return lambda: serving(tmp_path / "none", environment=variables)


@pytest.fixture(params=["an upgrade", "a downgrade"])
def before_and_after(request: pytest.FixtureRequest, old: Start, new: Start) -> tuple[Start, Start]:
    return (old, new) if request.param == "an upgrade" else (new, old)


def question(name: str, *, limit: int = 1, own_epoch: int | None = None) -> SubmitEnrichedSQLRequest:
    """About a table of this name; another `limit` is another query."""
    request = table_model(own_epoch=own_epoch)
    for table in request.tables:
        if table.name == TOTALS:
            table.name = TOTALS.replace("order_totals", name)
    request.target_table = TOTALS.replace("order_totals", name)
    request.sql += f"\nlimit {limit}"
    return request


def skipped(channel: grpc.Channel, request: SubmitEnrichedSQLRequest) -> bool:
    return bool(SQLStub(channel).SubmitEnrichedSQL(request).HasField("skip_execution"))


@pytest.fixture
def channels(before_and_after: tuple[Start, Start]) -> Iterator[tuple[grpc.Channel, grpc.Channel]]:
    """To the version that was there and to the one that comes, both of which run."""
    one, other = before_and_after
    with (
        one() as first,
        other() as second,
        grpc.insecure_channel(first.address) as to_first,
        grpc.insecure_channel(second.address) as to_second,
    ):
        yield to_first, to_second


def test_what_one_version_recorded_the_next_one_knows_after_it_has_ended(
    before_and_after: tuple[Start, Start], *, share_proofs: bool
) -> None:
    before, after = before_and_after
    with before() as server, grpc.insecure_channel(server.address) as channel:
        build(channel, question("a"))
        waiting = SQLStub(channel).SubmitEnrichedSQL(question("b")).ready_to_execute.request_id
    with after() as server, grpc.insecure_channel(server.address) as channel:
        assert skipped(channel, question("a", own_epoch=BUILT_AT)) is share_proofs
        assert not skipped(channel, question("a", limit=2, own_epoch=BUILT_AT))
        confirmation = ConfirmExecutionRequest(request_id=waiting, last_modified_epoch=BUILT_AT)
        assert ExecutionStub(channel).ConfirmExecution(confirmation).success
        assert skipped(channel, question("b", own_epoch=BUILT_AT)) is share_proofs
        build(channel, question("b", own_epoch=BUILT_AT))
        assert skipped(channel, question("b", own_epoch=BUILT_AT))


def test_while_both_run_each_knows_what_the_other_has_just_recorded(
    channels: tuple[grpc.Channel, grpc.Channel], *, share_proofs: bool
) -> None:
    for number in range(6):
        builds, asks = (channels[(number + side) % 2] for side in (0, 1))
        build(builds, question("a", limit=number + 1, own_epoch=BUILT_AT if number else None))
        for channel, knows in ((asks, share_proofs), (builds, True)):
            assert skipped(channel, question("a", limit=number + 1, own_epoch=BUILT_AT)) is knows
            assert not skipped(channel, question("a", limit=number + 2, own_epoch=BUILT_AT))


def test_what_one_version_promised_the_other_confirms(channels: tuple[grpc.Channel, grpc.Channel]) -> None:
    for name, (asks, confirms) in {"a": channels, "b": channels[::-1]}.items():
        ticket = SQLStub(asks).SubmitEnrichedSQL(question(name)).ready_to_execute.request_id
        confirmation = ConfirmExecutionRequest(request_id=ticket, last_modified_epoch=BUILT_AT)
        ids = {ExecutionStub(each).ConfirmExecution(confirmation).execution_id for each in (confirms, asks)}
        assert len(ids) == 1
        assert skipped(asks, question(name, own_epoch=BUILT_AT))


def test_no_document_of_the_other_version_is_taken_for_broken(before_and_after: tuple[Start, Start]) -> None:
    for limit, start in enumerate((*before_and_after, *before_and_after), 1):
        with start() as server:
            with grpc.insecure_channel(server.address) as channel:
                build(channel, question("a", limit=limit, own_epoch=BUILT_AT))
                assert skipped(channel, question("a", limit=limit, own_epoch=BUILT_AT))
            server.process.terminate()
            assert server.ended() == 0
        events: list[dict[str, Any]] = [line for line in server.lines if line["level"] in ("warning", "error")]
        assert events == []


def test_a_state_that_the_previous_version_exported_is_imported_and_known(tmp_path: Path) -> None:
    """Needs no history: the archive lies beside this file."""
    directory = tmp_path / "state"
    imported = run("state", "import", str(ARCHIVE), "--dir", str(directory))
    assert imported.returncode == 0, imported.stderr
    listed = run("state", "list", "--dir", str(directory))
    assert "order_totals" in listed.stdout
    with serving(directory) as server, grpc.insecure_channel(server.address) as channel:
        answer = SQLStub(channel).SubmitEnrichedSQL(table_model(own_epoch=BUILT_AT))
    assert answer.HasField("skip_execution") == (FINGERPRINT_VERSION == ARCHIVE_FINGERPRINTS)
