"""The command: collects the client's records, judges them, stores the proven builds, and reports the rest with reasons."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.importing.builds import ProvenBuild, proven_builds
from dbt_state_oss.application.importing.proof import Judged, judge
from dbt_state_oss.application.parsing import ParsingLimits, WorkerProcesses
from dbt_state_oss.cli.engines import opened
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.manifest.artifacts import read_run
from dbt_state_oss.cli.progress import Progress
from dbt_state_oss.settings import Settings

_SHOWN = 20

_DESCRIPTION = """\
Record the builds of a run of plain dbt, so that the first run with the client can skip them. Nothing is built and
nothing is written to the warehouse: `dbt compile` lets the client make its records, which are then checked.

A build is recorded only if it is proven by manifest.json and run_results.json of the run, by the project as it is now,
and by the times at which the warehouse last modified the tables. Everything else is listed with the reason, and the
next run builds it. Import right after the run, on the machine that ran it, since its clock is part of the proof."""

_EPILOG = """\
example, on the machine that runs dbt (with the package dbt-state installed beside it):
  RUN_CACHE_DISABLED=true dbt build
  dbt-state-oss state import-manifest --project-dir . --nothing-was-deleted
  dbt build                     reuses what was recorded"""

_NOTHING_WAS_DELETED_HELP = (
    "confirm that no rows were deleted from the sources since the run; a deletion leaves no trace on Postgres, "
    "so without this flag only nodes that read nothing but tables of the same run are recorded there"
)


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `import-manifest`."""
    parser = actions.add_parser(
        "import-manifest",
        help="record the builds of a run of plain dbt",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--project-dir", type=Path, default=Path(), metavar="DIR", help="dbt project (default: the current directory)"
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        metavar="DIR",
        help="directory of the run's manifest.json and run_results.json (default: target)",
    )
    parser.add_argument("--profiles-dir", type=Path, metavar="DIR", help="as for dbt")
    parser.add_argument(
        "--dbt-python",
        type=Path,
        metavar="FILE",
        help="Python interpreter of dbt (default: that of the dbt on the PATH)",
    )
    parser.add_argument("--nothing-was-deleted", action="store_true", help=_NOTHING_WAS_DELETED_HELP)
    parser.add_argument("--dry-run", action="store_true", help="show what would be recorded, change nothing")
    add_settings(parser, STORE_SETTINGS)
    parser.set_defaults(act=import_manifest)


def import_manifest(options: argparse.Namespace, settings: Settings) -> int:
    """Import a run and return the exit code. Raises InvalidRequest if the run cannot be judged, and StoreError."""
    from dbt_state_oss.cli.manifest.collecting import (
        collect,
        python_beside_dbt,
    )  # late, so that --help does not load protobuf

    project = options.project_dir.absolute()
    run = read_run(options.artifacts or project / "target")
    collection = collect(options.dbt_python or python_beside_dbt(), project, options.profiles_dir, run)
    judged = judge(run, collection, nothing_was_deleted=options.nothing_was_deleted)
    if not options.dry_run:
        asyncio.run(_record(settings, proven_builds(run, judged)))
    print("\n".join(_report_lines(judged, "would be recorded" if options.dry_run else "recorded")))
    return 0


async def _record(settings: Settings, builds: Iterable[ProvenBuild]) -> None:
    parsing = ParsingLimits(workers=settings.parsing.workers, parse_seconds=settings.parsing.timeout_seconds)
    async with AsyncExitStack() as stack:
        workers = WorkerProcesses(parsing)
        stack.push_async_callback(workers.close)
        policy = settings.decisions.policy
        engine = await stack.enter_async_context(opened(settings.store, workers=workers, policy=policy))
        progress = stack.enter_context(Progress("recorded"))
        await engine.import_builds(DEFAULT_ORGANIZATION, builds, lambda number: progress.update(number, "builds"))


def _report_lines(judged: Judged, verb: str) -> Iterator[str]:
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
