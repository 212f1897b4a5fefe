"""What each `state:` criterion means, rule by rule (decision-rules: Selection and deferral)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.domain.building import HASHES, MART

from dbt_state_oss.domain.selection import Criterion, NodeLook, selected

MODEL = "model.shop.mart"
TEST = "test.shop.not_null_mart_id.8cf5724805"
LOOK = NodeLook(HASHES, "shop.prod.mart", MART)

HASH_CRITERIA = {
    Criterion.BODY: "body",
    Criterion.CONFIGS: "configs",
    Criterion.PERSISTED_DESCRIPTIONS: "persisted_descriptions",
    Criterion.MACROS: "macros",
    Criterion.CONTRACT: "contract",
}


def looking(**hashes: str | None) -> NodeLook:
    return replace(LOOK, hashes=replace(HASHES, **hashes))


def meant(now: NodeLook, then: NodeLook | None, *, node: str = MODEL) -> set[Criterion]:
    """All criteria that select this one node."""
    recorded = {} if then is None else {node: then}
    return {criterion for criterion in Criterion if selected(criterion, {node: now}, recorded)}


def test_a_node_that_looks_as_it_did_is_old_and_unmodified() -> None:
    assert meant(LOOK, LOOK) == {Criterion.OLD, Criterion.UNMODIFIED}


@pytest.mark.parametrize("node", [MODEL, TEST])
def test_a_node_without_a_record_is_new_and_modified_in_every_part(node: str) -> None:
    assert meant(LOOK, None, node=node) == set(Criterion) - {Criterion.OLD, Criterion.UNMODIFIED}


@pytest.mark.parametrize(("criterion", "subject"), HASH_CRITERIA.items(), ids=str)
@pytest.mark.parametrize("other", ["another", None], ids=["changed", "absent"])
def test_a_hash_that_differs_or_is_on_one_side_only_is_a_modification_of_that_part(
    criterion: Criterion, subject: str, other: str | None
) -> None:
    changed = {Criterion.OLD, Criterion.MODIFIED, criterion}
    assert meant(looking(**{subject: other}), LOOK) == changed
    assert meant(LOOK, looking(**{subject: other})) == changed


def test_another_place_is_told_by_the_relation_criterion_alone() -> None:
    in_dev = replace(LOOK, representation="shop.dev.mart")
    assert meant(in_dev, LOOK) == {Criterion.OLD, Criterion.UNMODIFIED, Criterion.RELATION}


@pytest.mark.parametrize("subject", ["body", "configs"])
def test_of_a_test_body_and_configuration_count(subject: str) -> None:
    assert Criterion.MODIFIED in meant(looking(**{subject: "another"}), LOOK, node=TEST)


def test_of_a_test_nothing_else_counts() -> None:
    now = replace(
        looking(macros="another", persisted_descriptions="another", contract="another"), representation="shop.dev.test"
    )
    assert meant(now, LOOK, node=TEST) == {Criterion.OLD, Criterion.UNMODIFIED}


@pytest.mark.parametrize(
    ("representation", "moved"),
    [("shop.prod.mart", False), ("SHOP.prod.Mart", False), ("shop.dev.mart", True)],
    ids=["same", "other letter case", "elsewhere"],
)
def test_where_a_record_has_no_representation_the_relation_stands_in(representation: str, moved: bool) -> None:
    then = replace(LOOK, representation=None)
    assert (Criterion.RELATION in meant(replace(LOOK, representation=representation), then)) is moved


def test_only_nodes_of_the_question_are_selected_in_their_order() -> None:
    nodes = {"model.shop.b": LOOK, "model.shop.a": LOOK}
    recorded = {"model.shop.gone": LOOK, **nodes}
    assert selected(Criterion.OLD, nodes, recorded) == ["model.shop.b", "model.shop.a"]
    assert selected(Criterion.NEW, nodes, {"model.shop.gone": LOOK}) == ["model.shop.b", "model.shop.a"]
