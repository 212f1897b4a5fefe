"""`dbt-state-oss state import-manifest`: records the builds of plain dbt that can be proven."""
