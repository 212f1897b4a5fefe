"""What plain dbt has built is recorded as far as that is proven: the first run with the client skips it, and builds the rest."""

from __future__ import annotations

import subprocess

from tests.cli.commands import run
from tests.e2e.build import Build
from tests.e2e.shop import Shop

VOUCHED = "--nothing-was-deleted"
SEED = "code,name\n1,North\n"
SNAPSHOT = """
    snapshots:
      - name: regions_kept
        relation: ref('regions')
        config: {unique_key: code, strategy: check, check_cols: all}
"""


def build_plainly(shop: Shop, *arguments: str) -> Build:
    """Build production without the client, keeping what dbt writes of its run."""
    return shop.dbt("build", *arguments, environment={"RUN_CACHE_DISABLED": "true", "DBT_WRITE_JSON": "true"})


def import_run(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Import the last plain run of production."""
    return run(
        "state", "import-manifest", "--project-dir", str(shop.directory), "--profiles-dir", str(shop.directory),
        "--artifacts", str(shop.directory / "runs" / "prod" / "target"), *arguments, environment=shop.server.store,
    )  # fmt: skip


def left_out(shop: Shop, *arguments: str) -> dict[str, str]:
    """Import the last plain run; the names of the nodes that were left out, with the reasons."""
    imported = import_run(shop, *arguments)
    assert imported.returncode == 0, imported.stderr
    reasons, why = {}, ""
    for line in imported.stdout.partition("left out:\n")[2].splitlines():
        if line.startswith("    "):
            reasons[line.rsplit(".", 1)[-1]] = why
        else:
            why = line.strip()
    return reasons


def await_older_sources(shop: Shop) -> None:
    """Return once everything that was written to the sources is older than clocks may differ."""
    while not shop.sql("select clock_timestamp() - max(pg_xact_commit_timestamp(xmin)) > '3 s' from raw.orders")[0][0]:
        shop.sql("select pg_sleep(0.1)")


def test_what_plain_dbt_built_is_reused_by_the_first_run_with_the_client(shop: Shop) -> None:
    shop.write("seeds/regions.csv", SEED)
    shop.write("snapshots/regions_kept.yml", SNAPSHOT)
    shop.write(
        "models/latest.sql",
        '{{ config(materialized="incremental", unique_key="id") }} select id from {{ ref("customer_names") }}',
    )
    shop.write("models/broken.sql", "select 1 / (count(*) - count(*)) as none from {{ ref('customer_names') }}")
    shop.write("models/on_broken.sql", "select * from {{ ref('broken') }}")
    await_older_sources(shop)
    build_plainly(shop)
    shop.remove("models/broken.sql")
    shop.remove("models/on_broken.sql")

    reasons = left_out(shop, VOUCHED)
    assert set(reasons) == {"stg_orders", "latest", "broken", "on_broken"}
    assert "incremental" in reasons["latest"]
    assert reasons["broken"] == "it did not succeed: error"
    assert reasons["on_broken"] == "it did not succeed: skipped"
    assert "view" in reasons["stg_orders"]
    assert shop.build().built == {"latest"}
    assert shop.build().built == set()


def test_without_a_word_on_deletions_only_what_reads_no_source_is_recorded(shop: Shop) -> None:
    """A source that lost its newest rows since the run looks as if nothing had happened."""
    shop.write("seeds/regions.csv", SEED)
    shop.write("models/region_names.sql", "select name from {{ ref('regions') }}")
    await_older_sources(shop)
    build_plainly(shop)
    shop.sql("insert into raw.orders values (4, 3, 40, now())")
    shop.sql("delete from raw.orders where id = 4")

    reasons = left_out(shop)
    assert "--nothing-was-deleted" in reasons["order_totals"]
    assert shop.build().built == {"order_totals", "customer_totals", "customer_names"}


def test_tables_and_sources_that_were_written_since_the_run_are_built(shop: Shop) -> None:
    await_older_sources(shop)
    build_plainly(shop)
    shop.sql("update prod.customer_names set name = 'nobody' where id = 1")
    shop.sql("insert into raw.orders values (4, 3, 40, now())")

    reasons = left_out(shop, VOUCHED)
    assert "has been written since" in reasons["customer_names"]
    assert "was updated during the run, just before it, or since" in reasons["order_totals"]
    assert "customer_totals" not in reasons
    assert shop.build().built == {"customer_names", "order_totals", "customer_totals"}


def test_a_view_that_was_replaced_since_the_run_builds_what_reads_it(shop: Shop) -> None:
    await_older_sources(shop)
    build_plainly(shop)
    shop.sql("create or replace view prod.stg_orders as select id, customer_id, amount from raw.orders where id < 3")

    assert "was redefined" in left_out(shop, VOUCHED)["order_totals"]
    assert "order_totals" in shop.build().built


def test_a_source_that_was_written_during_the_run_builds_what_read_it(shop: Shop) -> None:
    await_older_sources(shop)
    hook = "insert into raw.orders select 4, 3, 40, now() where not exists (select from raw.orders where id = 4)"
    shop.write(
        "models/order_totals.sql",
        f"""
        {{{{ config(post_hook="{hook}") }}}}
        select customer_id, sum(amount) as total, count(*) as orders from {{{{ ref("stg_orders") }}}} group by customer_id
        """,
    )
    build_plainly(shop)

    assert "was updated during the run" in left_out(shop, VOUCHED)["order_totals"]
    assert shop.dbt("build").built == {"order_totals", "customer_totals"}


def test_what_was_edited_since_the_run_is_built(shop: Shop) -> None:
    """The file, a hook in the configuration, a macro, and a macro that a macro calls."""
    shop.write("macros/shallow.sql", "{% macro shallow() %} 1 {% endmacro %}")
    shop.write("macros/deep.sql", "{% macro deep() %} 1 {% endmacro %}")
    shop.write("macros/caller.sql", "{% macro caller() %} {{ deep() }} {% endmacro %}")
    shop.write("models/in_file.sql", "select 1 as one from {{ ref('customer_names') }}")
    shop.write(
        "models/in_hook.sql", "{{ config(post_hook='select 1') }} select 1 as one from {{ ref('customer_names') }}"
    )
    shop.write("models/in_macro.sql", "select {{ shallow() }} as one from {{ ref('customer_names') }}")
    shop.write("models/in_deep_macro.sql", "select {{ caller() }} as one from {{ ref('customer_names') }}")
    edited = {"in_file", "in_hook", "in_macro", "in_deep_macro"}
    await_older_sources(shop)
    build_plainly(shop)
    shop.edit("models/in_file.sql", "1 as one", "2 as one")
    shop.edit("models/in_hook.sql", "'select 1'", "'select 2'")
    shop.edit("macros/shallow.sql", " 1 ", " 2 ")
    shop.edit("macros/deep.sql", " 1 ", " 2 ")

    assert set(left_out(shop, VOUCHED)) == {"stg_orders", *edited}
    assert shop.build().built == edited


def test_a_seed_that_was_edited_since_the_run_is_loaded(shop: Shop) -> None:
    shop.write("seeds/regions.csv", SEED)
    build_plainly(shop, "-s", "regions")
    shop.write("seeds/regions.csv", SEED.replace("North", "South"))

    assert "has changed since the run" in left_out(shop)["regions"]
    assert shop.build("-s", "regions").built == {"regions"}


def test_what_was_invalidated_since_the_run_stays_so(shop: Shop) -> None:
    await_older_sources(shop)
    shop.build("-s", "customer_names")
    build_plainly(shop)
    name = f"{shop.database.name}.prod.customer_names"
    assert run("state", "invalidate", name, "--yes", environment=shop.server.store).returncode == 0
    import_run(shop, VOUCHED)

    assert shop.build().built == {"customer_names"}


def test_an_import_can_be_tried_and_repeated(shop: Shop) -> None:
    await_older_sources(shop)
    build_plainly(shop, "-s", "customer_names")
    assert "1 of the run's 1 nodes would be recorded" in import_run(shop, VOUCHED, "--dry-run").stdout
    for _ in range(2):
        assert "1 of the run's 1 nodes recorded" in import_run(shop, VOUCHED).stdout
    listed = run("state", "show", f"{shop.database.name}.prod.*", environment=shop.server.store).stdout
    assert "executions  1, newest first" in listed
    assert shop.build("-s", "customer_names").built == set()
