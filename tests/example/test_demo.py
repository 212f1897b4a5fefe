"""The demo keeps its promises with the real client, server and database, and cleans up after itself."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from subprocess import Popen

import pytest
from example_project.report import NOT_ASKED
from tests.emulators.running import REMOTE_STORES, Emulators
from tests.example.demo_runs import ROOT, DemoRunner, printed_builds

VIEWS = {"model stg_customers", "model stg_orders", "model stg_payments"}
READERS_OF_CUSTOMERS = {"model dim_customers", "model customer_tiers", "test customer_tiers_are_known"}
READERS_OF_ORDERS = READERS_OF_CUSTOMERS | {
    "model fct_orders",
    "model daily_revenue",
    "model int_customer_orders",
    "test order_statuses_are_known",
    "test order_ids_are_unique",
    "test order_amounts_are_not_negative",
    "test orders_have_a_customer",
    "test each_customer_is_counted_once",
    "test daily_revenue_adds_up",
}
BUSY = "dbt build --target prod … "


def test_the_demo_shows_what_is_built_and_what_is_reused(demo: DemoRunner) -> None:
    with demo.start() as process:
        output, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, "")
    first, same, cosmetic, edited, new_rows = printed_builds(output)
    asked = set(first.verdicts) - VIEWS
    assert len(asked) == 19
    assert first.nodes("built") == asked
    assert same.nodes("NO-OP") == asked
    assert cosmetic.nodes("NO-OP") == asked
    assert edited.nodes("built") == READERS_OF_CUSTOMERS
    assert edited.nodes("NO-OP") == asked - READERS_OF_CUSTOMERS
    assert new_rows.nodes("built") == READERS_OF_ORDERS
    assert new_rows.nodes("NO-OP") == asked - READERS_OF_ORDERS
    assert '"shop"."raw"."orders"' in new_rows.reasons["model fct_orders"]
    assert '"shop"."prod"."int_customer_orders"' in new_rows.reasons["model dim_customers"]
    assert {same.reasons[view] for view in VIEWS} == {NOT_ASKED}
    assert demo.leftovers() == []


@pytest.mark.parametrize("store", REMOTE_STORES)
def test_the_demo_keeps_its_state_in_any_store(store: str, demo: DemoRunner, emulators: Emulators) -> None:
    place = emulators.variables(store, "unused")
    with demo.start("--store", store, "--builds", "2", environment=place) as process:
        output, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, "")
    first, same = printed_builds(output)
    assert first.nodes("built") == set(first.verdicts) - VIEWS
    assert same.nodes("NO-OP") == first.nodes("built")
    assert demo.leftovers() == []


def test_a_broken_promise_fails_the_demo(demo: DemoRunner, tmp_path: Path) -> None:
    """The incremental model's SQL differs between its first and its second build; without its setting it is built twice."""
    project = tmp_path / "example_project"
    shutil.copytree(ROOT / "example_project", project, ignore=shutil.ignore_patterns("target", "logs", "__pycache__"))
    model = project / "models" / "marts" / "fct_orders.sql"
    setting = "    state={'compare_unrendered_code': true},\n"
    assert setting in model.read_text()
    model.write_text(model.read_text().replace(setting, ""))
    with demo.start("--builds", "2", root=tmp_path) as process:
        output, complaints = process.communicate()
    assert process.returncode == 1
    assert "model fct_orders" in printed_builds(output)[1].nodes("built")
    assert "NOT AS PROMISED: Build 2, model fct_orders: was built" in complaints
    assert demo.leftovers() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_interrupted_in_a_build_leaves_nothing_behind(
    demo: DemoRunner, number: signal.Signals, code: int
) -> None:
    with demo.start() as process:
        read_until(process, BUSY)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == code
    assert demo.leftovers() == []


def read_until(process: Popen[str], text: str) -> None:
    """Read what the process prints, up to `text`."""
    assert process.stdout is not None
    seen = ""
    while not seen.endswith(text):
        character = process.stdout.read(1)
        assert character, f"the demo ended before it printed {text!r}: {seen}"
        seen += character
