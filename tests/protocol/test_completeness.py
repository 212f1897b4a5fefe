"""Every service of the client's package is served, and every method of it has an implementation."""

from __future__ import annotations

import pkgutil
from typing import Any

import pytest
from query_cache_protobuf.query_cache import services

from dbt_state_oss.protocol.client_telemetry import ClientTelemetryServicer
from dbt_state_oss.protocol.client_validation import ClientValidationServicer
from dbt_state_oss.protocol.clone import CloneServicer
from dbt_state_oss.protocol.execution import ExecutionServicer
from dbt_state_oss.protocol.explain import ExplainServicer
from dbt_state_oss.protocol.selector import SelectorServicer
from dbt_state_oss.protocol.server import SERVICES
from dbt_state_oss.protocol.sql import SqlServicer

SERVICERS: dict[str, type] = {
    "SQL": SqlServicer,
    "Execution": ExecutionServicer,
    "Clone": CloneServicer,
    "Explain": ExplainServicer,
    "SelectorService": SelectorServicer,
    "ClientValidation": ClientValidationServicer,
    "ClientTelemetry": ClientTelemetryServicer,
}


def test_every_service_of_the_package_is_served() -> None:
    modules = {each.name for each in pkgutil.iter_modules(services.__path__) if each.name.endswith("_service_pb2")}
    served = {service.file.name.rpartition("/")[2].replace(".proto", "_pb2") for service in SERVICES.values()}
    assert modules - served == {"health_service_pb2"}, "protocol/server.py: SERVICES"


@pytest.mark.parametrize("name", SERVICES)
def test_every_method_is_in_methods(name: str) -> None:
    servicer: Any = object.__new__(SERVICERS[name])
    methods = servicer.methods
    assert set(methods) == set(SERVICES[name].methods_by_name), f"the property `methods` of {SERVICERS[name].__name__}"
