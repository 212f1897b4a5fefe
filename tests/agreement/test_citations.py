"""What code and documents cite is there: rules, decision records, headings, files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CODE = sorted(
    path
    for folder in ("service", "operator", "tests", "bench", "example_project")
    for path in (ROOT / folder).rglob("*.py")
)
PAGES = sorted(
    [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "tests").rglob("*.md"), *(ROOT / "example_project").glob("*.md")]
)

LONGEST_LINE = 300

_RULE = re.compile(r"\b[Rr]ules?\s+((?:[LTFICWSEX]\d+[a-z]?(?:,\s+|\s+and\s+|\s+or\s+|\s+to\s+)?)+)")
_RULE_ID = re.compile(r"[LTFICWSEX]\d+[a-z]?")
_RULE_ROW = re.compile(r"^(?:\| |#+ )([LTFICWSEX]\d+[a-z]?)\b", re.MULTILINE)
_RECORD = re.compile(r"decision\s+record\s+(\d+)")
_HEADING = re.compile(r"\((decision-rules|architecture):\s+([^)]+)\)")
_NUMBERED_SECTION = re.compile(r"\b[Ss]ections?\s+\d")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def rule_ids() -> frozenset[str]:
    return frozenset(_RULE_ROW.findall((DOCS / "decision-rules.md").read_text()))


@cache
def headings(page: Path) -> tuple[str, ...]:
    """The headings of a page, in order."""
    return tuple(match[1] for match in re.finditer(r"^#+ (.+)$", page.read_text(), re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """What a link can name of a page, as GitHub and MkDocs make it of the headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_cites_is_there(path: Path) -> None:
    text = path.read_text()
    cited = {each for group in _RULE.findall(text) for each in _RULE_ID.findall(group)}
    assert not cited - rule_ids(), "no such rule in docs/decision-rules.md"
    records = {page.name[:4] for page in (DOCS / "decisions").glob("0*.md")}
    assert not {number.zfill(4) for number in _RECORD.findall(text)} - records, "no such decision record"
    for page, heading in _HEADING.findall(text):
        assert " ".join(heading.split()) in headings(DOCS / f"{page}.md"), f"no such heading in docs/{page}.md"
    if path != Path(__file__):
        assert not _NUMBERED_SECTION.search(text), "cite a rule, a heading or a decision record"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_no_two_classes_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in CODE:
        if "service" in path.parts or "operator" in path.parts:
            for name in _classes(path):
                places[name].append(str(path.relative_to(ROOT)))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def _classes(path: Path) -> Iterator[str]:
    """The classes and the type aliases of a module."""
    text = path.read_text()
    yield from re.findall(r"^class (\w+)", text, re.MULTILINE)
    yield from re.findall(r"^([A-Z]\w*[a-z]\w*) = (?:Callable|Mapping|tuple|dict|list)\[", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_a_document_is_too_long_to_be_read(page: Path) -> None:
    long = [number for number, line in enumerate(page.read_text().splitlines(), 1) if len(line) > LONGEST_LINE]
    assert not long, f"lines of more than {LONGEST_LINE} characters: {long}"
