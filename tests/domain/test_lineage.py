"""Lineages: equal only where the logic upstream is known to be the same (rule F5)."""

from __future__ import annotations

from tests.domain.building import CASE, CUSTOMERS, HASHES, ORDERS, T0

from dbt_state_oss.domain.history import Input
from dbt_state_oss.domain.lineage import UNKNOWN_LINEAGE, lineage_of, same_lineage


def test_what_was_built_from_content_on_no_record_has_no_lineage_either() -> None:
    """Two builds of a parent, by other logic each, are never confirmed; what was built upon them must not look the same."""
    inputs = {ORDERS: Input(T0, UNKNOWN_LINEAGE), CUSTOMERS: Input(T0, None)}

    lineage = lineage_of(CASE.logic, HASHES, inputs)

    assert not same_lineage(lineage, lineage)
