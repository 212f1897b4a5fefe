"""`dbt-state explain` of the real client, in plaintext mode: it names the true cause of each decision."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.conftest import OpenShop, StartServer
from tests.e2e.explaining import explained
from tests.e2e.server import local_store
from tests.e2e.shop import DEVELOPMENT, Shop

READS_ORDERS = """
    {{ config(materialized="table", on_schema_change="ON_CHANGE", post_hook="HOOK") }}
    select id, amount from {{ source("raw", "orders") }}
"""
CONTRACTED = """
    models:
      - name: contracted
        config: {contract: {enforced: true}}
        columns:
          - {name: id, data_type: integer}
          - {name: name, data_type: TYPE}
"""
ORDER_LOG = """
    {{ config(materialized="incremental", incremental_strategy="append") }}
    select id, amount from {{ source("raw", "orders") }}
    {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
"""
ORDER_HISTORY = """
    snapshots:
      - name: order_history
        relation: source('raw', 'orders')
        config: {unique_key: id, strategy: check, check_cols: [amount]}
"""


@pytest.fixture
def rich(shop: Shop) -> Shop:
    """A shop with a node for each kind of change, all built."""
    shop.write("seeds/regions.csv", "code,name\n1,North\n")
    shop.write("macros/gross.sql", "{% macro gross(column) %}{{ column }} * 1.19{% endmacro %}")
    shop.write(
        "models/gross_amounts.sql", "select id, {{ gross('amount') }} as gross from {{ source('raw', 'orders') }}"
    )
    shop.write("models/best_customers.sql", "select id from {{ ref('customer_totals') }} where total > 0")
    configured = READS_ORDERS.replace("ON_CHANGE", "ignore").replace("HOOK", "select 1")
    for name in ("configured", "hooked", "dropped", "written_to"):
        shop.write(f"models/{name}.sql", configured)
    shop.write("models/contracted.sql", "select id, name::varchar as name from {{ source('raw', 'customers') }}")
    shop.write("models/contracted.yml", CONTRACTED.replace("TYPE", "varchar"))
    shop.write("models/of_a_view.sql", "select * from {{ ref('order_amounts') }}")
    shop.write(
        "models/order_amounts.sql", "{{ config(materialized='view') }} select amount from {{ source('raw', 'orders') }}"
    )
    shop.write("models/region_names.sql", "select name from {{ ref('regions') }}")
    shop.write("models/swapped.sql", "select id from {{ ref('configured') }}")
    shop.build()
    return shop


CAUSES = {
    "order_totals": ["✗ its query has changed", "changed part: columns", "changed in the project: its file"],
    "customer_names": ["✓ the text of its query has changed, but not its meaning", "[No-op]"],
    "regions": ["✗ its file has changed"],
    "region_names": ['"regions" was rebuilt with changed logic', "rebuilt by seed.shop.regions with changed logic"],
    "gross_amounts": ["changed part: columns", "changed in the project: a macro that it calls"],
    "configured": ["the configuration on_schema_change differs", "changed configuration: on_schema_change"],
    "hooked": ["✗ its configuration has changed (possibly a hook), but its query has not"],
    "contracted": ["✗ the columns or constraints of its contract have changed"],
    "of_a_view": ['the definition of the view "DATABASE"."prod"."order_amounts" differs'],
    "swapped": [
        'now it reads "DATABASE"."prod"."dropped"; it no longer reads "DATABASE"."prod"."configured"',
        '"DATABASE"."prod"."dropped" was not read by the previous build',
    ],
    "dropped": ["✗ its table does not exist", "none: the tables that it reads have not changed"],
    "written_to": [
        "✗ its table was modified outside of recorded builds",
        "recorded: 20",
        "reported: 20",
    ],
    "customer_totals": ["rebuilt by model.shop.order_totals with changed logic"],
    "best_customers": [
        '"customer_totals" was rebuilt with changed logic further upstream',
        "rebuilt by model.shop.customer_totals; its own logic is unchanged, but logic further upstream has changed",
        "rebuilt by model.shop.order_totals with changed logic",
    ],
    "stg_orders": ["views are always executed without checking the cache"],
}
"""What is told of each node after `change_everything`."""


def change_everything(shop: Shop) -> None:
    """One change of every kind since the last build."""
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    shop.edit("models/customer_names.sql", "select id", "-- shouting\nselect  id")
    shop.write("seeds/regions.csv", "code,name\n1,North\n2,South\n")
    shop.edit("macros/gross.sql", "1.19", "1.20")
    shop.edit("models/configured.sql", '"ignore"', '"fail"')
    shop.edit("models/hooked.sql", "select 1", "select 2")
    shop.edit("models/contracted.yml", "type: varchar", "type: text")
    shop.edit("models/order_amounts.sql", "select amount", "select amount + 1 as amount")
    shop.edit("models/swapped.sql", "configured", "dropped")
    shop.sql("drop table prod.dropped")
    shop.sql("insert into prod.written_to values (99, 1)")


def assert_told(told: dict[str, str], causes: dict[str, list[str]], shop: Shop) -> None:
    """Each node's block holds each of its texts."""
    missing = {
        name: text
        for name, texts in causes.items()
        for text in texts
        if text.replace("DATABASE", shop.database.name) not in told[name]
    }
    assert not missing, f"{missing} not told in\n" + "\n".join(told[name] for name in missing)


def test_each_change_is_named_as_the_cause(rich: Shop) -> None:
    change_everything(rich)
    rich.build()
    assert_told(explained(rich, "-vv"), CAUSES, rich)


def test_without_more_verbosity_a_line_says_it_all(shop: Shop) -> None:
    shop.build()
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    shop.build()
    told = explained(shop)
    assert told["order_totals"].splitlines()[1] == (
        "└── [Execute] model was executed because its query has changed: its SQL differs in columns"
    )
    assert told["customer_names"].splitlines()[1] == (
        "└── [No-op] model was skipped because neither its logic nor its inputs have changed"
    )


def test_runs_one_after_the_other_are_told_apart(shop: Shop) -> None:
    shop.write("models/order_log.sql", ORDER_LOG)
    shop.write("snapshots/order_history.yml", ORDER_HISTORY)
    for name, limit, config in (("passed", 2500, ""), ("warned", 25, ""), ("kept", 25, ", store_failures=true")):
        shop.write(
            f"tests/{name}.sql",
            f"{{{{ config(severity='warn'{config}) }}}} select * from {{{{ source('raw', 'orders') }}}} where amount > {limit}",
        )
    nodes = ("+order_totals", "order_log", "order_history", "test_type:data")
    shop.build("-s", "+order_totals")
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    shop.build("-s", *nodes)
    shop.edit("models/order_totals.sql", "sum(amount) * 2", "sum(amount)")
    shop.build("-s", *nodes)
    assert_told(
        explained(shop, "-vv"),
        {
            "order_totals": ["equals that of an earlier build"],
            "order_log": ["is_incremental=True", "changed part: WHERE"],
            "order_history": ["[No-op] snapshot was skipped"],
            "passed": ["✓ its last run is recorded; failures: 0", "[No-op] test was skipped"],
            "warned": ["✓ its last run is recorded; failures: 1", "[No-op] test was skipped"],
            "kept": [
                "stored failures table was executed because tests that store failures always run on this warehouse"
            ],
        },
        shop,
    )
    shop.build("-s", "order_log", "--full-refresh")
    assert_told(explained(shop, "-v"), {"order_log": ["✗ a full refresh was requested"]}, shop)

    shop.sql("insert into raw.orders values (10, 3, 5, now())")
    shop.use_default_lag_tolerance()
    shop.dbt("build", "-s", "order_totals")
    assert_told(
        explained(shop, "-vv"),
        {
            "order_totals": [
                "✓ [within tolerance] its last build",
                '"orders" was updated',
                "its inputs have changed within its lag tolerance",
            ]
        },
        shop,
    )
    shop.dbt("build", "-s", "order_history", target=DEVELOPMENT)
    assert_told(
        explained(shop, "-vv", target=DEVELOPMENT),
        {"order_history": ["we cloned from", 'none: it is a clone of "DATABASE"."prod"."order_history"']},
        shop,
    )


def test_each_table_that_might_have_been_copied_is_told(shop: Shop) -> None:
    shop.build()
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    shop.dbt("build", target=DEVELOPMENT)
    assert_told(
        explained(shop, "-vv", target=DEVELOPMENT),
        {
            "customer_names": [
                "[Clone] model was cloned because an equivalent model",
                '✓ "DATABASE"."prod"."customer_names" is copied',
            ],
            "order_totals": [
                "[Execute]",
                "✗ clone analysis",
                '✗ "DATABASE"."prod"."order_totals": its inputs have changed since its last build: upstream',
            ],
        },
        shop,
    )
    shop.build()
    assert_told(
        explained(shop, "-vv"),
        {"order_totals": ["- its target is production, into which nothing is cloned (DBTSTATE_CLONES)"]},
        shop,
    )


@pytest.mark.parametrize(
    ("keep", "told", "untold"),
    [
        ("canonical", ["added column '…' AS label", "added WHERE amount > 15"], ["secret"]),
        (
            "full",
            ["added column 'secret' AS label", "added WHERE amount > 15", 'on_schema_change: "ignore" → "fail"'],
            [],
        ),
    ],
)
def test_where_sql_is_kept_a_short_difference_is_told(
    open_shop: OpenShop, start_server: StartServer, tmp_path: Path, keep: str, told: list[str], untold: list[str]
) -> None:
    server = start_server(settings={"DBTSTATE_STORE_SQL": keep}, store=local_store(tmp_path / "searched"))
    shop = open_shop(server)
    shop.edit(
        "models/order_totals.sql", "select customer_id", "{{ config(on_schema_change='ignore') }} select customer_id"
    )
    shop.build("-s", "+order_totals")
    shop.edit("models/order_totals.sql", "'ignore'", "'fail'")
    shop.edit("models/order_totals.sql", "as orders", "as orders, 'secret' as label")
    shop.edit("models/order_totals.sql", "group by", "where amount > 15 group by")
    shop.build("-s", "+order_totals")
    text = explained(shop, "-v")["order_totals"]
    assert [each for each in told if each not in text] == [], text
    assert not any(each in text for each in untold)
    server.terminate()
    for word in untold:
        assert all(word.encode() not in file.read_bytes() for file in server.state.iterdir() if file.is_file())
