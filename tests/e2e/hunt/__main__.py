"""`python -m tests.e2e.hunt --seeds 1-20 --steps 50`: hunts, several at a time; README.md beside this file tells of them."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.e2e.dbt_process import DbtProcess
from tests.e2e.generations import Generation
from tests.e2e.hunt.arena import open_arena
from tests.e2e.hunt.hunt import Hunt
from tests.e2e.hunt.judging import LEAST_CUT_OFFS, MOST_NEEDLESS, Fault
from tests.e2e.hunt.mutated_server import MUTATIONS
from tests.e2e.postgres import PostgresServer
from tests.emulators.running import REMOTE_STORES, Emulators

INTERRUPTED = 130


def main() -> int:
    """Exit code 1 on a finding that fails the hunt."""
    parser = argparse.ArgumentParser(prog="hunt", description="Hunt false skips with random projects and histories.")
    parser.add_argument("--seeds", default="1", help="seeds to follow: 7, 1-20 or 1,5,9-12 (default: 1)")
    parser.add_argument("--steps", type=int, default=50, help="steps of each hunt (default: 50)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="hunts at a time (default: one for each core)")
    parser.add_argument("--mutation", choices=MUTATIONS, help="break this rule of the server first")
    parser.add_argument("--replicas", type=int, default=1, help="servers; of several, one is killed in each run")
    parser.add_argument(
        "--state-store", choices=("local", *REMOTE_STORES), default="local", help="where they keep their state"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was counted")
    options = parser.parse_args()
    seeds = _seeds(options.seeds)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        reports = [_hunt(seeds[0], options)] if len(seeds) == 1 else _hunt_all(seeds, options)
    except KeyboardInterrupt:
        return INTERRUPTED
    if options.json:
        options.json.write_text(json.dumps(reports, indent=1))
    return 0 if _summary(reports) else 1


def _seeds(text: str) -> list[int]:
    ranges = [part.partition("-") for part in text.split(",")]
    return [seed for first, _, last in ranges for seed in range(int(first), int(last or first) + 1)]


def _hunt(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One hunt in this process; its history is told as it happens."""
    began = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hunt-")))
        postgres, emulators = PostgresServer(), Emulators(directory)
        for each in (postgres, emulators):
            stack.callback(each.stop)
        store = options.state_store
        arena = stack.enter_context(
            open_arena(
                directory,
                postgres=postgres,
                client_of=_clients(stack),
                name=f"hunt_{seed}",
                mutation=options.mutation,
                replicas=options.replicas,
                store=None if store == "local" else emulators.variables(store, f"hunt-{seed}"),
            )
        )
        tally = Hunt(seed, arena, tell=_tell).run(options.steps)
    return {"seed": seed, "seconds": round(time.monotonic() - began), **tally.as_json()}


def _clients(stack: ExitStack) -> Callable[[Generation], DbtProcess]:
    """The dbt process of a client, started when it is first asked for and stopped with the hunt."""
    processes: dict[Generation, DbtProcess] = {}

    def client_of(generation: Generation) -> DbtProcess:
        if generation not in processes:
            processes[generation] = DbtProcess(generation.interpreter())
            stack.callback(processes[generation].stop)
        return processes[generation]

    return client_of


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _hunt_all(seeds: list[int], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Each in a process of its own; a line when one has ended, with its history if it found something."""
    reports = []
    with tempfile.TemporaryDirectory(prefix="hunts-") as directory, ThreadPoolExecutor(options.jobs) as pool:
        started: list[subprocess.Popen[bytes]] = []
        hunts = [pool.submit(_hunt_apart, Path(directory), seed, options, started) for seed in seeds]
        try:
            for number, hunt in enumerate(as_completed(hunts), 1):
                report, history = hunt.result()
                reports.append(report)
                if report["findings"]:
                    _tell(history)
                _tell(
                    f"{number} of {len(seeds)}: seed {report['seed']}, {report['steps']} steps, "
                    f"{len(report['findings'])} findings, {report['seconds']} s"
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in started:
                process.send_signal(signal.SIGINT)
            raise
    return sorted(reports, key=lambda report: int(report["seed"]))


def _hunt_apart(
    directory: Path, seed: int, options: argparse.Namespace, started: list[subprocess.Popen[bytes]]
) -> tuple[dict[str, Any], str]:
    log, result = directory / f"{seed}.log", directory / f"{seed}.json"
    command = [
        sys.executable,
        "-m",
        "tests.e2e.hunt",
        "--seeds",
        str(seed),
        "--steps",
        str(options.steps),
        "--replicas",
        str(options.replicas),
        "--state-store",
        options.state_store,
        "--json",
        str(result),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *(["--mutation", options.mutation] if options.mutation else [])],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append(process)
        process.wait()
    if not result.exists():
        raise RuntimeError(f"the hunt of seed {seed} broke off: {log.read_text()}")
    (report,) = json.loads(result.read_text())
    return report, log.read_text()


def _summary(reports: list[dict[str, Any]]) -> bool:
    """A line for each seed and one for all; whether they pass."""
    faults = list(Fault)
    counted = ("steps", "built", "reused", "cloned", "cut_offs_possible", "cut_offs_taken", "runs_with_errors")
    headings = ("seed", "steps", "built", "reused", "cloned", "cut-offs", "taken", "errors")
    _tell("\n" + "  ".join((*headings, *(fault.name.lower() for fault in faults))))
    for report in reports:
        counts = (sum(found["fault"] == fault.value for found in report["findings"]) for fault in faults)
        columns = "  ".join(str(count).rjust(len(fault.name)) for count, fault in zip(counts, faults, strict=True))
        numbers = zip(("seed", *counted), headings, strict=True)
        _tell("  ".join((*(str(report[key]).rjust(len(heading)) for key, heading in numbers), columns)))
    rare = {fault.value for fault in faults if fault.may_be_rare}
    grave = [found for report in reports for found in report["findings"] if found["fault"] not in rare]
    needless = sum(found["fault"] in rare for report in reports for found in report["findings"])
    share = needless / max(1, needless + sum(report["reused"] for report in reports))
    _tell(
        f"\n{len(grave)} grave findings; {share:.2%} of the builds that could have been spared were made "
        f"({MOST_NEEDLESS:.1%} may be)"
    )
    possible, taken, in_doubt = (
        sum(report[f"cut_offs_{key}"] for report in reports) for key in ("possible", "taken", "in_doubt")
    )
    _tell(
        f"{taken} of {possible} early cut-offs taken ({LEAST_CUT_OFFS:.0%} must be); {in_doubt} more tables and tests were built "
        "since nobody can know what their last build had read"
    )
    return not grave and share <= MOST_NEEDLESS and taken >= LEAST_CUT_OFFS * possible


if __name__ == "__main__":
    sys.exit(main())
