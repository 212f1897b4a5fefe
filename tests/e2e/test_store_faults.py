"""A store that fails in every way that stores fail: dbt stays green, builds what could not be looked up, and nothing that was
acknowledged is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.shop import Shop
from tests.emulators.proxy import Fault, Proxy, Request
from tests.emulators.running import SHARED_BUCKET, Emulators, s3_variables
from tests.emulators.s3_faults import LASTING, TRANSIENT, some

EVERYTHING = {"order_totals", "customer_totals", "customer_names"}
IMPATIENT = {"DBTSTATE_STORE_TIMEOUT_SECONDS": "1", "DBTSTATE_CALL_TIMEOUT_SECONDS": "6"}
"""Less than a slow answer takes, and than dbt should wait for a store that is gone."""


@pytest.fixture
def proxy(emulators: Emulators) -> Iterator[Proxy]:
    proxy = Proxy(emulators.seaweedfs.endpoint)
    yield proxy
    proxy.stop()


@pytest.fixture
def faulty(open_shop: OpenShop, start_server: StartServer, proxy: Proxy, emulators: Emulators) -> Shop:
    """A shop whose server reaches its store through the proxy."""
    store = s3_variables(proxy.endpoint, SHARED_BUCKET, emulators.fresh_name())
    return open_shop(start_server(store=store, settings=IMPATIENT))


def puts(request: Request) -> bool:
    return request.method == "PUT"


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=list(TRANSIENT))
def test_what_passes_costs_nothing_but_time(fault: Fault, faulty: Shop, proxy: Proxy) -> None:
    with proxy.fault(fault, on=some(0.25, seed=7)) as done:
        build = faulty.build(clean=False)
        build.assert_succeeded()
    assert done.total() > 0
    unacknowledged = EVERYTHING & build.complained_of
    if "order_totals" in unacknowledged:
        unacknowledged.add("customer_totals")  # reads it
    assert faulty.build().built <= unacknowledged
    assert faulty.build().built == set()


@pytest.mark.parametrize("fault", LASTING.values(), ids=list(LASTING))
def test_what_lasts_lets_dbt_build_everything_and_loses_nothing_that_was_recorded(
    fault: Fault, faulty: Shop, proxy: Proxy
) -> None:
    assert faulty.build().built == EVERYTHING
    with proxy.fault(fault):
        build = faulty.build(clean=False)
        build.assert_succeeded()
        assert build.built == EVERYTHING
        assert all("the recorded state could not be read" in build.reasons[name] for name in EVERYTHING)
    assert faulty.build().built == EVERYTHING  # each was built without a record, so its table is another one
    assert faulty.build().built == set()


def test_a_store_that_takes_no_writes_still_proves_what_it_knows(faulty: Shop, proxy: Proxy) -> None:
    faulty.build()
    with proxy.fault(LASTING["access that is denied"], on=puts):
        assert faulty.build(clean=False).built == set()
        faulty.edit("models/order_totals.sql", "sum(amount)", "sum(amount) + 1")
        for _ in range(2):
            build = faulty.build(clean=False)
            build.assert_succeeded()
            assert build.built == {"order_totals", "customer_totals"}
            assert any("rejects writes" in complaint for complaint in build.complaints)
    assert faulty.build().built == {"order_totals", "customer_totals"}
    assert faulty.build().built == set()
