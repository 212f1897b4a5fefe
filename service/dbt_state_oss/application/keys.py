"""The keys of all documents. Every key starts with the organization, except the servers' own (architecture: Storage).

Names from outside appear in keys as digests, or unchanged if they only contain harmless characters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.domain.submission import TargetKey

SERVER_PREFIX = "_server/"
"""The prefix of documents of no organization: the servers' secrets, and the objects of the startup check."""

TICKET_KEYS = f"{SERVER_PREFIX}ticket-keys"
"""The key ring's document, shared by every replica on one store."""

CLONE = "clone"
"""Takes the place of the code's digest in the execution id of a clone."""

NODE_SHARDS = 32
"""The number of documents for a project's node states in one dbt target: 10,000 nodes are read with this many reads."""

_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DECISION_ID = re.compile(r"([0-9]{8})\.(=|[A-Za-z0-9-]{1,48})\.([0-9a-f]{16})\.([0-9]{1,4})")
_EXECUTION_ID = re.compile(r"([A-Za-z0-9=_-]{1,64})\.([0-9a-f]{40})\.[A-Za-z0-9-]{1,96}")


def target_prefix(organization: str) -> str:
    """Return the prefix of all target documents of an organization."""
    return f"{_part(organization)}/targets/"


def namespace_prefix(organization: str, namespace: str) -> str:
    """Return the prefix of all target documents of a namespace."""
    return f"{target_prefix(organization)}{_part(namespace)}/"


@lru_cache(maxsize=16_384)
def target_key(organization: str, target: TargetKey) -> str:
    """Return the key of a target's document."""
    return f"{namespace_prefix(organization, target.namespace)}{_digest(target.name)}"


def is_target_key(key: str) -> bool:
    """Return whether a key belongs to a target of any organization."""
    return _has_kind(key, "targets")


def is_project_key(key: str) -> bool:
    """Return whether a key belongs to the project ids of any organization."""
    return _has_kind(key, "projects")


def _has_kind(key: str, kind: str) -> bool:
    return key.split("/", 2)[1:2] == [kind] and not is_aside(key)


def candidates_prefix(organization: str) -> str:
    """Return the prefix of all candidate lists of an organization."""
    return f"{_part(organization)}/candidates/"


def target_key_beside(candidates: str, name: str) -> str:
    """Return the key of a target that is listed in the candidate list with the key `candidates`."""
    organization, _, namespace, _ = candidates.split("/")
    return f"{organization}/targets/{namespace}/{_digest(name)}"


def candidates_key(organization: str, namespace: str, logic: str) -> str:
    """Return the key of a candidate list. `logic` is the digest of the logic."""
    return f"{_part(organization)}/candidates/{_part(namespace)}/{_part(logic)}"


def execution_id(target: TargetKey, request_id: str, raw_digest: str) -> str:
    """Return an execution's id. It contains the target, so the id alone identifies the document (rule W5).

    A repeated call gets the same id (rule W6). A call with other code always gets another id, even with the same request id.
    """
    return f"{_part(target.namespace)}.{_digest(target.name)}.{request_id}-{raw_digest[:16]}"


def target_key_of(organization: str, execution: str) -> str | None:
    """Return the key of the target in an execution id, or None if this is not an id of this server."""
    match = _EXECUTION_ID.fullmatch(execution)
    return None if match is None else f"{target_prefix(organization)}{match[1]}/{match[2]}"


def nodes_prefix(organization: str, target_name: str, *, project_id: str, project_name: str) -> str:
    """Return the prefix of a project's nodes in one dbt target (rule W7). A project without an id is identified by its name."""
    project = f"id/{_part(project_id)}" if project_id else f"name/{_part(project_name)}"
    return f"{_part(organization)}/nodes/{project}/{_part(target_name)}/"


def node_shard_keys(prefix: str) -> list[str]:
    """Return the keys of all documents under a `nodes_prefix`."""
    return [f"{prefix}{shard:02d}" for shard in range(NODE_SHARDS)]


def node_shard_key(prefix: str, unique_id: str) -> str:
    """Return the key of the document under a `nodes_prefix` that holds this node."""
    return f"{prefix}{int(_digest(unique_id)[:8], 16) % NODE_SHARDS:02d}"


def project_key(organization: str, project_name: str) -> str:
    """Return the key of the document with the ids of the projects that have this name."""
    return f"{_part(organization)}/projects/{_part(project_name)}"


def journal_prefix(organization: str) -> str:
    """Return the prefix of an organization's journal. The day follows it, so sorted keys are oldest first."""
    return f"{_part(organization)}/journal/"


def journal_key(organization: str, day: str, session: str, part: str) -> str:
    """Return the key of a part of the journal. `day` is YYYYMMDD (UTC), `session` the client's id of one dbt process."""
    return f"{journal_prefix(organization)}{day}/{session or '='}/{part}"


def journal_day_of(organization: str, key: str) -> str:
    """Return the day (YYYYMMDD) of a key under a `journal_prefix`."""
    return key.removeprefix(journal_prefix(organization)).partition("/")[0]


def decision_id(day: str, session: str, part: str, number: int) -> str:
    """Return a decision's id. It contains its part of the journal, so the id alone identifies the document."""
    return f"{day}.{session or '='}.{part}.{number}"


def journal_key_of(organization: str, decision: str) -> tuple[str, int] | None:
    """Return the key of the journal part in a decision id, and the decision's number. None if it is not an id of this server."""
    match = _DECISION_ID.fullmatch(decision)
    return None if match is None else (f"{journal_prefix(organization)}{'/'.join(match.groups()[:3])}", int(match[4]))


def texts_prefix(organization: str, kept: StoreSql) -> str:
    """Return the prefix of an organization's texts of one kind. The kind is in the prefix so that it can be deleted alone."""
    return f"{_part(organization)}/texts-{kept.value}/"


def texts_key(organization: str, target: TargetKey, kept: StoreSql) -> str:
    """Return the key of the document with the texts of a target's newest logics."""
    return f"{texts_prefix(organization, kept)}{_part(target.namespace)}/{_digest(target.name)}"


def texts_keys_beside(target: str) -> list[str]:
    """Return the keys of all texts that may be stored for the target whose document has the key `target`."""
    organization, _, place = target.split("/", 2)
    return [f"{organization}/texts-{kept.value}/{place}" for kept in StoreSql]


def aside_key(key: str, data: bytes) -> str:
    """Return the key under which a broken document is set aside (rule X3)."""
    return f"{key}.broken-{blake2b(data, digest_size=8).hexdigest()}"


def is_aside(key: str) -> bool:
    """Return whether a key holds a broken document that was set aside."""
    return ".broken-" in key


def _part(name: str) -> str:
    if not name:
        return "="
    return name if _HARMLESS.fullmatch(name) else f"={_digest(name)}"


def _digest(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
