"""Where documents are kept: every key starts with the organization (architecture: Storage).

Names that come from outside go into keys only as digests, or as they are where they are harmless.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.domain.submission import TargetKey

SERVER_PREFIX = "_server/"
"""What belongs to no organization: the servers' secrets, and what they try a store with."""

TICKET_KEYS = f"{SERVER_PREFIX}ticket-keys"
"""The key ring's document, shared by every replica on one store."""

CLONE = "clone"
"""Stands in the id of a copy where that of a build has the digest of its code."""

NODE_SHARDS = 32
"""Parts of a project's node states in one target: 10,000 nodes are read with this many reads."""

_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DECISION_ID = re.compile(r"([0-9]{8})\.(=|[A-Za-z0-9-]{1,48})\.([0-9a-f]{16})\.([0-9]{1,4})")
_EXECUTION_ID = re.compile(r"([A-Za-z0-9=_-]{1,64})\.([0-9a-f]{40})\.[A-Za-z0-9-]{1,96}")


def target_prefix(organization: str) -> str:
    """The prefix of all target documents of an organization."""
    return f"{_part(organization)}/targets/"


def namespace_prefix(organization: str, namespace: str) -> str:
    """The prefix of all target documents of a namespace."""
    return f"{target_prefix(organization)}{_part(namespace)}/"


@lru_cache(maxsize=16_384)
def target_key(organization: str, target: TargetKey) -> str:
    """The key of a target's document."""
    return f"{namespace_prefix(organization, target.namespace)}{_digest(target.name)}"


def is_target_key(key: str) -> bool:
    """Whether a key is that of some organization's target."""
    return _is_of(key, "targets")


def is_project_key(key: str) -> bool:
    """Whether a key is that of the ids of some organization's project."""
    return _is_of(key, "projects")


def _is_of(key: str, kind: str) -> bool:
    return key.split("/", 2)[1:2] == [kind] and not is_aside(key)


def candidates_prefix(organization: str) -> str:
    """The prefix of all lists of targets that were built with one logic."""
    return f"{_part(organization)}/candidates/"


def target_key_beside(candidates: str, name: str) -> str:
    """The key of a target that is listed in the document with the key `candidates`."""
    organization, _, namespace, _ = candidates.split("/")
    return f"{organization}/targets/{namespace}/{_digest(name)}"


def candidates_key(organization: str, namespace: str, logic: str) -> str:
    """The key of the document that lists the targets that were built with a logic, which is named by its digest."""
    return f"{_part(organization)}/candidates/{_part(namespace)}/{_part(logic)}"


def execution_id(target: TargetKey, request_id: str, raw_digest: str) -> str:
    """An execution's id: it names its target, so that the id alone leads to the document (rule W5).

    A call that is repeated gives the same id (rule W6); a call with other code never does, whatever request id it has.
    """
    return f"{_part(target.namespace)}.{_digest(target.name)}.{request_id}-{raw_digest[:16]}"


def target_key_of(organization: str, execution: str) -> str | None:
    """The key of the target that an execution id names; None where it is no id of ours."""
    match = _EXECUTION_ID.fullmatch(execution)
    return None if match is None else f"{target_prefix(organization)}{match[1]}/{match[2]}"


def nodes_prefix(organization: str, target_name: str, *, project_id: str, project_name: str) -> str:
    """Where the nodes of a project in one dbt target are kept (rule W7): by its id or, where it has none, by its name."""
    project = f"id/{_part(project_id)}" if project_id else f"name/{_part(project_name)}"
    return f"{_part(organization)}/nodes/{project}/{_part(target_name)}/"


def node_shard_keys(prefix: str) -> list[str]:
    """The keys of all documents under a `nodes_prefix`."""
    return [f"{prefix}{shard:02d}" for shard in range(NODE_SHARDS)]


def node_shard_key(prefix: str, unique_id: str) -> str:
    """The key of the document under a `nodes_prefix` that holds this node."""
    return f"{prefix}{int(_digest(unique_id)[:8], 16) % NODE_SHARDS:02d}"


def project_key(organization: str, project_name: str) -> str:
    """The key of the document that tells which ids a project of this name goes by."""
    return f"{_part(organization)}/projects/{_part(project_name)}"


def journal_prefix(organization: str) -> str:
    """The prefix of an organization's journal; what follows begins with the day, so that keys are listed oldest first."""
    return f"{_part(organization)}/journal/"


def journal_key(organization: str, day: str, session: str, part: str) -> str:
    """The key of a part of the journal. `day` is YYYYMMDD (UTC), `session` the client's id of one dbt process."""
    return f"{journal_prefix(organization)}{day}/{session or '='}/{part}"


def journal_day_of(organization: str, key: str) -> str:
    """The day, YYYYMMDD, of a key under a `journal_prefix`."""
    return key.removeprefix(journal_prefix(organization)).partition("/")[0]


def decision_id(day: str, session: str, part: str, number: int) -> str:
    """A decision's id: it names its part of the journal, so that the id alone leads to the document."""
    return f"{day}.{session or '='}.{part}.{number}"


def journal_key_of(organization: str, decision: str) -> tuple[str, int] | None:
    """The key of the part that a decision id names, and the decision's number there; None where it is no id of ours."""
    match = _DECISION_ID.fullmatch(decision)
    return None if match is None else (f"{journal_prefix(organization)}{'/'.join(match.groups()[:3])}", int(match[4]))


def texts_prefix(organization: str, kept: StoreSql) -> str:
    """The prefix of an organization's texts of one kind, so that those of a kind that is no longer wanted can be deleted."""
    return f"{_part(organization)}/texts-{kept.value}/"


def texts_key(organization: str, target: TargetKey, kept: StoreSql) -> str:
    """The key of the document that holds the texts of a target's newest logics."""
    return f"{texts_prefix(organization, kept)}{_part(target.namespace)}/{_digest(target.name)}"


def texts_keys_beside(target: str) -> list[str]:
    """The keys of all texts that may be kept for the target whose document has the key `target`."""
    organization, _, place = target.split("/", 2)
    return [f"{organization}/texts-{kept.value}/{place}" for kept in StoreSql]


def aside_key(key: str, data: bytes) -> str:
    """Where a broken document is set aside (rule X3)."""
    return f"{key}.broken-{blake2b(data, digest_size=8).hexdigest()}"


def is_aside(key: str) -> bool:
    """Whether a key holds a broken document that was set aside."""
    return ".broken-" in key


def _part(name: str) -> str:
    if not name:
        return "="
    return name if _HARMLESS.fullmatch(name) else f"={_digest(name)}"


def _digest(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
