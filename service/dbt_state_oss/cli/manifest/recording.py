"""Puts what is proven on record, by the way that every build takes that was made without a question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from hashlib import blake2b

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller
from dbt_state_oss.application.candidates import Candidates
from dbt_state_oss.application.gathering import Gathering
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.application.parsing import ParsingLimits, PooledFingerprinter
from dbt_state_oss.application.record import Record, Recorded
from dbt_state_oss.cli.manifest.artifacts import PlainRun
from dbt_state_oss.cli.progress import Progress
from dbt_state_oss.cli.stores import opened
from dbt_state_oss.settings import Settings


@dataclass(frozen=True, slots=True)
class _Moment:
    """A clock that stands at the end of a build."""

    time: int

    def now(self) -> int:
        return self.time


async def record(settings: Settings, run: PlainRun, proven: Mapping[str, Recorded]) -> None:
    """Record the builds, each after what it reads. Raises `StoreError`; what was recorded before stays.

    A record is of the time of the run, not of its import: it was built when its table was last written, and began when its
    compilation did. So what was invalidated since stays so (rule I5), its age is that of its data (rule F5), and an input that is
    not older than its beginning proves nothing (rule W8). Repeated, it is the same record.
    """
    parsing = ParsingLimits(workers=settings.parsing.workers, parse_seconds=settings.parsing.timeout_seconds)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened(settings.store))
        ledger = Ledger(store, cache_bytes=settings.store.cache_bytes)
        fingerprinter = PooledFingerprinter(parsing)
        stack.push_async_callback(fingerprinter.close)
        candidates = Candidates(store, ledger)
        progress = stack.enter_context(Progress("recorded"))
        for number, (unique_id, build) in enumerate(proven.items(), start=1):
            written = build.outcome.epoch
            assert written is not None, "a build whose table has no epoch is not proven"
            clock = _Moment(written)
            node_states = NodeStates(store, clock)
            gathering = Gathering(
                ledger,
                node_states,
                fingerprinter,
                settings.decisions.build_on,
                settings.decisions.missing_evidence,
                never_reuse=settings.decisions.never_reuse,
                trusted_hooks=settings.decisions.trusted_hooks,
            )
            runtime = max(0, written - math.ceil(run.results[unique_id].began))
            told = replace(build, outcome=replace(build.outcome, runtime_ms=runtime), from_speculative_submit=True)
            recording = Record(
                ledger=ledger, gathering=gathering, candidates=candidates, node_states=node_states, clock=clock
            )
            await recording(Caller(DEFAULT_ORGANIZATION, _request_id(run, unique_id)), [told])
            await node_states.close()
            progress.tell(number, "builds")


def _request_id(run: PlainRun, unique_id: str) -> str:
    text = f"{run.manifest.invocation} {unique_id}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
