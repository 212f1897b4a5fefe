"""Builds of plain dbt that are recorded afterwards (rule W9, decision record 0013)."""
