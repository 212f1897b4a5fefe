"""`dbt-state-oss state`: what is recorded can be listed, shown and forgotten, beside a server or without one."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.commands import COMMAND, PATIENCE_SECONDS, run
from tests.domain.building import BUILT, CASE, CUSTOMERS, MART, ORDERS, T0, asked, built_before, execution

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.explanation import time_text
from dbt_state_oss.domain.history import DataTestResults
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import ExecutionType, TargetKey
from dbt_state_oss.stores.local import LocalStore

DATA_TEST = f"test:test.shop.unique_mart {MART}"


@pytest.fixture
async def directory(tmp_path: Path) -> Path:
    """A state directory with two executions of the mart and a failed data test."""
    directory = tmp_path / "state"
    store = await LocalStore.open(directory)
    ledger = Ledger(store, cache_bytes=0)
    newest = execution(id="ns.t.new", runtime_ms=1_500)
    older = execution(id="ns.t.old", epoch=BUILT - 60_000, built_at=BUILT - 60_000)
    for build in (older, newest):
        await ledger.add(DEFAULT_ORGANIZATION, TargetKey("ns", MART), build)
    failed = execution(
        asked(CASE, execution_type=ExecutionType.DBT_DATA_TEST),
        id="ns.t.test",
        epoch=None,
        node_id="test.shop.unique_mart",
        results=DataTestResults(3, should_warn=False, should_error=True),
    )
    await ledger.add(DEFAULT_ORGANIZATION, TargetKey("ns", DATA_TEST), failed)
    await store.close()
    return directory


def names(directory: Path, *pattern: str) -> list[str]:
    result = run("state", "list", *pattern, "--json", "--dir", str(directory))
    return [json.loads(line)["target"] for line in result.stdout.splitlines()]


def test_list_is_a_table_with_a_line_for_each_target(directory: Path) -> None:
    result = run("state", "list", "--dir", str(directory))
    heading, mart, data_test = result.stdout.splitlines()
    assert re.split(" {2,}", heading) == [
        "TARGET", "TYPE", "EXECUTIONS", "LATEST BUILT", "AGE", "TOOK", "IF UNCHANGED",
    ]  # fmt: skip
    assert mart.startswith(f"{MART} ")
    assert time_text(BUILT) in mart
    assert mart.split()[1:3] == ["table", "2"]
    assert mart.endswith("1.500 s  skipped")
    assert data_test.startswith(f"{DATA_TEST}  test ")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("pattern", ["mart", "shop.prod.*", '"shop"."prod"."mart"', "model.shop.mart"])
def test_a_target_is_found_by_each_of_its_names(directory: Path, pattern: str) -> None:
    assert names(directory, pattern) == [MART]


def test_show_tells_each_execution_in_words(directory: Path) -> None:
    text = run("state", "show", "mart", "--dir", str(directory)).stdout
    assert "executions  2, newest first" in text
    assert f"built    {time_text(BUILT)}" in text
    assert "took     1.500 s" in text
    assert f"{ORDERS} at {time_text(T0)}" in text
    assert "model.shop.mart" in text
    assert text.index("ns.t.new") < text.index("ns.t.old")


def test_show_tells_a_data_tests_results(directory: Path) -> None:
    assert "results  3 failures: error" in run("state", "show", "test.shop.*", "--dir", str(directory)).stdout


def test_show_as_json_has_times_in_milliseconds(directory: Path) -> None:
    shown = json.loads(run("state", "show", "mart", "--json", "--dir", str(directory)).stdout)
    newest = shown["executions"][0]
    assert (newest["id"], newest["epoch"], newest["built_at"]) == ("ns.t.new", BUILT, BUILT)
    assert newest["inputs"][ORDERS] == T0


async def test_show_tells_why_it_would_be_built_and_what_was_decided_last(directory: Path) -> None:
    store = await LocalStore.open(directory)
    ledger, journal = Ledger(store, cache_bytes=0), Journal(store, SystemClock())
    moved = execution(
        asked(CASE, key=TargetKey("ns", ORDERS), relation=ORDERS, inputs={}, own_epoch=T0 + 1),
        id="ns.o.1",
        node_id="model.shop.orders",
    )
    await ledger.add(DEFAULT_ORGANIZATION, TargetKey("ns", ORDERS), moved)
    caller = Caller(DEFAULT_ORGANIZATION, "a" * 32, "b" * 32)
    decision = decide(built_before(CASE))
    journal.note(caller, built_before(CASE), decision, execution_id="ns.t.new")
    await journal.close()
    await store.close()

    text = run("state", "show", "mart", "--dir", str(directory)).stdout
    assert "if nothing has changed, it is built: its inputs have changed since its last build" in text
    assert f"upstream {ORDERS}" in text
    assert f"when {CUSTOMERS} was last updated" in text
    assert f"when {ORDERS} was last updated" not in text
    assert f"whether its table is unchanged since {time_text(BUILT)}" in text
    assert "[No-op] model was skipped because neither its logic nor its inputs have changed" in text

    shown = json.loads(run("state", "show", "mart", "--json", "--dir", str(directory)).stdout)
    assert shown["standing"]["reusable"] is False
    assert shown["standing"]["unrecorded_inputs"] == [CUSTOMERS]
    assert shown["latest_decision"]["decision"] == "No-op"


def test_show_tells_what_would_be_skipped_and_what_is_not_known(directory: Path) -> None:
    text = run("state", "show", "mart", "--dir", str(directory)).stdout
    assert "if nothing has changed, it is skipped" in text
    assert "its code, configuration and macros as they are now" in text
    assert "no decision about it is recorded" in text


async def add_reader(directory: Path, relation: Relation, reads: Relation) -> None:
    """Record a build of `relation` that read another."""
    key = TargetKey("ns", relation)
    store = await LocalStore.open(directory)
    built = execution(asked(CASE, key=key, relation=relation, inputs={reads: BUILT}), id=f"ns.{relation}.1")
    await Ledger(store, cache_bytes=0).add(DEFAULT_ORGANIZATION, key, built)
    await store.close()


async def test_what_was_invalidated_before_does_not_cut_off_what_is_downstream_of_it(directory: Path) -> None:
    child, grandchild = Relation('"shop"."prod"."child"'), Relation('"shop"."prod"."grandchild"')
    await add_reader(directory, child, MART)
    await add_reader(directory, grandchild, child)
    run("state", "invalidate", "child", "--yes", "--dir", str(directory))
    dry = run("state", "invalidate", "mart", "--downstream", "--dry-run", "--dir", str(directory))
    assert dry.stdout.splitlines() == [
        f"would invalidate {MART}",
        f"would invalidate   {child}, which reads {MART}",
        f"would invalidate     {grandchild}, which reads {child}",
    ]


async def test_invalidate_goes_downstream_and_tells_why(directory: Path) -> None:
    child = Relation('"shop"."prod"."child"')
    await add_reader(directory, child, MART)
    dry = run("state", "invalidate", "mart", "--downstream", "--dry-run", "--dir", str(directory))
    assert dry.stdout.splitlines() == [f"would invalidate {MART}", f"would invalidate   {child}, which reads {MART}"]
    assert run("state", "invalidate", "mart", "--yes", "--dir", str(directory)).stdout.startswith(
        f"invalidated {MART}\n1 of 1"
    )
    assert names(directory) == [child, DATA_TEST]


def test_a_name_that_matches_nothing_ends_with_1(directory: Path) -> None:
    result = run("state", "show", "nothing", "--dir", str(directory))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "no recorded target matches nothing\n"


def test_invalidate_asks_and_forgets_only_when_told_so(directory: Path) -> None:
    refused = run("state", "invalidate", "mart", "--dir", str(directory), typed="n\n")
    assert refused.returncode == 0
    assert "nothing was invalidated" in refused.stdout
    assert names(directory) == [MART, DATA_TEST]
    agreed = run("state", "invalidate", "mart", "--dir", str(directory), typed="y\n")
    assert f"invalidated {MART}" in agreed.stdout
    assert names(directory) == [DATA_TEST]


def test_invalidate_without_anybody_to_answer_forgets_nothing(directory: Path) -> None:
    result = run("state", "invalidate", "*", "--dir", str(directory))
    assert result.returncode == 2
    assert "nothing was changed. Use --yes to skip the confirmation" in result.stderr
    assert names(directory) == [MART, DATA_TEST]


def test_what_was_forgotten_can_be_forgotten_again(directory: Path) -> None:
    """A build of it may be under way once more."""
    for _ in range(2):
        told = run("state", "invalidate", "model.shop.mart", "--yes", "--dir", str(directory))
        assert told.returncode == 0
    assert f"{MART} has no recorded build; a build that is running now will not be recorded" in told.stdout
    assert names(directory) == [DATA_TEST]


def test_a_dry_run_only_tells(directory: Path) -> None:
    result = run("state", "invalidate", "*", "--dry-run", "--dir", str(directory))
    assert result.stdout.splitlines() == [f"would invalidate {MART}", f"would invalidate {DATA_TEST}"]
    assert names(directory) == [MART, DATA_TEST]


def test_invalidate_with_yes_does_not_ask(directory: Path) -> None:
    result = run("state", "invalidate", "*", "--yes", "--dir", str(directory))
    assert result.stdout.splitlines()[-1] == "2 of 2 targets invalidated; the next run builds them"
    assert names(directory) == []


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = run("state", "list", "--dir", str(tmp_path / "typo"))
    assert result.returncode == 1
    assert str(tmp_path / "typo") in result.stderr
    assert not (tmp_path / "typo").exists()


async def test_an_empty_state_is_listed_as_such(tmp_path: Path) -> None:
    await (await LocalStore.open(tmp_path)).close()
    result = run("state", "list", "--dir", str(tmp_path))
    assert (result.returncode, result.stdout) == (0, "")
    assert "no recorded target matches" in result.stderr


def test_the_document_that_is_named_is_the_one_that_is_stored(directory: Path) -> None:
    shown = json.loads(run("state", "show", "mart", "--json", "--dir", str(directory)).stdout)
    with sqlite3.connect(directory / "state.sqlite3") as database:
        keys = [key for (key,) in database.execute("SELECT key FROM documents")]
    database.close()
    assert shown["document"] in keys


def test_ctrl_c_at_the_question_ends_with_130_and_forgets_nothing(directory: Path) -> None:
    command = [*COMMAND, "state", "invalidate", "mart", "--dir", str(directory)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        shown = ""
        while not shown.endswith("[y/N] "):
            shown += asking.stdout.read(1)
        while asking.poll() is None:  # a signal just before Python begins to read waits for the next one
            asking.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                asking.wait(2)
        assert asking.returncode == 130
    assert names(directory) == [MART, DATA_TEST]


def first_line(*arguments: str) -> tuple[bytes, int]:
    """What a command tells first, of which nobody reads the rest, and its exit code."""
    command = [*COMMAND, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.stdout.close()
        return line, process.wait(PATIENCE_SECONDS)


async def test_all_is_forgotten_though_nobody_reads_to_the_end(tmp_path: Path) -> None:
    """As of `grep -q invalidated`."""
    store = await LocalStore.open(tmp_path)
    for number in range(600):
        await Ledger(store, cache_bytes=0).add(
            DEFAULT_ORGANIZATION, TargetKey("ns", Relation(f'"shop"."prod"."mart_{number}"')), execution()
        )
    await store.close()
    line, exit_code = first_line("state", "invalidate", "shop.prod.*", "--yes", "--dir", str(tmp_path))
    assert (line[:11], exit_code) == (b"invalidated", 0)
    assert run("state", "list", "--json", "--dir", str(tmp_path)).stdout == ""
