"""What cannot change the result of a build is not built again."""

from __future__ import annotations

from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.shop import Shop

ORDER_TOTALS = """\
select customer_id, sum(amount) as total, count(*) as orders
from {{ ref("stg_orders") }}
group by customer_id
"""

COSMETIC_EDITS = {
    "a line comment": "-- how much each customer spent\n" + ORDER_TOTALS,
    "a block comment": ORDER_TOTALS.replace("sum(amount)", "/* gross */ sum(amount)"),
    "a comment of dbt": "{# gross #}" + ORDER_TOTALS,
    "white space": ORDER_TOTALS.replace(" ", "\n    ").replace("ref(\n", "ref("),
    "the case of keywords": ORDER_TOTALS.replace("select", "SELECT").replace("group by", "Group By"),
    "the case of unquoted names": ORDER_TOTALS.replace("customer_id", "Customer_ID"),
    "an AS left out": ORDER_TOTALS.replace("as orders", "orders"),
}


def test_an_unchanged_project_is_not_built_again(shop: Shop) -> None:
    first = shop.build()
    assert first.decisions == {
        "stg_orders": "not asked",
        "order_totals": "execute",
        "customer_totals": "execute",
        "customer_names": "execute",
    }
    second = shop.build()
    assert second.decisions == {
        "stg_orders": "not asked",
        "order_totals": "no-op",
        "customer_totals": "no-op",
        "customer_names": "no-op",
    }
    totals = [(name, int(total)) for _, name, total in shop.table("customer_totals")]
    assert totals == [("Ada", 30), ("Grace", 30), ("Edsger", 0)]


def test_edits_that_mean_nothing_build_nothing(shop: Shop) -> None:
    shop.build()
    for edit, text in COSMETIC_EDITS.items():
        shop.write("models/order_totals.sql", text)
        assert shop.build("-s", "order_totals").decisions == {"order_totals": "no-op"}, edit


def test_a_comment_in_a_view_builds_nothing_above_it(shop: Shop) -> None:
    shop.build()
    shop.edit("models/stg_orders.sql", "select id", "-- one row an order\nselect id")
    assert shop.build().built == set()


def test_a_model_that_moves_to_another_folder_is_not_built_again(shop: Shop) -> None:
    shop.build()
    (shop.directory / "models" / "marts").mkdir()
    (shop.directory / "models" / "order_totals.sql").rename(shop.directory / "models" / "marts" / "order_totals.sql")
    assert shop.build().built == set()


def test_a_renamed_model_is_built_under_its_new_name(shop: Shop) -> None:
    shop.build()
    (shop.directory / "models" / "customer_names.sql").rename(shop.directory / "models" / "names_of_customers.sql")
    assert shop.dbt("build").built == {"names_of_customers"}
    assert shop.table("names_of_customers") == shop.table("customer_names")


def test_a_server_that_was_restarted_remembers(open_shop: OpenShop, start_server: StartServer) -> None:
    server = start_server()
    shop = open_shop(server)
    shop.build()
    assert server.terminate() == 0
    server.start()
    assert shop.build().built == set()


def test_other_commands_of_dbt_go_on_without_a_complaint(shop: Shop) -> None:
    shop.build()
    for command in (["compile"], ["show", "-s", "customer_totals"], ["ls"], ["docs", "generate"]):
        shop.dbt(*command).assert_succeeded()
    assert shop.build().built == set()
