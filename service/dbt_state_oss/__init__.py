"""Open, self-hosted decision server for dbt's dbt-state client."""

__version__ = "0.2.0"
