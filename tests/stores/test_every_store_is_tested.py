"""A store class that the contract suite does not run against fails the build."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

from tests.stores.backings import classes_in_suite
from typing_extensions import is_protocol

import dbt_state_oss.stores

PORTS = ({"get", "put", "delete", "list", "close"}, {"read", "write", "remove", "page", "close"})
"""Of a store, and of a bucket."""


def store_classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(dbt_state_oss.stores.__path__, "dbt_state_oss.stores."):
        for _, found in inspect.getmembers(import_module(module.name), inspect.isclass):
            if found.__module__ == module.name and not is_protocol(found) and _serves(found):
                yield found


def _serves(found: type) -> bool:
    return any(all(callable(getattr(found, name, None)) for name in port) for port in PORTS)


def test_every_store_class_has_a_backing_in_the_contract_suite() -> None:
    untested = {found.__qualname__ for found in set(store_classes()) - set(classes_in_suite())}
    assert not untested, f"add to BACKINGS in tests/stores/backings.py: {sorted(untested)}"
