"""`state:` selectors against what was last built, held against dbt's own answer from a saved manifest
(decision-rules: Selection and deferral)."""

from __future__ import annotations

import shutil

from tests.e2e.shop import DEVELOPMENT, TARGET, Shop

PARTS = ("body", "configs", "persisted_descriptions", "relation", "macros", "contract")
CRITERIA = ("new", "old", "modified", "unmodified", *(f"modified.{part}" for part in PARTS))

PLAIN = "select id from {{ source('raw', 'orders') }}"
FAILING = f"{PLAIN} where id < 0"
SNAPSHOT = """
    {% snapshot a_snapshot %}
    {{ config(strategy="check", unique_key="id", check_cols=["name"]) }}
    select id, name from {{ source("raw", "customers") }}
    {% endsnapshot %}
"""
GENERIC_TEST = """
    {% test above(model, column_name) %} select * from {{ model }} where {{ column_name }} < 0 {% endtest %}
"""
PROPERTIES = """
    models:
      - {name: config, config: {meta: {owner: Ada}}}
      - {name: tags, config: {tags: [nightly]}}
      - {name: description, description: Orders., config: {persist_docs: {relation: true}}}
      - {name: description_of_no_table, description: Orders.}
      - {name: alias, config: {alias: first}}
      - {name: deprecation, deprecation_date: 2098-01-01}
      - {name: contract, config: {contract: {enforced: true}}, columns: [{name: id, data_type: integer}]}
      - name: unchanged
        columns:
          - name: id
            data_tests:
              - not_null: {name: test_config, config: {limit: 10}}
              - above: {name: test_macro}
              - unique: {name: unchanged_test}
"""

BEFORE = {
    **{f"models/{name}.sql": PLAIN for name in ("body", "config", "tags", "description", "description_of_no_table")},
    **{f"models/{name}.sql": PLAIN for name in ("alias", "deprecation", "contract", "moved", "removed", "unchanged")},
    "models/macro.sql": "select id, {{ word() }} as word from {{ source('raw', 'orders') }}",
    "models/view.sql": "{{ config(materialized='view') }} " + PLAIN,
    "models/ephemeral.sql": "{{ config(materialized='ephemeral') }} " + PLAIN,
    "models/properties.yml": PROPERTIES,
    "macros/word.sql": "{% macro word() %}'old'{% endmacro %}",
    "macros/above.sql": GENERIC_TEST,
    "seeds/seed.csv": "code\n1\n",
    "seeds/unchanged_seed.csv": "code\n1\n",
    "snapshots/a_snapshot.sql": SNAPSHOT,
    "tests/test_body.sql": FAILING,
    "tests/unchanged_singular_test.sql": FAILING,
}
"""A node for each kind of change, named after it."""

EDITS = (
    ("models/body.sql", "select id", "select id + 1 as id"),
    ("models/properties.yml", "owner: Ada", "owner: Grace"),
    ("models/properties.yml", "nightly", "weekly"),
    ("models/properties.yml", "description, description: Orders", "description, description: All orders"),
    ("models/properties.yml", "no_table, description: Orders", "no_table, description: All orders"),
    ("models/properties.yml", "alias: first", "alias: second"),
    ("models/properties.yml", "2098", "2099"),
    ("models/properties.yml", "data_type: integer", "data_type: bigint"),
    ("models/properties.yml", "limit: 10", "limit: 20"),
    ("macros/word.sql", "old", "new"),
    ("macros/above.sql", "< 0", "< -1"),
    ("snapshots/a_snapshot.sql", "select id, name", "select id, upper(name) as name"),
    ("seeds/seed.csv", "1", "2"),
    ("tests/test_body.sql", "id < 0", "id < -1"),
)

MODIFIED = {
    "body": {"body"},
    "config": {"configs"},
    "description": {"persisted_descriptions"},
    "macro": {"macros"},
    "contract": {"contract"},
    "a_snapshot": {"body"},
    "seed": {"body"},
    "test_body": {"body"},
    "test_config": {"body", "configs"},  # dbt writes a generic test's configuration into its code
}
"""What dbt and the server call modified, and in which part."""

ONLY_DBT_CALLS_MODIFIED = {
    "alias": set[str](),  # where a node lives differs from target to target (rule S3)
    "moved": set[str](),  # only node_hash tells, which client generations make differently (rule L13)
    "deprecation": set[str](),  # the same
    "test_macro": {"macros"},  # the client hashes a test's macros otherwise when it builds (rule S2)
}

NEVER_RECORDED = {"view", "stg_orders", "ephemeral"}
"""Never submitted, so new for ever (rule S5)."""

UNCHANGED = {
    *("unchanged", "tags", "description_of_no_table", "customer_names", "customer_totals", "order_totals"),
    *("unchanged_seed", "unchanged_test", "unchanged_singular_test"),
}


def ours(criterion: str) -> set[str]:
    """What the server is to select after EDITS."""
    recorded = MODIFIED.keys() | ONLY_DBT_CALLS_MODIFIED.keys() | UNCHANGED
    fresh = {"new", *NEVER_RECORDED}
    match criterion:
        case "new":
            return fresh
        case "old":
            return recorded
        case "modified":
            return fresh | MODIFIED.keys()
        case "unmodified":
            return recorded - MODIFIED.keys()
        case "modified.relation":
            return fresh | {"alias"}
    return fresh | {name for name, parts in MODIFIED.items() if criterion.removeprefix("modified.") in parts}


def dbts(criterion: str) -> set[str]:
    """What dbt selects with `--state`: the same but for the differences that docs/selection.md lists."""
    recorded = NEVER_RECORDED
    more = {name for name, parts in ONLY_DBT_CALLS_MODIFIED.items() if criterion.removeprefix("modified.") in parts}
    match criterion:
        case "old":
            return ours(criterion) | recorded
        case "modified":
            return (ours(criterion) - recorded) | ONLY_DBT_CALLS_MODIFIED.keys()
        case "unmodified":
            return (ours(criterion) | recorded) - ONLY_DBT_CALLS_MODIFIED.keys()
        case "modified.macros":
            return (ours(criterion) - recorded - {"new"}) | more
    return (ours(criterion) - recorded) | more


def selecting(criterion: str) -> tuple[str, ...]:
    """`dbt ls` that prints the names of the nodes themselves that are selected, without the tests that go with them."""
    kinds = ("model", "seed", "snapshot", "test")
    return (
        *("--quiet", "ls", "--output", "name", "--indirect-selection", "empty", "--resource-types", *kinds),
        *("--select", f"state:{criterion}"),
    )


def selected(shop: Shop, criterion: str, *, target: str = TARGET) -> set[str]:
    listing = shop.dbt(*selecting(criterion), target=target)
    listing.assert_succeeded()
    return set(listing.output.split())


def test_every_criterion_selects_what_dbt_selects_from_a_saved_manifest_the_listed_differences_aside(
    shop: Shop,
) -> None:
    shop.environment["DBT_WRITE_JSON"] = "true"
    for path, text in BEFORE.items():
        shop.write(path, text)
    shop.dbt("build").assert_succeeded()
    shop.vanilla("parse").assert_succeeded()
    saved = shop.directory / "saved"
    saved.mkdir()
    shutil.copy(shop.directory / "runs" / "vanilla" / "target" / "manifest.json", saved)
    assert selected(shop, "modified") == NEVER_RECORDED

    for path, old, new in EDITS:
        shop.edit(path, old, new)
    shop.write("models/new.sql", PLAIN)
    shop.remove("models/removed.sql")
    shop.write("models/elsewhere/moved.sql", PLAIN)
    shop.remove("models/moved.sql")

    for criterion in CRITERIA:
        theirs = shop.vanilla(*selecting(criterion), "--state", str(saved))
        theirs.assert_succeeded()
        assert set(theirs.output.split()) == dbts(criterion), f"dbt, {criterion}"
        assert selected(shop, criterion) == ours(criterion), f"the server, {criterion}"


def test_a_build_of_what_is_modified_leaves_nothing_modified(shop: Shop) -> None:
    shop.dbt("build")
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    shop.edit("models/customer_names.sql", "select", "-- all of them\nselect")
    build = shop.dbt("build", "-s", "state:modified")
    assert build.decisions == {"stg_orders": "not asked", "order_totals": "execute", "customer_names": "no-op"}
    assert selected(shop, "modified") == {"stg_orders"}
    assert selected(shop, "unmodified") == {"order_totals", "customer_names", "customer_totals"}


def test_in_development_the_selection_is_held_against_production(shop: Shop) -> None:
    shop.dbt("build")
    shop.edit("models/order_totals.sql", "sum(amount)", "sum(amount) * 2")
    shop.dbt("build", target=DEVELOPMENT)
    assert selected(shop, "modified", target=DEVELOPMENT) == {"stg_orders", "order_totals"}
    everything = {"stg_orders", "order_totals", "customer_names", "customer_totals"}
    assert selected(shop, "modified.relation", target=DEVELOPMENT) == everything
    assert selected(shop, "modified.relation") == {"stg_orders"}


def test_before_the_first_build_everything_is_new_and_what_compares_says_that_nothing_is_on_record(shop: Shop) -> None:
    assert selected(shop, "new") == {"stg_orders", "order_totals", "customer_names", "customer_totals"}
    listing = shop.dbt(*selecting("unmodified"), clean=False)
    assert listing.exit_code == 2
    assert f"No build of project {shop.database.name} in target prod is recorded" in listing.output


def test_a_project_without_an_id_is_told_to_have_one(shop: Shop) -> None:
    shop.edit("dbt_project.yml", "project-id", "defer-env-id")
    shop.dbt("build")
    listing = shop.dbt(*selecting("modified"), clean=False)
    assert listing.exit_code == 2
    assert "set project-id under dbt-cloud in dbt_project.yml" in listing.output
