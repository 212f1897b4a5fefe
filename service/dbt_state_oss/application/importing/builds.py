"""Converts proven builds of plain dbt to records. Pure."""

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
    """A build to record. `at` is the time when its table was last written, in Unix milliseconds."""

    request_id: str
    recorded: Recorded
    at: int


def proven_builds(run: PlainRun, judged: Judged) -> Iterator[ProvenBuild]:
    """Yield the proven builds of the run, each after its inputs.

    A record has the time of the run, not of the import. The build ended when its table was last written, and began when its
    compilation began. This has three effects: a target that was invalidated since then stays invalidated (rule I5), the age
    of the build is the age of its data (rule F5), and an input that is not older than the beginning of the build proves
    nothing (rule W8). A second import creates the same record.
    """
    for unique_id, build in judged.proven.items():
        written = build.outcome.epoch
        assert written is not None, "a build whose table has no epoch is not proven"
        runtime = max(0, written - math.ceil(run.results[unique_id].began))
        record = replace(build, outcome=replace(build.outcome, runtime_ms=runtime), from_speculative_submit=True)
        yield ProvenBuild(_request_id(run, unique_id), record, written)


def _request_id(run: PlainRun, unique_id: str) -> str:
    text = f"{run.manifest.invocation} {unique_id}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
