"""Names of physical relations in one canonical spelling, so that two spellings of one table are equal (rule L11).

`domain.dialects` makes them; everything else compares them unchanged.
"""

from __future__ import annotations

from typing import NewType

Relation = NewType("Relation", str)
"""A fully qualified relation name in canonical spelling: every part in double quotes (a quote inside doubled), parts
joined by dots, case already normalized by the dialect's rules; for example `"shop"."prod"."orders"`. Made only by
`Dialect.relation`."""

Epoch = int
"""Unix time in milliseconds, as the warehouse (or on Snowflake and Redshift the client's run clock) reports it."""
