"""Records builds of plain dbt afterwards (rule W9, decision record 0013)."""
