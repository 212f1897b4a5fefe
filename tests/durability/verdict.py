"""What a state directory must still hold after everything that was acknowledged, however its servers ended."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.durability.journal import Acknowledged

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.codec import (
    BrokenDocument,
    decode_candidates,
    decode_journal_entry,
    decode_journal_part,
    decode_project,
    decode_shard,
    decode_target,
    decode_texts,
)
from dbt_state_oss.application.keys import (
    TICKET_KEYS,
    decision_id,
    is_aside,
    journal_key,
    journal_key_of,
    journal_prefix,
    target_key,
    target_key_of,
    target_prefix,
)
from dbt_state_oss.application.tickets import parse_key_ring
from dbt_state_oss.domain.history import HISTORY_LENGTH, Execution, History
from dbt_state_oss.errors import DbtStateError
from dbt_state_oss.stores.database import FILE_NAME

_DECODERS: Mapping[str, Callable[[bytes], object]] = {
    "candidates": decode_candidates,
    "nodes": decode_shard,
    "projects": decode_project,
    "texts-canonical": decode_texts,
    "texts-full": decode_texts,
}
"""By what follows the organization in a key."""


def faults_of(state: Path, acknowledged: Iterable[Acknowledged]) -> list[str]:
    """All that is broken or missing in the directory `state` of a stopped server, a sentence each."""
    try:
        with closing(sqlite3.connect(state / FILE_NAME)) as connection:
            damage = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
            documents = dict(connection.execute("SELECT key, data FROM documents"))
    except sqlite3.DatabaseError as error:
        return [f"the file is damaged: {error}"]
    faults = [f"the file is damaged: {line}" for line in damage]
    histories: dict[str, tuple[Execution, ...]] = {}
    for key, data in documents.items():
        try:
            histories[key] = _executions(key, data)
        except (DbtStateError, ValueError, KeyError) as error:
            faults.append(f"{key} is broken: {error}")
    if TICKET_KEYS not in documents:
        faults.append("the ticket keys are gone")
    for key, expected in _by_target(acknowledged).items():
        faults += _missing(key, expected, histories.get(key, ()))
    return faults


def _executions(key: str, data: bytes) -> tuple[Execution, ...]:
    """The document's executions, none where it is of another kind; raises where it is not whole."""
    if is_aside(key):
        raise BrokenDocument("it was found broken and set aside")
    if key == TICKET_KEYS:
        parse_key_ring(data.decode("ascii"))
        return ()
    if key.startswith(journal_prefix(DEFAULT_ORGANIZATION)):
        _check_journal(key, data)
        return ()
    if not key.startswith(target_prefix(DEFAULT_ORGANIZATION)):
        _DECODERS[key.split("/")[1]](data)
        return ()
    document = decode_target(data)
    if target_key(document.organization, document.target) != key:
        raise BrokenDocument(f"it tells of another target, {document.target.name}")
    if History().merged(document.executions).executions != document.executions:
        raise BrokenDocument("its executions are too many, doubled or out of order")
    return document.executions


def _check_journal(key: str, data: bytes) -> None:
    """Raise where a part of the journal is not whole: each decision readable, and found by its id."""
    part = decode_journal_part(data)
    if journal_key(part.organization, part.day, part.session, part.part) != key:
        raise BrokenDocument("it tells of another part of the journal")
    for raw in part.entries:
        name = decision_id(part.day, part.session, part.part, decode_journal_entry(raw).number)
        if journal_key_of(part.organization, name) is None:
            raise BrokenDocument(f"no id leads to its decision {name}")


def _by_target(acknowledged: Iterable[Acknowledged]) -> Mapping[str, Mapping[str, Acknowledged]]:
    """By document key and execution id, each with the highest epoch that was acknowledged."""
    targets: dict[str, dict[str, Acknowledged]] = defaultdict(dict)
    for each in acknowledged:
        key = target_key_of(DEFAULT_ORGANIZATION, each.execution_id)
        assert key is not None, f"no execution id: {each.execution_id}"
        known = targets[key].get(each.execution_id)
        if known is None or known.epoch is None or each.epoch is None:
            targets[key][each.execution_id] = each
        else:
            targets[key][each.execution_id] = replace(known, epoch=max(known.epoch, each.epoch))
    return targets


def _missing(key: str, expected: Mapping[str, Acknowledged], stored: tuple[Execution, ...]) -> list[str]:
    by_id = {execution.id: execution for execution in stored}
    faults = []
    for each in expected.values():
        execution = by_id.get(each.execution_id)
        if execution is None:
            if not _may_be_trimmed(each, len(expected), stored):
                faults.append(f"{key}: the acknowledged execution {each.execution_id} is missing")
        elif each.epoch is not None and (execution.epoch is None or execution.epoch < each.epoch):
            faults.append(f"{key}: {each.execution_id} has epoch {execution.epoch}, acknowledged was {each.epoch}")
        elif each.failures is not None and (execution.results is None or execution.results.failures != each.failures):
            faults.append(f"{key}: {each.execution_id} has lost its results")
    return faults


def _may_be_trimmed(each: Acknowledged, confirmed: int, stored: tuple[Execution, ...]) -> bool:
    """Whether as many newer executions are there as are kept. The oldest one kept is never older than one left out."""
    if confirmed <= HISTORY_LENGTH or len(stored) < HISTORY_LENGTH or each.epoch is None:
        return False
    oldest = stored[-1].epoch
    return oldest is not None and oldest >= each.epoch
