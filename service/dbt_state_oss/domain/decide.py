"""From a case to a decision: check the rules in order, collect the explanation, and state the cause in one line."""

from __future__ import annotations

from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.decision import Build, Decision, RejectionReason, Skip
from dbt_state_oss.domain.explanation import Badge, ExplainLine, Marker, Section
from dbt_state_oss.domain.rules import RULES, Finding
from dbt_state_oss.domain.submission import Submission


def decide(case: Case) -> Decision:
    """Skip if every rule agrees, otherwise build (decision-rules: Order of questions). Pure and total."""
    findings: list[Finding] = []
    for rule in RULES:
        finding = rule(case)
        if finding is None:
            continue
        findings.append(finding)
        if finding.rejection is not None:
            skip_rejection, clone_rejection = finding.rejection.reasons
            because = finding.rejection.because
            description = f"{subject(case.submission)} was executed because {because}"
            return Build(skip_rejection, clone_rejection, description, _account(findings), because)
    latest = case.history.latest
    assert latest is not None, "the rules refuse a target without a record"
    causes = [finding.skip_because for finding in findings if finding.skip_because is not None]
    because = causes[0] if causes else "neither its logic nor its inputs have changed"
    stale = any(finding.within_tolerance for finding in findings)
    return Skip(latest, f"{subject(case.submission)} was skipped because {because}", _account(findings), stale=stale)


def build_unasked(submission: Submission, cause: str) -> Build:
    """The answer if the state could not be read (rule X1): build, with the reason."""
    reason = RejectionReason.NO_SUITABLE_MATCH_FOUND
    description = f"{subject(submission)} was executed because {cause}"
    return Build(reason, reason, description, (ExplainLine(cause, Marker.FAIL),), cause)


def subject(submission: Submission) -> str:
    """The sentence's first word. The client replaces "model" for stored failures (dbt-state 2.62)."""
    if submission.is_data_test:
        return "test"
    resource_type = submission.node.resource_type
    return resource_type if resource_type in ("seed", "snapshot") else "model"


def _account(findings: list[Finding]) -> tuple[ExplainLine, ...]:
    lines = []
    for section in Section:
        children = [finding.line for finding in findings if finding.section is section]
        if children:
            badge = children[-1].badge if section is not Section.TABLE else Badge.UNSPECIFIED
            failed = any(child.marker is Marker.FAIL for child in children)
            marker = Marker.FAIL if failed else Marker.SUCCESS
            lines.append(ExplainLine(section.value, marker, badge, tuple(children)))
    return tuple(lines)
