"""`dbt-state-oss explain`: decisions of a run or about a name, from the store alone, for people and as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tests.cli.commands import run
from tests.domain.building import MART, ORDERS, asked, execution
from tests.domain.varying import ORDERS_FRESH, SAME

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION, Caller
from dbt_state_oss.application.journal import Journal
from dbt_state_oss.application.keys import execution_id
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.decide import decide
from dbt_state_oss.domain.history import Input
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.stores.local import LocalStore

TARGET = TargetKey("ns", MART)
STALE = asked(SAME, inputs=ORDERS_FRESH)
BECAUSE = f"its inputs have changed since its last build: upstream {ORDERS} was updated 1 hour ago"
UNKNOWN = "20260101.s.0123456789abcdef.1"


@pytest.fixture
async def project(tmp_path: Path) -> Path:
    """A folder with a state and the log of a run: the mart was built and then skipped, of `lost` nothing is on record."""
    store = await LocalStore.open(tmp_path / "state")
    first, second = (execution_id(TARGET, name, "raw") for name in ("first", "second"))
    inputs = {ORDERS: Input(ORDERS_FRESH[ORDERS], None)}
    builds = [execution(id=first, epoch=1), execution(id=second, epoch=2, inputs=inputs)]
    for build in builds:
        await Ledger(store, cache_bytes=0).add(DEFAULT_ORGANIZATION, TARGET, build)
    journal, caller = Journal(store, SystemClock()), Caller(DEFAULT_ORGANIZATION, "r", "s")
    built = journal.note(caller, STALE, decide(STALE), execution_id=second)
    later = replace(SAME, now=SAME.now + 1)
    skipped = journal.note(caller, later, decide(later), execution_id=second)
    await journal.close()
    await store.close()
    nodes = [
        logged("mart", execution_id=second, execution_decision_id=built),
        logged("twin", execution_decision_id=skipped),
        logged("lost", execution_decision_id=UNKNOWN),
        logged("stg_orders", is_view=True),
    ]
    log = tmp_path / "logs" / "state" / "responses_2026_01_02.jsonl"
    log.parent.mkdir(parents=True)
    log.with_name("responses_2026_01_01.jsonl").write_text("an older one")
    log.write_text("".join(json.dumps(line) + "\n" for line in [{"entry_type": "run_start"}, *nodes]))
    os.utime(log, (0, 0))  # what is not in the store now is not waited for
    return tmp_path


def logged(name: str, *, is_view: bool = False, **ids: str) -> dict[str, Any]:
    info = {"is_view": is_view, "dev_clone": None, "deferrals": {"raw.x": "prod.x"} if is_view else {}}
    return {"entry_type": "node", "node_name": name, "node_info": info, **ids}


def explain(project: Path, *arguments: str) -> CompletedProcess[str]:
    return run("explain", *arguments, "--dir", str(project / "state"), directory=project)


def test_a_line_for_each_node_says_why(project: Path) -> None:
    told = explain(project)
    assert told.returncode == 0
    assert told.stdout.split("\n\n") == [
        f"mart\n  [Execute] model was executed because {BECAUSE}",
        "twin\n  [No-op] model was skipped because neither its logic nor its inputs have changed",
        "lost\n  explanation unavailable",
        "stg_orders\n  [Execute] a view: dbt builds it at every run, and the client does not submit it\n",
    ]
    assert told.stderr.startswith("1 of 4 decisions are not in ")


def test_more_is_told_when_asked_for(project: Path) -> None:
    verbose = explain(project, "-v", "-s", "mart").stdout
    assert "    ✓ its table exists\n" in verbose
    assert "  ✗ [outdated] data freshness analysis\n" in verbose
    assert "all upstream" not in verbose
    very = explain(project, "-vv", "-s", "mart").stdout
    assert f"  all upstream dependency changes\n    - {ORDERS} was updated\n      - last updated: " in very


def test_json_holds_everything(project: Path) -> None:
    mart, twin, lost, view = (json.loads(line) for line in explain(project, "--json").stdout.splitlines())
    assert (mart["decision"], mart["target"], mart["decided_at"]) == ("Execute", MART, STALE.now)
    assert mart["description"].endswith(BECAUSE)
    assert mart["explanation"][0]["children"][0]["badge"] == "target_table_exists"
    assert mart["upstream_changes"][0]["text"] == f"{ORDERS} was updated"
    assert (twin["decision"], twin["found"], lost["found"]) == ("No-op", True, False)
    assert view["remarks"][0]["text"] == "raw.x was deferred to prod.x"


@pytest.mark.parametrize("name", ["mart", "shop.prod.mart", "model.shop.mart", "shop.*"])
def test_a_name_brings_the_newest_decisions_first_and_what_is_recorded(project: Path, name: str) -> None:
    told = explain(project, name)
    assert told.returncode == 0
    newest, older, recorded = told.stdout.split("\n\n")
    assert newest.startswith(f"{MART} 20")
    assert "[No-op]" in newest
    assert "[Execute]" in older
    assert recorded.startswith("recorded:\nTARGET ")
    assert recorded.splitlines()[-1].split()[:3] == [MART, "table", "2"]


def test_a_name_as_json_is_a_line_for_each_decision_and_each_target(project: Path) -> None:
    skipped, built, target = (json.loads(line) for line in explain(project, "mart", "--json").stdout.splitlines())
    assert (skipped["decision"], skipped["upstream_changes"]) == ("No-op", [])
    assert built["upstream_changes"]
    assert len(target["executions"]) == 2


def test_common_mistakes_are_told_in_a_sentence(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    state = ("--dir", str(project / "state"))
    for told, sentence in (
        (run("explain", *state, directory=elsewhere), "no decision log found in logs/state; run this where dbt ran"),
        (run("explain", "--dir", str(elsewhere / "no"), directory=project), "no state found in"),
        (explain(project, "nothing"), "no recorded target and no decision matches nothing"),
        (explain(project, "-s", "nothing"), "no node in logs/state/responses_2026_01_02.jsonl matches nothing"),
        (explain(project, "--log", "logs/state/responses_2026_01_01.jsonl"), "is not a decision log of dbt-state"),
        (explain(project, "--log", "nowhere"), "nowhere cannot be read: No such file or directory"),
        (explain(project, "-s", "lost"), "1 of 1 decisions are not in"),
    ):
        assert told.returncode == 1
        assert sentence in told.stderr
        assert "Traceback" not in told.stderr
