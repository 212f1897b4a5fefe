"""`docs/conformance.md` tells all that can be on the wire and nothing else, and every row of it names tests that are there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.agreement import wire
from tests.agreement.conformance_page import Row, rows

from dbt_state_oss.domain.rules import RULES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "service" / "dbt_state_oss"
ORIGINS = ("Observed", "Documented", "Client", "Unknown", "–")
"""How it is known what the hosted service does; "–" where the row is about ourselves."""

_QUOTED = re.compile(r"“([^”]+)”")
_PROOF = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)(?:\[(.+)\])?")


def expected() -> dict[str, set[str]]:
    """The names that must have a row, by heading."""
    messages = wire.requests() | wire.answers()
    return {
        "Calls": set(wire.methods()),
        **{name: {field.name for field in message.fields} for name, message in messages.items() if message.fields},
        **{name: {value.name for value in enum.values} for name, enum in wire.enums().items()},
        "Fields of other generations": wire.reserved(),
        "Metadata": {*wire.headers(), "authorization", "user-agent", "grpc-timeout", "grpc-previous-rpc-attempts"},
        "Status codes": {"OK", *_status_codes()},
        "Questions": {rule.__name__ for rule in RULES},
    }


def test_all_that_can_be_on_the_wire_has_a_row() -> None:
    told = {(row.section, row.name) for row in rows()}
    lacking = [
        f"{name} under {section}"
        for section, names in expected().items()
        for name in sorted(names)
        if (section, name) not in told
    ]
    assert not lacking, "docs/conformance.md has no row for: " + ", ".join(lacking)


def test_no_row_tells_of_what_is_not_there() -> None:
    known = expected()
    outdated = [str(row) for row in rows() if row.section in known and row.name not in known[row.section]]
    assert not outdated, "docs/conformance.md has rows for what does not exist (any more): " + ", ".join(outdated)


def test_the_questions_are_told_in_the_order_in_which_they_are_asked() -> None:
    asked = [rule.__name__ for rule in RULES]
    assert [row.name for row in rows() if row.section == "Questions"] == asked, "docs/conformance.md: Questions"
    order = (ROOT / "docs" / "decision-rules.md").read_text("utf-8").partition("## Order of questions")[2]
    told = len(re.findall(r"^\d+\. ", order, re.MULTILINE))
    assert told == len(asked), "docs/decision-rules.md: Order of questions has not one line for each of rules.RULES"


def test_nothing_is_told_twice() -> None:
    counts = Counter(str(row) for row in rows())
    assert [row for row, count in counts.items() if count > 1] == []


def test_each_row_says_how_it_is_known_what_the_hosted_service_does() -> None:
    silent = [str(row) for row in rows() if not row.ours or not row.hosted.startswith(ORIGINS)]
    assert not silent, f"Rows that do not begin with one of {', '.join(ORIGINS)}: {', '.join(silent)}"


def test_what_is_not_used_has_a_reason() -> None:
    unreasoned = [
        str(row)
        for row in rows()
        if re.match(r"Not (used|sent)", row.ours) and not re.match(r"Not (used|sent): .{12}", row.ours)
    ]
    assert not unreasoned, "Rows that do not say why something is not used or sent: " + ", ".join(unreasoned)


def test_a_field_of_a_request_that_no_code_reads_is_called_unused() -> None:
    read = {node.attr for tree in _trees("protocol") for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    silent = [str(row) for row in _rows_of(set(wire.requests())) if row.name not in read and not _unused(row)]
    assert not silent, "No code of the protocol reads these fields, and their rows don't say so: " + ", ".join(silent)


def test_a_field_of_an_answer_that_no_code_fills_is_called_unsent() -> None:
    filled = {node.arg for tree in _trees("protocol") for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    only_answers = set(wire.answers()) - set(wire.requests())
    silent = [str(row) for row in _rows_of(only_answers) if row.name not in filled and not _unused(row)]
    assert not silent, "No code of the protocol fills these fields, and their rows don't say so: " + ", ".join(silent)


def test_each_row_names_a_test_that_is_there() -> None:
    faults = [f"{row}: {fault}" for row in rows() for fault in _faults_of_proof(row)]
    assert not faults, "Rows of docs/conformance.md without a proof:\n" + "\n".join(faults)


def test_a_text_that_is_quoted_as_ours_is_one_that_the_code_says() -> None:
    said = "\n".join(
        node.value
        for tree in _trees("")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    strange = [
        f"“{piece}” ({row})"
        for row in rows()
        for text in _QUOTED.findall(row.ours)
        for piece in text.split("…")
        if piece.strip() and piece.strip() not in said
    ]
    assert not strange, "docs/conformance.md quotes texts that the server never says: " + ", ".join(strange)


def _rows_of(sections: set[str]) -> list[Row]:
    return [row for row in rows() if row.section in sections]


def _unused(row: Row) -> bool:
    return row.ours.startswith(("Not used:", "Not sent:"))


def _status_codes() -> set[str]:
    """Every status that the protocol's code names."""
    attributes = (node for tree in _trees("protocol") for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {each.attr for each in attributes if ast.unparse(each.value) == "StatusCode"}


def _faults_of_proof(row: Row) -> Iterator[str]:
    if not row.proofs:
        yield "it names no test"
    for proof in row.proofs:
        match = _PROOF.fullmatch(proof)
        if match is None:
            yield f"{proof} is no name of a test"
        elif match[2] not in _tests_of(match[1]):
            yield f"there is no test {match[2]} in {match[1]}"
        elif match[3] and match[3] not in _texts_beside(match[1]):
            yield f"{match[2]} has no case {match[3]}"


@cache
def _tests_of(path: str) -> frozenset[str]:
    """Names of a file's test functions; none where there is no such file."""
    file = ROOT / path
    nodes = ast.walk(ast.parse(file.read_text("utf-8"))) if file.is_file() else ()
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@cache
def _texts_beside(path: str) -> frozenset[str]:
    """Every text in the files of a test's folder: the names of its cases among them."""
    trees = [ast.parse(file.read_text("utf-8")) for file in (ROOT / path).parent.glob("*.py")]
    constants = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return frozenset(value for value in constants if isinstance(value, str))


def _trees(room: str) -> Iterator[ast.Module]:
    """The code of one room of the server, or of all."""
    return (ast.parse(file.read_text("utf-8")) for file in sorted((PACKAGE / room).rglob("*.py")))
