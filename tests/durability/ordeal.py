"""The server under load is killed again and again; then all that it ever acknowledged is looked for.

`endure` runs it all, for the test and for `bench/kill.py`. The moments of the kills follow a seed; what they meet does not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.durability.client_load import client_load
from tests.durability.journal import Journal, read_journal
from tests.durability.killable_server import KillableServer
from tests.durability.load_process import now
from tests.durability.patient_client import PatientClient
from tests.durability.questions import seed
from tests.durability.verdict import faults_of

LONGEST_LIFE_SECONDS = 1.2
"""From the first answer to the kill."""
KILLED_YOUNG = 0.15
"""The share of kills whose moment counts from the process's start, so that some hit a server that does not serve yet."""
LONGEST_YOUTH_SECONDS = 1.0
MOST_FAULTS_SHOWN = 20
_SECONDS_A_KILL = 30
"""Bounds the load's time."""


@dataclass(slots=True)
class Report:
    """What happened. No fault means that nothing acknowledged is missing and nothing is broken."""

    seed: int
    kills: int = 0
    young: int = 0
    """Kills that did not wait until the server had answered."""
    acknowledged: int = 0
    interrupted: int = 0
    """Acknowledged calls that the server had died under before, or that found it dead."""
    outlived: int = 0
    """Builds asked of a server that was killed, and confirmed to its successor."""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.kills} kills in {self.seconds:.0f} s (seed {self.seed}), {self.young} of them at or soon after the start",
            f"{self.acknowledged} acknowledgements, {self.interrupted} of calls that met a dead server first",
            f"{self.outlived} tickets held by a bystander over a kill, all confirmed after it",
        ]
        lines += self.faults[:MOST_FAULTS_SHOWN] or ["nothing acknowledged is missing, nothing is broken"]
        if len(self.faults) > MOST_FAULTS_SHOWN:
            lines.append(f"and {len(self.faults) - MOST_FAULTS_SHOWN} faults more")
        return "\n".join(lines)


def endure(directory: Path, *, kills: int, seed: int, tell: Callable[[Report], None] = lambda report: None) -> Report:
    """Kill the server `kills` times; `tell` is called after each. Keeps everything in `directory`.

    Raises `AssertionError` where the server or a client of the load ends by itself, or the server answers what it must
    not; a note tells the seed.
    """
    report, began = Report(seed), time.monotonic()

    def tell_time() -> None:
        report.seconds = time.monotonic() - began
        tell(report)

    # One worker: all that is killed has to start again, on a machine that runs the load too.
    server = KillableServer(directory, settings={"DBTSTATE_PARSE_WORKERS": "1", "DBTSTATE_LOG_LEVEL": "warning"})
    try:
        _run(server, directory, kills, report, tell_time)
    except AssertionError as error:
        error.add_note(f"seed {seed}")
        raise
    acknowledged = [each for path in sorted(directory.glob("*.journal")) for each in read_journal(path)]
    report.acknowledged = len(acknowledged)
    report.interrupted = sum(each.attempts > 1 for each in acknowledged)
    report.faults += faults_of(server.state, acknowledged)
    report.seconds = time.monotonic() - began
    return report


def _run(server: KillableServer, directory: Path, kills: int, report: Report, tell: Callable[[], None]) -> None:
    """Everything while processes run; when it returns none does, but an orphan that it reports."""
    dice, seconds = random.Random(report.seed), _SECONDS_A_KILL * (kills + 2)
    with ExitStack() as stack:
        stack.callback(server.close)
        bystander = stack.enter_context(_bystander(server, directory))
        server.start()
        load = stack.enter_context(client_load(directory, server.address, seed=report.seed, seconds=seconds))
        while report.kills < kills:
            _one_life(server, bystander, dice, report)
            load.assert_alive()
            tell()
        report.outlived += bystander.confirm_held()
        load.end()
        if server.terminate() != 0:
            report.faults.append(f"the server did not end in order: {server.tail()}")
        report.faults += _orphans(server)


class Bystander:
    """Asks before each kill and confirms after it: the promise must survive the server that made it (rule W3)."""

    def __init__(self, client: PatientClient, journal: Journal) -> None:
        self._client = client
        self._journal = journal
        self._asked = 0
        self._held: list[str] = []

    def ask(self) -> None:
        self._asked += 1
        self._held.append(self._client.ticket(seed(f"bystander_{self._asked}", content="one")))

    def confirm_held(self) -> int:
        """How many tickets there were; all of them are confirmed."""
        held, self._held = self._held, []
        for ticket in held:
            self._journal.write(self._client.confirm(ticket, epoch=now()))
        return len(held)


def _one_life(server: KillableServer, bystander: Bystander, dice: random.Random, report: Report) -> None:
    """Kill the running server at some moment of its life and start the next one."""
    if dice.random() < KILLED_YOUNG:
        report.young += 1
        time.sleep(dice.uniform(0, LONGEST_YOUTH_SECONDS))
    else:
        report.outlived += bystander.confirm_held()
        bystander.ask()
        time.sleep(dice.uniform(0, LONGEST_LIFE_SECONDS))
    server.kill()
    report.kills += 1
    server.start()


@contextmanager
def _bystander(server: KillableServer, directory: Path) -> Iterator[Bystander]:
    client, journal = PatientClient(server.address), Journal(directory / "bystander.journal")
    yield Bystander(client, journal)
    client.close()
    journal.close()


def _orphans(server: KillableServer) -> list[str]:
    """The first one found: waiting for each would take as long again."""
    orphaned = (life for life in range(1, server.life + 1) if server.leaves_orphans(life))
    return [f"a worker of the server's start number {life} lives on without it" for life in islice(orphaned, 1)]
