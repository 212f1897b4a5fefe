"""Renders stored targets as text for people and as JSON for programs. Pure: the current time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dbt_state_oss.application.ledger import TargetAccount
from dbt_state_oss.domain.explanation import ago_text, time_text
from dbt_state_oss.domain.history import DataTestResults, Execution, Input
from dbt_state_oss.domain.standing import Standing
from dbt_state_oss.domain.submission import ExecutionType

_HEADINGS = ("TARGET", "TYPE", "EXECUTIONS", "LATEST BUILT", "AGE", "TOOK", "IF UNCHANGED")
_DIGEST_SHOWN = 12


def table(listed: Sequence[tuple[TargetAccount, Standing]], now: int) -> str:
    """Return one line for each target: name, type, number of stored executions, when the newest one was built (UTC), its age,
    its runtime, and whether dbt would skip or build the target if nothing has changed."""
    rows = [_HEADINGS, *(_row(account, standing, now) for account, standing in listed)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def account_text(account: TargetAccount) -> str:
    """Return the target's name, its namespace and the key of its document."""
    lines = [
        account.target.name,
        f"  namespace   {account.target.namespace or '(none)'}",
        f"  document    {account.key}",
    ]
    return "\n".join(lines)


def executions_text(account: TargetAccount, now: int) -> str:
    """Return the target's executions with their inputs, newest first."""
    executions = account.history.executions
    lines = [f"  executions  {len(executions)}, newest first"]
    for number, execution in enumerate(executions, start=1):
        lines += ["", *_execution_lines(number, execution, now)]
    return "\n".join(lines)


def account_json(account: TargetAccount) -> dict[str, Any]:
    """Return the target and its executions as plain values. Times are Unix milliseconds."""
    return {
        "target": account.target.name,
        "namespace": account.target.namespace,
        "document": account.key,
        "executions": [_execution_json(execution) for execution in account.history.executions],
    }


def _row(account: TargetAccount, standing: Standing, now: int) -> tuple[str, ...]:
    latest = account.history.executions[0]
    return (
        account.target.name,
        _type(latest),
        str(len(account.history.executions)),
        time_text(latest.built_at),
        ago_text(latest.built_at, now),
        f"{latest.runtime_ms / 1000:.3f} s",
        "skipped" if standing.reusable else "built",
    )


def _type(execution: Execution) -> str:
    """Return the type in dbt's words, as far as the record shows it."""
    execution_type = execution.logic.execution_type
    if execution_type is ExecutionType.DBT_DATA_TEST:
        return "test"
    if execution.resource_type in ("seed", "snapshot", "test"):
        return execution.resource_type
    if execution_type.incremental:
        return "incremental"
    return "view" if execution_type is ExecutionType.VIEW else "table"


def _execution_lines(number: int, execution: Execution, now: int) -> Iterator[str]:
    logic = execution.logic
    label = f"{number:>3}. "
    facts = [
        ("built", f"{time_text(execution.built_at)} ({ago_text(execution.built_at, now)})"),
        ("took", f"{execution.runtime_ms / 1000:.3f} s"),
        ("node", f"{execution.node_id or '(unnamed)'}"),
        ("type", f"{logic.execution_type.value} on {logic.dialect}" + (", full refresh" * execution.full_refresh)),
        ("epoch", time_text(execution.epoch)),
        ("logic", f"{logic.fingerprint.digest[:_DIGEST_SHOWN]} ({logic.fingerprint.kind.value})"),
        *_inputs(execution.inputs.items()),
    ]
    if execution.results is not None:
        facts.append(("results", _results_text(execution.results)))
    if execution.unproven is not None:
        facts.append(("unproven", execution.unproven))
    facts.append(("id", execution.id))
    for name, value in facts:
        yield f"{label}{name:<9}{value}"
        label = " " * len(label)


def _inputs(inputs: Iterable[tuple[str, Input]]) -> Iterator[tuple[str, str]]:
    name = "inputs"
    for relation, known in sorted(inputs):
        yield name, f"{relation} at {time_text(known.epoch)}"
        name = ""


def _results_text(results: DataTestResults) -> str:
    verdict = "error" if results.should_error else "warn" if results.should_warn else "pass"
    return f"{results.failures} failures: {verdict}"


def _execution_json(execution: Execution) -> dict[str, Any]:
    logic, results = execution.logic, execution.results
    return {
        "id": execution.id,
        "node": execution.node_id,
        "execution_type": logic.execution_type.value,
        "full_refresh": execution.full_refresh,
        "dialect": logic.dialect,
        "logic": logic.fingerprint.digest,
        "logic_kind": logic.fingerprint.kind.value,
        "built_at": execution.built_at,
        "epoch": execution.epoch,
        "runtime_ms": execution.runtime_ms,
        "inputs": {relation: known.epoch for relation, known in execution.inputs.items()},
        "results": None
        if results is None
        else {
            "failures": results.failures,
            "should_warn": results.should_warn,
            "should_error": results.should_error,
        },
        "unproven": execution.unproven,
    }
