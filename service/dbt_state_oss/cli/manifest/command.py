"""The command: collect, judge, record, and tell what was left out and why."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dbt_state_oss.application.record import Recorded
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.manifest.artifacts import PlainRun, read_run
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.settings import Settings

_MOST_OFFSET_MS = 1000
_SHOWN = 20

_DESCRIPTION = """\
Record what a run of plain dbt has built, so that the first run with the client already skips it. Nothing is built and
nothing is written in the warehouse: the client's own code is asked, by way of `dbt compile`, what it would have sent.

A build is recorded only if it is proven: by the run's manifest.json and run_results.json, by the project as it is now,
and by when the warehouse says that tables were last modified. Everything else is left out, with the reason, and is
built by the next run. Import right after the run, on the machine that ran it (its clock is part of the proof)."""

_EPILOG = """\
example, on the machine that runs dbt (with the package dbt-state installed beside it):
  RUN_CACHE_DISABLED=true dbt build
  dbt-state-oss state import-manifest --project-dir . --nothing-was-deleted
  dbt build                     reuses what was recorded"""

_VOUCH_HELP = (
    "vouch that since the run no rows were deleted from the sources: on Postgres a deletion leaves no trace, "
    "so that without this only what reads nothing but tables of the same run is recorded there"
)


@dataclass(slots=True)
class _Judged:
    """What is proven, in the order in which it is to be recorded, and what is not."""

    proven: dict[str, Recorded] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `import-manifest`."""
    parser = actions.add_parser(
        "import-manifest",
        help="record what a run of plain dbt has built",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--project-dir", type=Path, default=Path(), metavar="DIR", help="the dbt project (default: here)"
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        metavar="DIR",
        help="where the run's manifest.json and run_results.json are (default: target)",
    )
    parser.add_argument("--profiles-dir", type=Path, metavar="DIR", help="as for dbt")
    parser.add_argument(
        "--dbt-python",
        type=Path,
        metavar="FILE",
        help="the interpreter that dbt runs in (default: that of the dbt on the path)",
    )
    parser.add_argument("--nothing-was-deleted", action="store_true", help=_VOUCH_HELP)
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be recorded")
    add_settings(parser, STORE_SETTINGS)
    parser.set_defaults(act=import_manifest)


def import_manifest(options: argparse.Namespace, settings: Settings) -> int:
    """Import a run; returns the exit code. Raises InvalidRequest where it can't be judged, StoreError."""
    from dbt_state_oss.cli.manifest.recording import record  # late, as in `_judged`

    project = options.project_dir.absolute()
    run = read_run(options.artifacts or project / "target")
    judged = _judged(options, project, run)
    if not options.dry_run:
        asyncio.run(record(settings, run, judged.proven))
    print("\n".join(_told(judged, "would be recorded" if options.dry_run else "recorded")))
    return 0


def _judged(options: argparse.Namespace, project: Path, run: PlainRun) -> _Judged:
    from dbt_state_oss.cli.manifest import proof  # late, so that --help does not wait for gRPC to load
    from dbt_state_oss.cli.manifest.collecting import collect, python_beside_dbt

    collection = collect(options.dbt_python or python_beside_dbt(), project, options.profiles_dir, run)
    if collection.manifest.dbt_version != run.manifest.dbt_version:
        raise InvalidRequest(
            f"the run was made by dbt {run.manifest.dbt_version}, and here is {collection.manifest.dbt_version}: "
            "name the interpreter of the former with --dbt-python"
        )
    if collection.offset_ms is None or abs(collection.offset_ms) > _MOST_OFFSET_MS:
        raise InvalidRequest(
            "the clocks of this machine and of the warehouse differ by more than a second, or could not be compared: "
            "when something was written proves nothing then; set this machine's clock"
        )
    judged = _Judged()
    dialects = {one.recorded.submission.code.dialect for one in collection.nodes.values()}
    around = proof.surroundings(run, dialects, nothing_was_deleted=options.nothing_was_deleted)
    unseen = [unique_id for unique_id in run.results if unique_id not in collection.nodes]
    for unique_id in (*collection.nodes, *unseen):
        if unique_id not in run.results:
            continue
        collected = collection.nodes.get(unique_id)
        why = proof.why_not_asked(run, unique_id) or proof.why_other_code(run, collection.manifest, unique_id)
        if why is None and collected is None:
            why = collection.faults.get(unique_id, "dbt could not compile it")
        if why is None and collected is not None:
            why = proof.why_not_proven(collected.recorded, run.results[unique_id], collected.views, around)
            judged.proven |= {} if why else {unique_id: collected.recorded}
        if why is not None:
            judged.left_out[unique_id] = why
    return judged


def _told(judged: _Judged, verb: str) -> Iterator[str]:
    total = len(judged.proven) + len(judged.left_out)
    yield f"{len(judged.proven)} of the run's {total} nodes {verb}"
    yield from (f"  {unique_id}" for unique_id in judged.proven)
    if judged.left_out:
        yield f"{len(judged.left_out)} left out:"
    for why, unique_ids in sorted(_by_reason(judged.left_out).items()):
        yield f"  {why}"
        yield from (f"    {unique_id}" for unique_id in unique_ids[:_SHOWN])
        if len(unique_ids) > _SHOWN:
            yield f"    and {len(unique_ids) - _SHOWN} more"


def _by_reason(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for unique_id, why in sorted(left_out.items()):
        reasons.setdefault(why, []).append(unique_id)
    return reasons
