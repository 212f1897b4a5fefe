"""dbt v2 on a PostgreSQL that passes for a Redshift."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import SOURCES, OpenShop, StartServer, StoreOf
from tests.e2e.dbt_v2.clients import DbtV2
from tests.e2e.dbt_v2.v2_shop import V2Shop
from tests.e2e.postgres import TEMPLATE, PostgresServer
from tests.e2e.server import StateServer
from tests.ports import free_port

CATALOG = Path(__file__).with_name("redshift_on_postgres.sql")
LENIENT = {"DBTSTATE_MISSING_EVIDENCE": "ignore"}
"""These releases report no configuration, so that by default everything is built (rule L13)."""


@pytest.fixture(scope="session")
def redshift() -> Iterator[PostgresServer]:
    """A PostgreSQL with Redshift's catalog and the source tables in its template database."""
    settings = {"listen_addresses": "127.0.0.1", "allow_system_table_mods": "on", "timezone": "UTC"}
    server = PostgresServer(port=free_port(), settings=settings)
    try:
        template = server.create_database(TEMPLATE)
        template.sql(CATALOG.read_text())
        template.sql(SOURCES.read_text())
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def lenient_server(tmp_path_factory: pytest.TempPathFactory, store_of: StoreOf) -> Iterator[StateServer]:
    """A server that ignores missing evidence; scenarios share it."""
    directory = tmp_path_factory.mktemp("lenient_server")
    server = StateServer(directory, store=store_of(directory), settings=LENIENT)
    yield server
    server.stop()


@pytest.fixture(params=DbtV2, ids=lambda release: release.value)
def release(request: pytest.FixtureRequest) -> DbtV2:
    release: DbtV2 = request.param
    return release


@pytest.fixture
def v2(open_shop: OpenShop, lenient_server: StateServer, redshift: PostgresServer, release: DbtV2) -> V2Shop:
    """A shop that dbt v2 builds, and that asks a server which ignores missing evidence."""
    return V2Shop(open_shop(lenient_server, on=redshift), lenient_server, release)


@pytest.fixture
def strict_v2(open_shop: OpenShop, start_server: StartServer, redshift: PostgresServer, release: DbtV2) -> V2Shop:
    """The same on a server with default settings."""
    server = start_server()
    return V2Shop(open_shop(server, on=redshift), server, release)
