"""A store that can be chosen has an extra, an address, a page, and a test of its extra."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from tests.installation.test_wheel import ARGUMENTS, EXTRAS

from dbt_state_oss.cli.store_urls import FORMS, store_settings_of
from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings.stores import PLACES, STORES

ROOT = Path(__file__).parents[2]
WITH_EXTRA = [store for store in STORES if store != "local"]


@pytest.mark.parametrize("store", WITH_EXTRA)
def test_a_store_has_an_extra_that_is_tested_and_part_of_all(store: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert store in extras, "pyproject.toml: an extra of the same name"
    named = extras["all"][0].partition("[")[2].rstrip("]").split(",")
    assert store in named, 'pyproject.toml: the extra "all"'
    assert store in EXTRAS, "tests/installation/test_wheel.py: EXTRAS"
    assert store in ARGUMENTS, "tests/installation/test_wheel.py: ARGUMENTS"


@pytest.mark.parametrize("store", STORES)
def test_a_store_has_an_address(store: str) -> None:
    places = [place for form in FORMS.split(", ") if (place := _place(form)) is not None]
    assert any(isinstance(place, PLACES[store]) for place in places), (
        "cli/store_urls.py: FORMS has no form that leads to it"
    )


def _place(form: str) -> object:
    try:
        return store_settings_of(form, {}).place
    except InvalidSettings:
        return None


@pytest.mark.parametrize("store", WITH_EXTRA)
def test_a_store_has_a_page_that_the_overview_names(store: str) -> None:
    assert f"]({store}.md)" in (ROOT / "docs" / "stores" / "README.md").read_text(), "docs/stores/README.md"
