"""Minimal packages with the shapes of published ones: models that hold nothing of their query, which hooks fill.

A package lies where `dbt deps` would have put it, so dbt takes it for installed.
"""

from __future__ import annotations

from tests.e2e.shop import Shop


def install_evaluator(shop: Shop, name: str = "dbt_project_evaluator") -> None:
    """The shape of dbt_project_evaluator: an empty table that its hook fills from dbt's graph, and facts that read it.

    The hook runs its statement by itself while it is rendered, so that its rendered text is empty. `name` is the package's.
    """
    _package(shop, name, "+materialized: table")
    shop.write(
        f"dbt_packages/{name}/macros/fill_from_graph.sql",
        """
        {% macro fill_from_graph(relation) %}
            {% if execute %}
                {% for node in graph.nodes.values() if node.resource_type == "model" %}
                    {% do run_query("insert into " ~ relation ~ " values ('" ~ node.unique_id ~ "')") %}
                {% endfor %}
            {% endif %}
        {% endmacro %}
        """,
    )
    shop.write(
        f"dbt_packages/{name}/models/stg_nodes.sql",
        f"""
        {{{{ config(post_hook="{{{{ {name}.fill_from_graph(this) }}}}") }}}}
        with dummy as (select 1 as one)
        select cast(null as text) as unique_id from dummy where false
        """,
    )
    shop.write(f"dbt_packages/{name}/models/fct_nodes.sql", "select unique_id, 1 as found from {{ ref('stg_nodes') }}")


def install_elementary(shop: Shop) -> None:
    """The shapes of elementary: an incremental that its hook fills from the graph, and one that is filled when a run ends."""
    _package(shop, "elementary", "+materialized: incremental", 'on-run-end: "{{ elementary.log_results(results) }}"')
    shop.write(
        "dbt_packages/elementary/macros/upload.sql",
        """
        {% macro upload_models() %}{% if execute %}
            {% do run_query("delete from " ~ this) %}
            {% for node in graph.nodes.values() if node.resource_type == "model" %}
                {% do run_query("insert into " ~ this ~ " values ('" ~ node.unique_id ~ "')") %}
            {% endfor %}
        {% endif %}{% endmacro %}

        {% macro log_results(results) %}
            insert into {{ target.schema }}.run_results values ({{ results | length }})
        {% endmacro %}
        """,
    )
    shop.write(
        "dbt_packages/elementary/models/dbt_models.sql",
        """
        {{ config(post_hook="{{ elementary.upload_models() }}") }}
        select * from (select cast(null as text) as unique_id) as empty_table where 1 = 0
        """,
    )
    shop.write(
        "dbt_packages/elementary/models/run_results.sql",
        "select * from (select cast(0 as bigint) as nodes) as empty_table where 1 = 0",
    )
    shop.write(
        "dbt_packages/elementary/models/runs.sql", _TABLE + "select count(*) as runs from {{ ref('run_results') }}"
    )


_TABLE = '{{ config(materialized="table") }} '


def _package(shop: Shop, name: str, config: str, *lines: str) -> None:
    text = [f"name: {name}", 'version: "1.0"', *lines, "models:", f"  {name}:", f"    {config}", ""]
    shop.write(f"dbt_packages/{name}/dbt_project.yml", "\n".join(text))
