"""Patterns that name nodes in settings."""

from __future__ import annotations

import pytest

from dbt_state_oss.domain.node_patterns import NO_NODES, NodePatterns
from dbt_state_oss.domain.relation import Relation

MART = Relation('"shop"."prod"."mart"')


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("model.shop.mart", True),
        ("model.shop.*", True),
        ("*.mart", True),
        ("shop", True),
        ("shop.prod.*", True),
        ('"shop"."prod"."mart"', True),
        ("*", True),
        ("model.sho", False),
        ("mart", False),
        ("Shop", False),
        ("model", False),
        ("test.*", False),
    ],
)
def test_a_pattern_names_a_node_by_its_id_its_package_or_its_relation(pattern: str, matches: bool) -> None:
    assert NodePatterns((pattern,)).match("model.shop.mart", MART) is matches
    assert NodePatterns(("never", pattern)).match("model.shop.mart", MART) is matches


def test_what_has_no_name_is_matched_by_nothing() -> None:
    assert not NodePatterns(("*",)).match("", None)
    assert not NO_NODES.match("model.shop.mart", MART)
