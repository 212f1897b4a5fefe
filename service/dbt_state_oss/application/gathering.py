"""From a submission to a case: the reads and the parsing that the rules need, and no more.

An unchanged target costs one read and no parsing: its history holds the digest of the raw code with the fingerprint.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.application.policy import Policy
from dbt_state_oss.application.ports import Workers
from dbt_state_oss.domain.case import Case, as_read
from dbt_state_oss.domain.extras import canonical_extras
from dbt_state_oss.domain.freshness import sighting_matters
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.reported import needs_thresholds
from dbt_state_oss.domain.rules import upstream_matters
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, raw_digest, seed_fingerprint
from dbt_state_oss.domain.sql.fingerprinting import unread_fingerprint
from dbt_state_oss.domain.submission import SeedValues, Submission


class Gathering:
    """Builds cases. Raises `StoreError` if the store cannot be read in time (rule X1)."""

    def __init__(
        self,
        ledger: Ledger,
        node_states: NodeStates,
        workers: Workers,
        policy: Policy,
    ) -> None:
        self._ledger = ledger
        self._node_states = node_states
        self._workers = workers
        self._policy = policy

    async def known(self, organization: str, submission: Submission, now: int) -> Case:
        """The case with every record that the decision depends on."""
        history = await self._ledger.history(organization, submission.key)
        case = await self._case(submission, history, now)
        if submission.oversized or not upstream_matters(case):
            return case
        case = await self.with_upstream(organization, case)
        if not sighting_matters(case):
            return case
        return replace(case, inputs_seen=await self._node_states.inputs_seen(organization, submission.node))

    async def unknown(self, submission: Submission, now: int) -> Case:
        """The case if the ledger cannot be read (rule X1), whatever may have been invalidated (rule I5)."""
        return await self._case(submission, History(forgotten_at=now), now)

    async def with_upstream(self, organization: str, case: Case) -> Case:
        """The same case with the histories of what it reads, which its record needs, and of what its last build read."""
        latest = case.history.latest
        recorded = latest.inputs.keys() if latest is not None else ()
        return await self.with_histories(organization, case, case.leaves_read().union(recorded))

    async def with_histories(self, organization: str, case: Case, relations: Collection[Relation]) -> Case:
        """The same case, with the histories of these relations added to its `upstream`."""
        missing = [relation for relation in relations if relation not in case.upstream]
        if not missing:
            return case
        histories = await self._ledger.histories(organization, case.submission.key.namespace, missing)
        return replace(case, upstream={**case.upstream, **histories})

    async def _case(self, submission: Submission, history: History, now: int) -> Case:
        weight = submission.weight
        digest = await by_size(weight, raw_digest, submission.code)
        fingerprint = await self._fingerprint(submission, history, digest)
        return Case(
            submission=as_read(submission, fingerprint),
            history=history.as_found_at(submission.own_epoch, submission.code.dialect.clock),
            fingerprint=fingerprint,
            raw_digest=digest,
            extras=await by_size(
                weight, canonical_extras, submission.extras, keep_defaults=needs_thresholds(submission)
            ),
            now=now,
            build_on=self._policy.build_on,
            never_reuse=self._policy.never_reuse,
            trusted_hooks=self._policy.trusted_hooks,
            missing_evidence=self._policy.missing_evidence,
        )

    async def _fingerprint(self, submission: Submission, history: History, digest: str) -> Fingerprint:
        for execution in history.executions:
            if execution.raw_digest == digest and execution.logic.fingerprint.is_final:
                return execution.logic.fingerprint
        if isinstance(submission.code, SeedValues):
            return seed_fingerprint(submission.code)
        if submission.code.too_long_to_scan:
            return unread_fingerprint(submission.code, digest)
        return await self._workers.fingerprint(submission.code)
