"""SQL whose result depends on when it runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.shop import Shop

EVALUATED = "{{ config(state={'evaluate_volatile_sql': true}) }}"


def test_volatile_sql_counts_by_its_text_unless_it_is_to_be_evaluated(shop: Shop) -> None:
    shop.write("models/as_of.sql", "select now() as at")
    shop.write("models/as_of_now.sql", f"{EVALUATED} select now() as at")
    both = ("build", "-s", "as_of", "as_of_now")
    shop.dbt(*both)
    assert shop.dbt(*both).decisions == {"as_of": "no-op", "as_of_now": "execute"}
    shop.environment["RUN_CACHE_TOLERATE_NONDETERMINISM"] = "false"
    assert shop.dbt(*both).decisions == {"as_of": "execute", "as_of_now": "execute"}


def test_volatile_sql_in_a_view_underneath_is_evaluated_too(shop: Shop) -> None:
    shop.write("models/clock.sql", "{{ config(materialized='view') }} select random() as luck")
    shop.write("models/lucky.sql", f"{EVALUATED} select * from {{{{ ref('clock') }}}}")
    for _ in range(2):
        assert shop.dbt("build", "-s", "clock", "lucky").built == {"lucky"}


def test_sql_that_depends_on_the_date_is_built_once_a_day(open_shop: OpenShop, start_server: StartServer) -> None:
    server = start_server(controllable_clock=True)
    now = datetime.now(UTC)
    noon = (now + timedelta(days=1)).replace(hour=12, minute=0, second=0)
    server.advance_clock(seconds=(noon - now).total_seconds())
    shop = open_shop(server)
    shop.write("models/today.sql", f"{EVALUATED} select current_date as today")
    for built in ({"today"}, set()):
        assert shop.dbt("build", "-s", "today").built == built
    server.advance_clock(seconds=11 * 3600)
    assert shop.dbt("build", "-s", "today").built == set()
    server.advance_clock(seconds=2 * 3600)
    for built in ({"today"}, set()):
        assert shop.dbt("build", "-s", "today").built == built
