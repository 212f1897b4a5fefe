"""The command `dbt-state-oss`."""
