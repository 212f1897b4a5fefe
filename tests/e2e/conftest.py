"""The end-to-end rig's fixtures; README.md beside this file tells how to write a scenario."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.dbt_process import DbtProcess
from tests.e2e.generations import Generation
from tests.e2e.postgres import TEMPLATE, PostgresServer
from tests.e2e.server import StateServer, local_store
from tests.e2e.shop import Shop
from tests.emulators.running import Emulators

SOURCES = Path(__file__).with_name("sources.sql")

ProcessOf = Callable[[Path], DbtProcess]
ClientOf = Callable[[Generation], DbtProcess]
StartServer = Callable[..., StateServer]
OpenShop = Callable[..., Shop]
StoreOf = Callable[[Path], Mapping[str, str]]
"""The variables of the store for a server of a directory of its own."""


def _with_sources(server: PostgresServer) -> PostgresServer:
    server.create_database(TEMPLATE).sql(SOURCES.read_text())
    return server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """This test process's PostgreSQL, with the source tables in its template database."""
    server = PostgresServer()
    try:
        yield _with_sources(server)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def neighbour_postgres(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A second PostgreSQL on the same host behind another port, with the same template database."""
    server = PostgresServer(port=postgres.port + 1, socket_directory=Path(postgres.host))
    try:
        yield _with_sources(server)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def process_of() -> Iterator[ProcessOf]:
    """The dbt process of an interpreter, started when it is first asked for."""
    processes: dict[Path, DbtProcess] = {}

    def process_of(interpreter: Path) -> DbtProcess:
        if interpreter not in processes:
            processes[interpreter] = DbtProcess(interpreter)
        return processes[interpreter]

    yield process_of
    for process in processes.values():
        process.stop()


@pytest.fixture(scope="session")
def client_of(process_of: ProcessOf) -> ClientOf:
    """The dbt process of a client generation."""
    return lambda generation: process_of(generation.interpreter())


@pytest.fixture(scope="session")
def client(client_of: ClientOf) -> DbtProcess:
    """The newest client."""
    return client_of(Generation.DBT_STATE_2_62)


@pytest.fixture(scope="session")
def store_of(request: pytest.FixtureRequest) -> StoreOf:
    """Where the server of a directory keeps its state: there, or in the store that `--state-store` names."""
    kind: str = request.config.getoption("--state-store")

    def store_of(directory: Path) -> Mapping[str, str]:
        if kind == "local":
            return local_store(directory / "state")
        emulators: Emulators = request.getfixturevalue("emulators")
        return emulators.variables(kind, emulators.fresh_name())

    return store_of


@pytest.fixture(scope="session")
def _shared_server(tmp_path_factory: pytest.TempPathFactory, store_of: StoreOf) -> Iterator[StateServer]:
    directory = tmp_path_factory.mktemp("server")
    server = StateServer(directory, store=store_of(directory))
    yield server
    server.stop()


@pytest.fixture
def server(_shared_server: StateServer) -> Iterator[StateServer]:
    """A running server with default settings. Scenarios share it: each has a database, so targets, of its own."""
    if not _shared_server.running:
        _shared_server.start()
    yield _shared_server
    assert _shared_server.running, f"the scenario ended the server: {_shared_server.log.read_text()}"


@pytest.fixture
def start_server(tmp_path: Path, store_of: StoreOf) -> Iterator[StartServer]:
    """Starts servers for one scenario alone, with settings, a controllable clock, or to be killed."""
    servers: list[StateServer] = []
    numbers = itertools.count(1)

    def start_server(
        *,
        settings: dict[str, str] | None = None,
        controllable_clock: bool = False,
        store: Mapping[str, str] | None = None,
    ) -> StateServer:
        directory = tmp_path / f"server_{next(numbers)}"
        server = StateServer(
            directory, settings=settings, controllable_clock=controllable_clock, store=store or store_of(directory)
        )
        servers.append(server)
        return server

    yield start_server
    for server in servers:
        server.stop()


@pytest.fixture
def open_shop(
    tmp_path: Path, postgres: PostgresServer, client: DbtProcess, request: pytest.FixtureRequest
) -> Iterator[OpenShop]:
    """Opens shops; by default in a fresh database and with the newest client."""
    numbers = itertools.count(1)
    shops: list[Shop] = []

    def open_shop(server: StateServer, *, on: PostgresServer = postgres, name: str | None = None) -> Shop:
        """`name` is the database's; two shops of one name on two PostgreSQL servers have the same relations."""
        number = next(numbers)
        database = on.create_database(name or f"shop_{next(_DATABASES)}", template=TEMPLATE)
        shops.append(Shop(tmp_path / f"shop_{number}", database=database, server=server, client=client))
        return shops[-1]

    yield open_shop
    for shop in shops:
        shop.close()


@pytest.fixture
def shop(open_shop: OpenShop, server: StateServer) -> Shop:
    """A shop that asks the shared server."""
    return open_shop(server)


_DATABASES = itertools.count(1)
