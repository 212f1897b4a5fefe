"""Whatever happens to the server, its store or another run: dbt stays green, and nothing is skipped wrongly."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.gate import PASSING, ClosedGate
from tests.e2e.server import StateServer, local_store
from tests.e2e.shop import Shop

IMPATIENT = {"RUN_CACHE_API_CLIENT_MAX_ATTEMPTS": "1", "RUN_CACHE_API_CLIENT_TIMEOUT": "5s"}
"""A client that does not wait for a server that is gone."""
EVERYTHING = {"order_totals", "customer_totals", "customer_names"}


@pytest.fixture
def own_server(start_server: StartServer) -> StateServer:
    return start_server()


@pytest.fixture
def local_server(start_server: StartServer, tmp_path: Path) -> StateServer:
    """A server on a local store, whatever the others have: its file is what a scenario spoils."""
    return start_server(store=local_store(tmp_path / "spoiled"))


@pytest.fixture
def gated(open_shop: OpenShop, own_server: StateServer) -> Shop:
    """A shop on a server of its own, whose `order_totals` passes through the gate."""
    shop = open_shop(own_server)
    shop.edit("models/order_totals.sql", "group by", f"where {PASSING} group by")
    return shop


def test_a_build_is_confirmed_to_a_server_that_was_restarted_since_it_was_asked(gated: Shop) -> None:
    with ClosedGate(gated.database) as gate:
        running = gated.start("build")
        gate.wait_for_arrival()
        gated.server.restart()
        gate.open()
        build = running.wait()
    build.assert_clean_log()
    assert build.built == EVERYTHING
    assert gated.build().built == set()


def test_a_server_that_is_killed_and_comes_back_in_mid_build_loses_nothing(gated: Shop) -> None:
    with ClosedGate(gated.database) as gate:
        running = gated.start("build")
        gate.wait_for_arrival()
        gated.server.kill()
        gated.server.start()
        gate.open()
        build = running.wait()
    build.assert_clean_log()
    build.assert_succeeded()
    assert gated.build().built == set()


def test_a_server_that_is_killed_in_mid_build_and_stays_away_costs_only_the_savings(gated: Shop) -> None:
    with ClosedGate(gated.database) as gate:
        running = gated.start("build", "-s", "stg_orders", "order_totals", environment=IMPATIENT)
        gate.wait_for_arrival()
        gated.server.kill()
        gate.open()
        build = running.wait()
    build.assert_succeeded()
    assert build.complaints
    gated.server.start()
    assert gated.build().built == EVERYTHING
    assert gated.build().built == set()


def test_a_killed_dbt_leaves_the_state_of_before(gated: Shop) -> None:
    gated.build()
    gated.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    with ClosedGate(gated.database) as gate:
        running = gated.start("build", "-s", "order_totals")
        gate.wait_for_arrival()
        running.run.kill()
        assert running.run.wait() < 0
        gate.open()
    assert gated.build().built == {"order_totals", "customer_totals"}


def test_a_build_that_overtakes_another_one_is_seen_by_the_next(gated: Shop) -> None:
    gated.edit("models/order_totals.sql", f"where {PASSING} group by", "group by")
    gated.build()
    gated.write("models/customer_totals.sql", f"select * from {{{{ ref('order_totals') }}}} where {PASSING}")
    gated.sql("insert into raw.orders values (4, 3, 40, now())")
    colleague = gated.colleague()
    with ClosedGate(gated.database) as gate:
        slow = gated.start("build", "-s", "customer_totals")
        gate.wait_for_arrival()
        fast = colleague.start("build", "-s", "order_totals")
        gate.open()
        builds = [slow.wait(), fast.wait()]
    for build in builds:
        build.assert_clean_log()
        build.assert_succeeded()
    assert "customer_totals" in gated.build().built
    assert gated.build().built == set()


def test_two_builds_of_one_project_at_once_both_count(gated: Shop) -> None:
    colleague = gated.colleague()
    gated.dbt("build", "-s", "stg_orders").assert_succeeded()
    with ClosedGate(gated.database) as gate:
        slow = gated.start("build", "-s", "order_totals")
        gate.wait_for_arrival()
        assert colleague.dbt("build", "-s", "customer_names").built == {"customer_names"}
        gate.open()
        assert slow.wait().built == {"order_totals"}
    assert gated.build().built == {"customer_totals"}
    assert colleague.dbt("build").built == set()


def test_a_client_that_the_server_does_not_support_is_told_to_stop(
    open_shop: OpenShop, start_server: StartServer
) -> None:
    shop = open_shop(start_server(settings={"DBTSTATE_CLIENT_VERSIONS": ">=99"}))
    assert shop.dbt("build", clean=False).exit_code == 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, which can be filled."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    directory = tmp_path / "disk"
    directory.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "shop", str(directory)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("nobody may mount a file system here")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


def test_a_full_disk_keeps_dbt_green_and_is_got_over(
    open_shop: OpenShop, start_server: StartServer, disk: Path
) -> None:
    shop = open_shop(start_server(store=local_store(disk / "state")))
    shop.build()
    with suppress(OSError), (disk / "filler").open("wb") as filler:
        while True:
            filler.write(bytes(4096))
            filler.flush()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    for _ in range(2):
        build = shop.build(clean=False)
        assert build.built == {"order_totals", "customer_totals"}
        assert build.complaints
    (disk / "filler").unlink()
    assert shop.build().built == {"order_totals", "customer_totals"}
    assert shop.build().built == set()


def test_a_read_only_directory_ends_the_server_with_a_sentence_and_dbt_builds_without_it(
    open_shop: OpenShop, start_server: StartServer, disk: Path
) -> None:
    server = start_server(store=local_store(disk / "state"))
    shop = open_shop(server)
    shop.build()
    assert server.terminate() == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(RuntimeError, match="read-only"):
        shop.server.start()
    build = shop.build("-s", "customer_names", clean=False, environment=IMPATIENT)
    assert build.complaints
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    shop.server.start()
    assert shop.build().built == {"customer_names"}


def test_garbage_in_the_stored_documents_is_treated_as_no_record(
    open_shop: OpenShop, local_server: StateServer
) -> None:
    shop = open_shop(local_server)
    shop.build()
    for garbage in (b"", b"\x00\xff garbage", b'{"version": 99}', b"[]", b"null"):
        with closing(sqlite3.connect(local_server.state / "state.sqlite3")) as database, database:
            database.execute("update documents set data = ?, version = hex(randomblob(16))", (garbage,))
        assert shop.build().built == EVERYTHING, garbage
        assert shop.build().built == set(), garbage


def test_a_state_that_is_taken_away_under_a_running_server_is_an_empty_state(
    open_shop: OpenShop, local_server: StateServer
) -> None:
    shop = open_shop(local_server)
    shop.build()
    local_server.state.rename(local_server.state.with_name("moved_away"))
    assert shop.build().built == EVERYTHING
    assert shop.build().built == set()


def test_a_state_that_is_overwritten_under_a_running_server_keeps_dbt_green(
    open_shop: OpenShop, local_server: StateServer
) -> None:
    shop = open_shop(local_server)
    shop.build()
    for file in local_server.state.iterdir():
        if file.is_file():
            file.write_bytes(os.urandom(16384))
    assert shop.build(clean=False).built <= EVERYTHING
