"""A proven build of plain dbt, as the record that it becomes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

from dbt_state_oss.application.importing.proof import Judged
from dbt_state_oss.application.importing.run import PlainRun
from dbt_state_oss.application.record import Recorded


@dataclass(frozen=True, slots=True)
class ProvenBuild:
    """A build to be recorded as of `at`, Unix milliseconds: when its table was last written."""

    request_id: str
    recorded: Recorded
    at: int


def proven_builds(run: PlainRun, judged: Judged) -> Iterator[ProvenBuild]:
    """The proven builds of the run, each after what it reads.

    A record is of the time of the run, not of its import: it was built when its table was last written, and began when its
    compilation did. So what was invalidated since stays so (rule I5), its age is that of its data (rule F5), and an input that is
    not older than its beginning proves nothing (rule W8). Repeated, it is the same record.
    """
    for unique_id, build in judged.proven.items():
        written = build.outcome.epoch
        assert written is not None, "a build whose table has no epoch is not proven"
        runtime = max(0, written - math.ceil(run.results[unique_id].began))
        told = replace(build, outcome=replace(build.outcome, runtime_ms=runtime), from_speculative_submit=True)
        yield ProvenBuild(_request_id(run, unique_id), told, written)


def _request_id(run: PlainRun, unique_id: str) -> str:
    text = f"{run.manifest.invocation} {unique_id}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
