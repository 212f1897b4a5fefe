"""docs/settings.md tells of every setting what the program itself tells."""

from __future__ import annotations

from tests.agreement.settings_page import PAGE, page

from dbt_state_oss.settings import SETTINGS


def test_the_page_is_what_the_table_renders() -> None:
    assert PAGE.read_text() == page(), "run: make docs"


def test_every_setting_is_on_the_page() -> None:
    text = page()
    assert [each.variable for each in SETTINGS if f"### {each.variable}\n" not in text] == []
