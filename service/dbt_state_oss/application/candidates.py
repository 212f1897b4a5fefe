"""Candidate lists: the targets that were built with one logic, as sources of clones.

An entry is only a hint. It is always verified against the target's own document (rule C1). A missing entry costs a possible
clone, and a wrong entry costs a read. So a failed write of a list never fails the operation that caused it.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from dbt_state_oss.application.codec import CandidateEntry, CandidatesDocument, decode_candidates, encode
from dbt_state_oss.application.documents import DocumentCache
from dbt_state_oss.application.keys import candidates_key
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.ports import ObjectStore
from dbt_state_oss.domain.case import Case
from dbt_state_oss.domain.cloning import Candidate, is_source_of_clones
from dbt_state_oss.domain.history import Execution, Logic
from dbt_state_oss.domain.lineage import logic_parts
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.sql.fingerprint import digest_of
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import StoreError

MOST_CANDIDATES = 32
"""The most targets that one candidate list holds."""

_CACHE_BYTES = 4 * 1024 * 1024

_log = structlog.get_logger(__name__)


class Candidates:
    """Maintains the candidate lists, and finds the candidates for a submission."""

    def __init__(self, store: ObjectStore, ledger: Ledger) -> None:
        self._ledger = ledger
        self._documents: DocumentCache[CandidatesDocument] = DocumentCache(
            store, decode=decode_candidates, encode=encode, cache_bytes=_CACHE_BYTES
        )

    async def find(self, organization: str, case: Case) -> list[Candidate]:
        """Return the other targets that were built with the case's logic, with their histories. Raises `StoreError`."""
        namespace = case.submission.key.namespace
        document = await self._documents.read(list_key(organization, namespace, case.logic))
        if document is None:
            return []
        relations = [Relation(name) for name in document.targets if name != case.submission.relation]
        histories = await self._ledger.histories(organization, namespace, relations)
        return [Candidate(relation, histories[relation]) for relation in relations]

    async def list(self, organization: str, target: TargetKey, execution: Execution) -> None:
        """List a target under the logic of an execution, unless the execution cannot be cloned. Never raises."""
        if not is_source_of_clones(execution):
            return
        key = list_key(organization, target.namespace, execution.logic)
        entry = CandidateEntry(listed_at=execution.confirmed_at, copy=execution.origin is not None)

        def listed(document: CandidatesDocument | None) -> CandidatesDocument | None:
            known = {} if document is None else document.targets
            best = known if target.name in known else _best({**known, target.name: entry})
            return None if best == known else CandidatesDocument(best)

        try:
            known = await self._documents.read(key)
            if known is None or target.name not in known.targets:
                await self._documents.update(key, listed)
        except StoreError as error:
            _log.warning("candidate_not_listed", key=key, cause=str(error))

    async def remove(self, organization: str, namespace: str, copy: Execution) -> None:
        """Remove a source from its candidate list because cloning it failed: the table is gone or has changed. Never raises.

        Does nothing if `copy` has no origin, or if an earlier state of the source was to be copied.
        """
        if copy.origin is None or copy.origin.past:
            return
        name = copy.origin.relation

        def without(document: CandidatesDocument | None) -> CandidatesDocument | None:
            if document is None or name not in document.targets:
                return None
            return CandidatesDocument({each: entry for each, entry in document.targets.items() if each != name})

        key = list_key(organization, namespace, copy.logic)
        try:
            await self._documents.update(key, without)
        except StoreError as error:
            _log.warning("candidate_not_removed", key=key, cause=str(error))


def list_key(organization: str, namespace: str, logic: Logic) -> str:
    """Return the key of the candidate list for `logic` in a namespace."""
    return candidates_key(organization, namespace, digest_of(*logic_parts(logic)))


def _best(targets: Mapping[str, CandidateEntry]) -> dict[str, CandidateEntry]:
    """Return at most `MOST_CANDIDATES` entries: builds before clones, and newer entries before older ones."""
    ranked = sorted(targets.items(), key=lambda item: (item[1].copy, -item[1].listed_at, item[0]))
    return dict(sorted(ranked[:MOST_CANDIDATES]))
