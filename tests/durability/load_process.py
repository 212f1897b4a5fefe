"""One client process of the load; run as a module with an address, a name, a seed, a journal and the most seconds.

Three threads ask and confirm without end on one channel, as dbt's do: one on tables and data tests of its own, one on
seeds of its own, one on targets that every process of the load writes to. It ends when its standard input does.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import count
from pathlib import Path

from tests.durability.journal import Acknowledged, Journal
from tests.durability.patient_client import PatientClient
from tests.durability.questions import Question, data_test, model, seed

from dbt_state_oss.domain.history import HISTORY_LENGTH

HOT_TARGETS = 3
"""Targets that see confirms without end, so that their histories are trimmed all the time."""
SLOT_SECONDS = 0.25
"""A fresh contended target for all processes; each confirms `CONFIRMS_IN_SLOT` to it, so that no one is trimmed."""
CONFIRMS_IN_SLOT = 2
QUERIES = 20
LONGEST_BUILD_SECONDS = 0.01


class Load:
    """What the threads do. Every acknowledgement is in the journal before the next step."""

    def __init__(self, client: PatientClient, journal: Journal, name: str) -> None:
        self._client = client
        self._journal = journal
        self._name = name

    def own_models_and_tests(self, dice: random.Random) -> None:
        """A fresh table, built some times as its source moves on, or a fresh data test."""
        name = f"{self._name}_{dice.randrange(10**12)}"
        if dice.random() < 0.2:
            for _ in range(dice.randint(1, HISTORY_LENGTH)):
                question = data_test(name, source_epoch=time.time_ns())
                self._build(question, dice, epoch=None, failures=dice.randrange(1000))
            return
        own_epoch: int | None = None
        factor = dice.randrange(QUERIES)
        for _ in range(dice.randint(1, HISTORY_LENGTH)):
            source_epoch = time.time_ns()
            question = model(name, factor=factor, source_epoch=source_epoch, own_epoch=own_epoch)
            built = self._build(question, dice, epoch=max(now(), (own_epoch or 0) + 1))
            own_epoch = built.epoch
            if dice.random() < 0.2:
                own_epoch = self._raise_epoch(built, dice)
            if dice.random() < 0.3:
                unchanged = model(name, factor=factor, source_epoch=source_epoch, own_epoch=own_epoch)
                answer = self._client.ask(unchanged)
                why = answer.ready_to_execute.explained_decision.decision_description
                assert answer.skip_execution.execution_id == built.execution_id, f"{built} is not known: {why}"

    def own_seeds(self, dice: random.Random) -> None:
        name = f"{self._name}_{dice.randrange(10**12)}"
        for version in range(dice.randint(1, HISTORY_LENGTH)):
            self._build(seed(name, content=f"{name} {version}"), dice, epoch=now())

    def contended(self, dice: random.Random) -> None:
        """The target of this moment, then for the rest of its time the hot ones."""
        slot = int(time.time() / SLOT_SECONDS)
        for version in range(CONFIRMS_IN_SLOT):
            self._build(seed(f"slot_{slot}", content=f"{self._name} {version}"), dice, epoch=now())
        while int(time.time() / SLOT_SECONDS) == slot:
            hot = dice.randrange(HOT_TARGETS)
            self._build(model(f"hot_{hot}", factor=hot, source_epoch=now(), own_epoch=None), dice, epoch=now())

    def _build(
        self, question: Question, dice: random.Random, *, epoch: int | None, failures: int | None = None
    ) -> Acknowledged:
        ticket = self._client.ticket(question)
        time.sleep(dice.uniform(0, LONGEST_BUILD_SECONDS))
        acknowledged = self._client.confirm(ticket, epoch=epoch, failures=failures)
        self._journal.write(acknowledged)
        return acknowledged

    def _raise_epoch(self, built: Acknowledged, dice: random.Random) -> int:
        assert built.epoch is not None
        raised = built.epoch + dice.randint(1, 50)
        self._journal.write(self._client.raise_epoch(built.execution_id, raised))
        return raised


def now() -> int:
    return time.time_ns() // 1_000_000


def repeat(work: Callable[[random.Random], None], dice: random.Random, stop: threading.Event, seconds: float) -> None:
    """Work until told to stop or out of time; a failure stops the others."""
    end = time.monotonic() + seconds
    try:
        while not stop.is_set() and time.monotonic() < end:
            work(dice)
    finally:
        stop.set()


def stop_when_input_ends(stop: threading.Event) -> None:
    os.read(sys.stdin.fileno(), 1)
    stop.set()


def main() -> None:
    address, name, seeded, journal_path, seconds = sys.argv[1:]
    client, journal = PatientClient(address), Journal(Path(journal_path))
    load = Load(client, journal, name)
    stop = threading.Event()
    threading.Thread(target=stop_when_input_ends, args=(stop,), daemon=True).start()
    kinds = (load.own_models_and_tests, load.own_seeds, load.contended)
    with ThreadPoolExecutor(len(kinds)) as threads:
        running = [
            threads.submit(repeat, kind, random.Random(f"{seeded} {name} {number}"), stop, float(seconds))
            for number, kind in zip(count(), kinds)
        ]
        wait(running, return_when=FIRST_EXCEPTION)
    for thread in running:
        thread.result()
    client.close()
    journal.close()


if __name__ == "__main__":
    main()
