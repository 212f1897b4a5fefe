"""`dbt-state-oss state import-manifest`: record what plain dbt has built, as far as that can be proven."""
