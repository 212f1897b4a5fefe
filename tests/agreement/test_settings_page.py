"""docs/settings.md tells of every setting what the program itself tells."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.agreement.settings_page import PAGE, page

from dbt_state_oss.settings import SETTINGS

PACKAGE = Path(__file__).parents[2] / "service" / "dbt_state_oss"


def test_the_page_is_what_the_table_renders() -> None:
    assert PAGE.read_text() == page(), "run: make docs"


def test_every_setting_is_on_the_page() -> None:
    text = page()
    lacking = [each.variable for each in SETTINGS if f"### {each.variable}\n" not in text]
    assert not lacking, f"add the group of these settings to _HEADINGS in tests/agreement/settings_page.py: {lacking}"


def test_every_setting_has_a_use() -> None:
    """By the name of its field; a row that nothing reads would be a promise."""
    files = [file for file in PACKAGE.rglob("*.py") if file.name not in ("reading.py", "table.py", "stores.py")]
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    idle = [each.variable for each in SETTINGS if each.field.partition(".")[2] not in used]
    assert not idle, f"no code reads what these settings set: {idle}"
