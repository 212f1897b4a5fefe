"""The facts under a line of the explanation, for people. The rules do not depend on it."""

from __future__ import annotations

from collections.abc import Iterator

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.explanation import ExplainLine, Marker, moment_text
from dbt_state_oss.domain.extras import without_defaults
from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.relation import Epoch
from dbt_state_oss.domain.sql.clauses import differing
from dbt_state_oss.domain.sql.fingerprint import FingerprintKind
from dbt_state_oss.domain.sql.item_order import same_in_another_order

_VIEW = "the view "
_REORDERED = "it has the same columns, union branches and common table expressions in a different order"
_HASH_ORDER = (
    "a macro may iterate over a set, whose order differs between processes; sort it, as in "
    "{% for name in names | sort %}"
)


def logic_difference(case: Case, latest: Execution) -> str:
    """The rest of the sentence "model was executed because …" if the submitted logic is not that of `latest`."""
    difference = _difference(case, latest)
    if case.fingerprint.kind is FingerprintKind.VALUES:
        return difference or "its file has changed"
    return f"its query has changed: {difference}"


def logic_of_an_earlier_build(case: Case, latest: Execution, when: str) -> str:
    """The same if an earlier build, at the time `when`, had the submitted logic. Names what differs if the code does not."""
    if case.fingerprint.digest == latest.logic.fingerprint.digest:
        return f"{logic_difference(case, latest)} (it equals that of an earlier build, {when})"
    because = f"its query has changed since its last build and equals that of an earlier build, {when}"
    return because.replace("query", "file", 1) if case.fingerprint.kind is FingerprintKind.VALUES else because


def _difference(case: Case, latest: Execution) -> str:
    """The first thing in which the two differ; empty for a seed if that is its file."""
    then, now = latest.logic, case.fingerprint
    if then.execution_type is not case.submission.execution_type:
        now_by, then_by = case.submission.execution_type.value, then.execution_type.value
        return f"its execution type is {now_by}; at its last build it was {then_by}"
    if then.dialect != case.dialect.name:
        return f"its warehouse is {case.dialect.name}; at its last build it was {then.dialect}"
    keys = _extras_that_differ(case, latest)
    if keys:
        return f"the configuration {', '.join(keys)} differs from that of its last build"
    if now.kind is FingerprintKind.VALUES:
        return "" if _file_differs(case, latest) else "its last build was recorded by another version of the server"
    if then.fingerprint.kind is not now.kind:
        return "only one of the two versions of its SQL could be parsed, so they cannot be compared"
    parts = differing(now.parts, then.fingerprint.parts)
    views = [part.removeprefix(_VIEW) for part in parts if part.startswith(_VIEW)]
    if then.fingerprint.views_digest != now.views_digest:
        named = f" ({', '.join(views)})" if views else ""
        return f"the definition of a view that it reads{named} differs from that at its last build"
    moved = _relations_that_differ(case, latest)
    if moved and set(parts) <= {"FROM"}:
        return moved
    if same_in_another_order(now.parts, then.fingerprint.parts):
        return "the same columns in a different order" if parts == ["columns"] else _REORDERED
    if parts:
        return f"its SQL differs in {', '.join(parts)}"
    if now.parts and then.fingerprint.parts:
        return "its SQL differs only in literals or in the spelling of names"
    return "its SQL differs in meaning"


def _file_differs(case: Case, latest: Execution) -> bool:
    """Whether dbt's hash of a seed's file differs, as far as both are known."""
    now, then = case.submission.node.hashes.body, latest.hashes.body
    was_seed = latest.logic.fingerprint.kind is FingerprintKind.VALUES
    return not was_seed or now is None or then is None or now != then


def logic_evidence(case: Case, latest: Execution) -> tuple[ExplainLine, ...]:
    """Everything in which the submitted logic differs from that of `latest`, and the possible cause in the project."""
    return tuple(ExplainLine(text, Marker.INFO) for text in _logic_facts(case, latest))


def _logic_facts(case: Case, latest: Execution) -> Iterator[str]:
    then, now = latest.logic, case.fingerprint
    yield from (f"changed configuration: {key}" for key in _extras_that_differ(case, latest))
    for part in differing(now.parts, then.fingerprint.parts) if now.parts and then.fingerprint.parts else ():
        yield f"the definition of {part} differs" if part.startswith(_VIEW) else f"changed part: {part}"
    if same_in_another_order(now.parts, then.fingerprint.parts):
        yield _REORDERED
        yield _HASH_ORDER
    moved = _relations_that_differ(case, latest)
    if moved:
        yield moved
    same_views = now.views_digest == then.fingerprint.views_digest
    if (
        now.digest != then.fingerprint.digest
        and same_views
        and case.submission.node.resource_type in ("model", "snapshot")
    ):
        yield _source_of_the_change(case, latest)
    yield f"compared with the build of {moment_text(latest.confirmed_at, case.now)}"


def _extras_that_differ(case: Case, latest: Execution) -> list[str]:
    return sorted(
        {key for key, _ in without_defaults(latest.logic.extras).items() ^ without_defaults(case.extras).items()}
    )


def _relations_that_differ(case: Case, latest: Execution) -> str:
    """Which relations the SQL reads now or no longer reads; empty if they are the same."""
    now, then = (
        dict.fromkeys(slot.relation for slot in one.slots) for one in (case.fingerprint, latest.logic.fingerprint)
    )
    new, gone = [each for each in now if each not in then], [each for each in then if each not in now]
    told = [f"now it reads {', '.join(new)}"] if new else []
    told += [f"it no longer reads {', '.join(gone)}"] if gone else []
    return "; ".join(told)


def _source_of_the_change(case: Case, latest: Execution) -> str:
    """Which of dbt's hashes of the node's source has changed with its SQL."""
    now, then = case.submission.node.hashes, latest.hashes
    changed = [
        text
        for text, differs in (
            ("its file", now.body != then.body),
            ("a macro that it calls", now.macros != then.macros),
            ("its configuration", now.configs != then.configs),
        )
        if differs
    ]
    if changed:
        return f"changed in the project: {', '.join(changed)}"
    return (
        "its file, macros and configuration are unchanged, but the rendered SQL differs (variables, references, results "
        "of queries, or the first incremental run)"
    )


def epoch_evidence(recorded: Epoch | None, reported: Epoch | None, now: int) -> ExplainLine:
    """When a table was last updated: as recorded and as reported."""
    return ExplainLine(f"recorded: {moment_text(recorded, now)}, reported: {moment_text(reported, now)}", Marker.INFO)
