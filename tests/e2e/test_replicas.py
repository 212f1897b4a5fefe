"""Several servers on one bucket: whatever one of them acknowledged all of them know, and none is missed when it goes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.build import Build
from tests.e2e.conftest import OpenShop
from tests.e2e.replicas import Replicas
from tests.e2e.server import StateServer
from tests.e2e.shop import Shop
from tests.emulators.running import Emulators

EVERYTHING = {"order_totals", "customer_totals", "customer_names"}
SLOW_MODEL = "select {number} as number, pg_sleep(0.2)::text as slept"

StartReplicas = Callable[[int], Replicas]


@pytest.fixture
def start_replicas(tmp_path: Path, emulators: Emulators) -> Iterator[StartReplicas]:
    started: list[Replicas] = []

    def start_replicas(count: int) -> Replicas:
        store = emulators.variables("s3", emulators.fresh_name())
        started.append(Replicas(tmp_path / "replicas", count=count, store=store))
        return started[-1]

    yield start_replicas
    for replicas in started:
        replicas.stop()


def unasked_or_unconfirmed(build: Build) -> set[str]:
    """The slow models of a run that the server does not know of."""
    unasked = {name for name, decision in build.decisions.items() if decision == "not asked"}
    return {name for name in unasked | build.complained_of if re.fullmatch(r"m\d+", name)}


def on(shop: Shop, server: StateServer) -> Shop:
    """The same checkout and database, asking this server."""
    shop.server = server
    return shop


def test_what_one_server_acknowledged_every_other_knows_at_once(
    open_shop: OpenShop, start_replicas: StartReplicas
) -> None:
    one, two, three, four = start_replicas(4).servers
    shop = open_shop(one)
    assert on(shop, one).build().built == EVERYTHING
    assert on(shop, two).build().built == set()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) + 1")
    assert on(shop, three).build().built == {"order_totals", "customer_totals"}
    shop.edit("models/order_totals.sql", "sum(amount) + 1", "sum(amount) + 2")
    assert on(shop, two).build().built == {"order_totals", "customer_totals"}
    for server in (one, three, four):
        assert on(shop, server).build().built == set()


def test_builds_at_once_over_four_servers_lose_nothing(open_shop: OpenShop, start_replicas: StartReplicas) -> None:
    replicas = start_replicas(4)
    shops = [open_shop(replicas) for _ in range(2)]
    for shop in shops:
        for number in range(20):
            shop.write(f"models/m{number}.sql", f"select {number} as number")
    for _ in range(2):
        runs = [shop.start("build", "--threads", "8") for shop in shops]
        builds = [run.wait() for run in runs]
        for build in builds:
            build.assert_succeeded()
            build.assert_clean_log()
    assert [build.built for build in builds] == [set(), set()]


def test_a_server_that_is_killed_in_the_middle_of_a_run_is_not_missed(
    open_shop: OpenShop, start_replicas: StartReplicas
) -> None:
    replicas = start_replicas(2)
    shop = open_shop(replicas)
    for number in range(12):
        shop.write(f"models/m{number}.sql", SLOW_MODEL.format(number=number))
    for server in replicas.servers:
        run = shop.start("build", "--full-refresh", "--threads", "2")
        server.kill()
        build = run.wait()
        build.assert_succeeded()
        assert set(build.decisions.values()) <= {"execute", "no-op", "not asked"}
        assert "not asked" not in {build.decisions[f"m{number}"] for number in range(12)}
        server.start()
    assert shop.build().built == set()


def test_a_rolling_restart_under_load_fails_no_node(open_shop: OpenShop, start_replicas: StartReplicas) -> None:
    replicas = start_replicas(2)
    shop = open_shop(replicas)
    for number in range(16):
        shop.write(f"models/m{number}.sql", SLOW_MODEL.format(number=number))
    over = threading.Event()

    def restart_all_the_time() -> None:
        while not over.is_set():
            replicas.restart()

    restarting = threading.Thread(target=restart_all_the_time)
    restarting.start()
    try:
        builds = [shop.dbt("build", "--threads", "2", clean=False) for _ in range(3)]
    finally:
        over.set()
        restarting.join()
    for build in builds:
        build.assert_succeeded()
    assert {name for build in builds for name in unasked_or_unconfirmed(build)} == set()
    assert shop.build().built == set()
